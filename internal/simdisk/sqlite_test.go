package simdisk_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// database opens ledger.db on a disk with two connections at most.
func database(t *testing.T, d *simdisk.Disk, synchronous string) *sql.DB {
	t.Helper()
	vfs, prefix := d.SQLite()
	db, err := sql.Open("sqlite", "file:"+prefix+"/ledger.db?vfs="+vfs+"&_pragma=busy_timeout(1000)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(2)
	t.Cleanup(func() {
		db.Close() // the world may have stopped
		d.Release()
	})
	return db
}

func insert(db *sql.DB, n int) error {
	_, err := db.Exec("INSERT INTO rows(n, text) VALUES (?, ?)", n, strings.Repeat("x", 300))
	return err
}

func create(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec("CREATE TABLE rows (n INTEGER PRIMARY KEY, text TEXT)"); err != nil {
		t.Fatal(err)
	}
}

// count is the number of rows that a fresh process finds, after an integrity check.
func count(t *testing.T, d *simdisk.Disk) int {
	t.Helper()
	db := database(t, d, "FULL")
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity check: %q, %v", verdict, err)
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM rows").Scan(&n); err != nil {
		if strings.Contains(err.Error(), "no such table") {
			return -1
		}
		t.Fatal(err)
	}
	return n
}

func TestSQLiteCommittedRowsSurvivePowerCutOnlyWhenSynced(t *testing.T) {
	for synchronous, want := range map[string]int{"FULL": 10, "OFF": -1} {
		d := simdisk.New()
		db := database(t, d, synchronous)
		create(t, db)
		for i := range 10 {
			if err := insert(db, i); err != nil {
				t.Fatal(err)
			}
		}
		if got := count(t, d.PowerCut(simdisk.None)); got != want {
			t.Errorf("synchronous=%s: %d rows after a power cut, want %d", synchronous, got, want)
		}
		if got := count(t, d.Kill()); got != 10 {
			t.Errorf("synchronous=%s: %d rows after a kill, want 10", synchronous, got)
		}
	}
}

// TestSQLiteKeepsEveryCommitAtEveryTick is the matrix in small: SQLite itself must pass
// it on this disk, with all, none and each single unsynced change lost.
func TestSQLiteKeepsEveryCommitAtEveryTick(t *testing.T) {
	const rows = 3
	run := func(d *simdisk.Disk) (committed int) {
		db := database(t, d, "FULL")
		for i := range rows {
			if insert(db, i) != nil {
				break
			}
			committed++
		}
		db.Close() // writes the WAL back; the world may have stopped
		return committed
	}
	start := simdisk.New()
	db := database(t, start, "FULL")
	create(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	start.SyncAll()

	whole := start.Clone()
	if n := run(whole); n != rows {
		t.Fatalf("%d rows were committed without any fault", n)
	}
	cases := 0
	for _, n := range whole.Points() {
		d := start.Clone()
		d.StopAt(n)
		committed := run(d)
		if !d.Stopped() {
			t.Fatalf("tick %d was not reached", n)
		}
		ends := map[string]*simdisk.Disk{"kill": d.Kill(), "all": d.PowerCut(simdisk.All), "none": d.PowerCut(simdisk.None)}
		for _, ch := range d.Unsynced() {
			ends["but "+ch.Label] = d.PowerCut(simdisk.AllBut(ch))
		}
		for how, after := range ends {
			cases++
			// The commit that the world stopped in may be there or not.
			if got := count(t, after); got < committed || got > committed+1 {
				t.Errorf("stop at tick %d (%s), %s: %d rows, %d were committed", n, whole.Ticks()[n-1], how, got, committed)
			}
		}
	}
	if cases < 50 {
		t.Errorf("only %d cases", cases)
	}
}

func TestSQLiteFaultsOfTheDisk(t *testing.T) {
	start := simdisk.New()
	db := database(t, start, "FULL")
	create(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole := start.Clone()
	if err := insert(database(t, whole, "FULL"), 1); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		seen := 0
		for n := range whole.Ticks() {
			d := start.Clone()
			d.FailAt(n+1, fault)
			db := database(t, d, "FULL")
			if insert(db, 1) == nil {
				continue
			}
			seen++
			if err := insert(db, 2); err != nil {
				t.Errorf("%v at tick %d (%s): the next transaction fails too: %v", fault, n+1, whole.Ticks()[n], err)
			}
			if got := count(t, d.PowerCut(simdisk.None)); got < 1 {
				t.Errorf("%v at tick %d (%s): %d rows", fault, n+1, whole.Ticks()[n], got)
			}
		}
		if seen < 3 {
			t.Errorf("%v was seen %d times by SQLite", fault, seen)
		}
	}
}

func TestSQLiteStopsWithTheWorld(t *testing.T) {
	d := simdisk.New()
	db := database(t, d, "FULL")
	create(t, db)
	d.StopAt(len(d.Ticks()) + 1)
	if err := d.Tick("post"); !errors.Is(err, simdisk.ErrStopped) {
		t.Fatalf("tick in a stopped world: %v", err)
	}
	before := len(d.Ticks())
	if err := insert(db, 1); err == nil {
		t.Error("a row was inserted in a stopped world")
	}
	if n := len(d.Ticks()); n != before {
		t.Errorf("%d ticks in a stopped world", n-before)
	}
}

func TestSQLiteReadersBesideAWriter(t *testing.T) {
	db := database(t, simdisk.New(), "FULL")
	create(t, db)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO rows(n) VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	seen := func() (n int) {
		if err := db.QueryRow("SELECT count(*) FROM rows").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := seen(); n != 0 {
		t.Errorf("another connection sees %d uncommitted rows", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := seen(); n != 1 {
		t.Errorf("another connection sees %d committed rows, want 1", n)
	}
}

func TestSQLiteRollbackJournalAndScratchFiles(t *testing.T) {
	d := simdisk.New()
	vfs, prefix := d.SQLite()
	defer d.Release()
	db, err := sql.Open("sqlite", "file:"+prefix+"/old.db?vfs="+vfs+"&_pragma=temp_store(FILE)&_pragma=cache_size(2)&_pragma=journal_mode(DELETE)")
	if err != nil {
		t.Fatal(err)
	}
	create(t, db)
	for i := range 50 {
		if err := insert(db, i); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM (SELECT text, n FROM rows ORDER BY text || n DESC)").Scan(&n); err != nil || n != 50 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if tree := d.Tree(); len(tree) != 1 || tree["old.db"].Size == 0 {
		t.Errorf("the disk holds %v", tree)
	}
}

func TestSQLiteReleasedDiskIsGone(t *testing.T) {
	d := simdisk.New()
	vfs, prefix := d.SQLite()
	d.Release()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s/ledger.db?vfs=%s", prefix, vfs))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // was never open
	if err := db.Ping(); err == nil {
		if _, err = db.Exec("CREATE TABLE t(n)"); err == nil {
			t.Error("a released disk can still be opened")
		}
	}
}

// TestSQLiteLocks: two connections are kept apart as by the locks of a real disk, in
// WAL mode by those of the shared memory, with a rollback journal by those of the file.
func TestSQLiteLocks(t *testing.T) {
	for _, journal := range []string{"WAL", "DELETE"} {
		d := simdisk.New()
		vfs, prefix := d.SQLite()
		defer d.Release()
		connect := func() *sql.DB {
			db, err := sql.Open("sqlite", "file:"+prefix+"/ledger.db?vfs="+vfs+"&_pragma=busy_timeout(0)&_pragma=journal_mode("+journal+")")
			must(t, err)
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { db.Close() }) // most are closed by then
			return db
		}
		exec := func(db *sql.DB, text string) error {
			_, err := db.Exec(text)
			return err
		}
		busy := func(what string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), "database is locked") {
				t.Errorf("%s: %s: %v, want busy", journal, what, err)
			}
		}
		a, b := connect(), connect()
		create(t, a)
		must(t, exec(a, "BEGIN IMMEDIATE"), insert(a, 1))
		busy("a second writer", exec(b, "BEGIN IMMEDIATE"))

		must(t, exec(b, "BEGIN"))
		var n int
		must(t, b.QueryRow("SELECT count(*) FROM rows").Scan(&n))
		if n != 0 {
			t.Errorf("%s: a reader sees %d uncommitted rows", journal, n)
		}
		if journal == "DELETE" {
			busy("a commit beside a reader", exec(a, "COMMIT"))
			busy("a reader beside a commit that waits", exec(connect(), "SELECT count(*) FROM rows"))
			must(t, exec(b, "COMMIT"))
		}
		must(t, exec(a, "COMMIT"))
		if journal == "WAL" {
			must(t, b.QueryRow("SELECT count(*) FROM rows").Scan(&n))
			if n != 0 {
				t.Errorf("a reader's snapshot changes: %d rows", n)
			}
			busy("a writer with an old snapshot", insert(b, 2))
			must(t, exec(b, "COMMIT"))
		}
		must(t, exec(b, "BEGIN IMMEDIATE"), insert(b, 2), exec(b, "COMMIT"), a.Close(), b.Close())
		if got := count(t, d.Kill()); got != 2 {
			t.Errorf("%s: %d rows in the end", journal, got)
		}
	}
}
