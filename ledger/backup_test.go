package ledger

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A copy that is made while others commit holds everything that was committed before,
// nothing by halves, and is marked as a copy.
func TestBackupWhileOthersCommit(t *testing.T) {
	dir := t.TempDir()
	file, target := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "copy.db")
	filled(t, file, 100)
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stop := make(chan struct{})
	var others sync.WaitGroup
	for k := range 4 {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("x%d-%06d", k, i)
				if err := l.Update(bg, func(tx *Tx) error { // both or none
					return firstOf(tx.InsertTransfer(transfer(id)), tx.OpenAttempt(Attempt{Transfer: id, N: 1}))
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	c, err := l.Backup(bg, target)
	close(stop)
	others.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if c.Transfers < 100 || c.Transfers != c.Attempts || c.Agent != "agent-1" || c.Generation != 7 || c.Schema < 6 {
		t.Errorf("%+v", c)
	}
	if _, err := l.Backup(bg, target); err == nil {
		t.Error("a second copy overwrites the first")
	}
	copy, err := Open(target, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copy.Close()
	again, err := copy.Contents(bg)
	if err != nil || again != c {
		t.Errorf("the copy holds %+v, %v; said was %+v", again, err, c)
	}
	var f Folder
	if err := copy.View(bg, func(tx *Tx) (err error) { f, err = tx.Folder("acme"); return err }); err != nil || f.Generation != -1 {
		t.Errorf("the copy is not marked as one: %+v, %v", f, err)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A damaged ledger gives no copy that somebody could rely on.
func TestBackupOfADamagedLedger(t *testing.T) {
	dir := t.TempDir()
	file, target := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "copy.db")
	filled(t, file, 400)
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	spoil(t, file, 8)
	if c, err := l.Backup(bg, target); FaultOf(err) == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

// spoil overwrites every n-th page but the first ones.
func spoil(t testing.TB, file string, n int) (spoilt int) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	garbage := make([]byte, 4096)
	r := rand.NewChaCha8([32]byte{1})
	for page := int64(72); page < info.Size()/4096; page += int64(n) {
		_, _ = r.Read(garbage) // it never fails
		overwrite(t, file, page*4096, garbage)
		spoilt++
	}
	return spoilt
}

// What can be read of a damaged ledger is in the new one, the rows beyond a hole too.
func TestSalvage(t *testing.T) {
	dir := t.TempDir()
	file, fresh := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "fresh.db")
	filled(t, file, 2000)
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, l, func(tx *Tx) (err error) {
		for i := range 3000 { // nothing but their key leads to them
			err = firstOf(err, tx.SaveCertificate(Certificate{Owner: "partner acme", Fingerprint: fmt.Sprintf("%064d", i), Subject: strings.Repeat("CN", 50)}))
		}
		return err
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if spoil(t, file, 60) < 3 {
		t.Fatal("too little was spoilt to prove anything")
	}
	report, err := Salvage(bg, file, fresh)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Salvaged{}
	for _, r := range report {
		rows[r.Table] = r
	}
	// A page holds about ten transfers; with one page in 60 lost most are there, not all.
	if n := rows["transfers"].Rows; n < 1700 || n >= 2000 || rows["transfers"].Fault == "" {
		t.Errorf("transfers: %+v", rows["transfers"])
	}
	// The attempts have no index; those of the transfers that were saved are found by these,
	// and the others from both ends.
	if n := rows["attempts"].Rows; n < 1700 || n >= 2000 || rows["attempts"].Fault == "" {
		t.Errorf("attempts: %+v", rows["attempts"])
	}
	if n := rows["certificates"].Rows; n < 50 || n >= 3000 || rows["certificates"].Fault == "" {
		t.Errorf("certificates: %+v", rows["certificates"])
	}
	if r := rows["folders"]; r.Rows != 1 || r.Fault != "" {
		t.Errorf("folders: %+v", r)
	}
	if l, err = Open(fresh, Options{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if faults, err := l.CheckThoroughly(bg); err != nil || len(faults) > 0 {
		t.Errorf("the new ledger: %v %v", faults, err)
	}
	err = l.Update(bg, func(tx *Tx) error {
		f, err := tx.Folder("acme")
		if f.Generation != -1 {
			t.Errorf("generation %d", f.Generation)
		}
		all, cerr := tx.Certificates("partner acme")
		first, last := false, false
		for _, c := range all {
			first, last = first || c.Fingerprint == fmt.Sprintf("%064d", 0), last || c.Fingerprint == fmt.Sprintf("%064d", 2999)
		}
		if !first || !last {
			t.Errorf("the first of the certificates: %v, the last: %v", first, last)
		}
		id, ierr := tx.AgentID("other")
		if id != "agent-1" {
			t.Errorf("agent %q", id)
		}
		return firstOf(err, cerr, ierr)
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := Salvage(bg, file, fresh); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("a second time: %v", err)
	}
}

// Of a file that cannot be read at all nothing is saved, and that is no error.
func TestSalvageOfNothing(t *testing.T) {
	dir := t.TempDir()
	file, fresh := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "fresh.db")
	filled(t, file, 10)
	overwrite(t, file, 0, make([]byte, 4096))
	report, err := Salvage(bg, file, fresh)
	if err != nil || len(report) == 0 {
		t.Fatalf("%v, %v", report, err)
	}
	for _, r := range report {
		if r.Fault == "" {
			t.Errorf("%+v", r)
		}
	}
}

// Partners that have left the config while something was open for them are found.
func TestStrays(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		gone, done, here := transfer("t1"), transfer("t2"), transfer("t3")
		gone.Partner, done.Partner, done.State = "gone", "done", StateFiled
		return firstOf(tx.InsertTransfer(gone), tx.InsertTransfer(done), tx.InsertTransfer(here),
			tx.InsertStored(&Stored{ID: "s1", Partner: "later", Open: true}),
			tx.OweMDN(&OwedMDN{Received: "r1", Partner: "owed", Open: true}),
			tx.OweMDN(&OwedMDN{Received: "r2", Partner: "gone", Open: true}))
	})
	var got []string
	if err := l.View(bg, func(tx *Tx) (err error) { got, err = tx.Strays([]string{"acme"}); return err }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"gone", "later", "owed"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
