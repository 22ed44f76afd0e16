package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filled is a closed ledger with transfers t0000 and so on, each with an attempt and an
// event.
func filled(t testing.TB, file string, n int) {
	t.Helper()
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, l, func(tx *Tx) error {
		_, err := tx.AgentID("agent-1")
		err = errors.Join(err, tx.SetGeneration(7), tx.InsertFolder(Folder{Partner: "acme", ID: "f1", Generation: 7}))
		for i := range n {
			x := transfer(fmt.Sprintf("t%04d", i))
			x.Key, x.Due = fmt.Sprintf("K-%d", i), moment.Add(time.Duration(i)*time.Second)
			x.Reason = strings.Repeat("r", 300)
			err = errors.Join(err, tx.InsertTransfer(x),
				tx.OpenAttempt(Attempt{Transfer: x.ID, N: 1, Text: strings.Repeat("a", 200)}),
				tx.AddEvent(Event{Partner: "acme", Subject: x.ID, Text: "text"}))
		}
		return err
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// overwrite puts bytes over a file, from an offset on.
func overwrite(t testing.TB, file string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a file is named, with what can be done, before SQLite has touched it
// or after it has tried.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(t *testing.T, file string)
		kind  FaultKind
		says  string
	}{
		"text":           {func(t *testing.T, file string) { write(t, file, []byte("partners:\n  acme:\n")) }, FaultNoLedger, "does not begin like"},
		"zeroes":         {func(t *testing.T, file string) { overwrite(t, file, 0, make([]byte, 4096)) }, FaultNoLedger, "begins with zeroes"},
		"its first line": {func(t *testing.T, file string) { write(t, file, []byte(magic)) }, FaultNoLedger, "ends within its first page"},
		"cut off": {func(t *testing.T, file string) {
			if err := os.Truncate(file, 8192); err != nil {
				t.Fatal(err)
			}
		}, FaultDamaged, "cut off: 8192 bytes of"},
		"another program's": {func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("CREATE TABLE songs (title TEXT)"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}, FaultNoLedger, "of another program"},
		"its tables": {func(t *testing.T, file string) { overwrite(t, file, 100, []byte(strings.Repeat("x", 3000))) }, FaultDamaged, "check --repair"},
		"a copy under the log of another": {func(t *testing.T, file string) {
			l, err := Open(file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy.db")
			if _, err := l.Backup(bg, copied); err != nil {
				t.Fatal(err)
			}
			update(t, l, func(tx *Tx) error { return tx.InsertTransfer(transfer("later")) })
			log, err := os.ReadFile(file + "-wal")
			b, rerr := os.ReadFile(copied)
			if err := errors.Join(err, rerr, l.Close()); err != nil {
				t.Fatal(err)
			}
			write(t, file+"-wal", log)
			write(t, file, b)
		}, FaultForeignLog, "ledger.db-wal and ledger.db-shm out of the way"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ledger.db")
			filled(t, file, 50)
			c.plant(t, file)
			l, err := Open(file, Options{})
			if err == nil {
				l.Close()
				t.Fatal("it opens")
			}
			f := FaultOf(err)
			if f == nil || f.Kind != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), file) {
				t.Errorf("%v", err)
			}
			if f != nil && f.Passes() {
				t.Error("it is said to pass")
			}
		})
	}
}

// A ledger whose log was taken away, or that was copied without it, may lack what was
// committed last: every folder may know more.
func TestLedgerWithoutItsLogIsACopy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	filled(t, file, 1)
	generation := func() int64 {
		l, err := Open(file, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var f Folder
		if err := l.View(bg, func(tx *Tx) (err error) { f, err = tx.Folder("acme"); return err }); err != nil {
			t.Fatal(err)
		}
		return f.Generation
	}
	if g := generation(); g != 7 {
		t.Fatalf("generation %d before", g)
	}
	if err := os.Remove(file + "-wal"); err != nil {
		t.Fatal(err)
	}
	if g := generation(); g != -1 {
		t.Errorf("generation %d without the log, want -1", g)
	}
	if g := generation(); g != -1 {
		t.Errorf("generation %d at the second start, want -1", g)
	}
}

// A ledger that another program holds, or that is damaged under the agent, is a fault to
// View and Update; one that has passed is forgotten with the next commit.
func TestFaultsWhileRunning(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.db")
	filled(t, file, 200)
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := openPlain(file, "_pragma=busy_timeout(10000)")
	defer other.Close()
	if _, err := other.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.write.Exec("PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	err = l.Probe(bg)
	if f := FaultOf(err); f == nil || f.Kind != FaultLocked || !f.Passes() || l.Trouble() != f {
		t.Fatalf("held by another program: %v", err)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := l.Probe(bg); err != nil || l.Trouble() != nil {
		t.Fatalf("released: %v, %v", err, l.Trouble())
	}
	select {
	case <-l.Lost():
		t.Fatal("a fault that passed counts as lost")
	default:
	}

	// The pages of the table are overwritten while it is open; what is not in a cache is
	// read anew.
	if _, err := l.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, file, 4096, []byte(strings.Repeat("damage! ", int(info.Size()-4096)/8)))
	err = l.View(bg, func(tx *Tx) error { _, err := tx.Transfer("t0100"); return err })
	if f := FaultOf(err); f == nil || f.Kind != FaultDamaged || f.Passes() {
		t.Fatalf("damaged: %v", err)
	}
	select {
	case <-l.Lost():
	default:
		t.Error("a damaged ledger does not count as lost")
	}
	if l.Trouble() == nil {
		t.Error("no trouble")
	}
}
