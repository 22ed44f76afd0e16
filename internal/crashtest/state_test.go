package crashtest

import (
	"database/sql"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// place is a disk with somebody beside it.
type place struct {
	disk   *simdisk.Disk
	memory string
}

func (p place) Disk() *simdisk.Disk           { return p.disk }
func (p place) On(d *simdisk.Disk) World      { return place{d, p.memory} }
func (p place) Memory() string                { return p.memory }
func (p place) keeps(text string) (now place) { return place{p.disk, text} }

// on runs statements on the ledger of a disk; the log keeps what was committed.
func (p place) on(statements ...string) {
	vfs, prefix := p.disk.SQLite()
	defer p.disk.Release()
	db, err := sql.Open("sqlite", "file:"+prefix+"/ledger.db?_pragma=journal_mode(WAL)&vfs="+vfs)
	Must(err)
	for _, s := range statements {
		_, err := db.Exec(s)
		Must(err)
	}
	Must(db.Close())
}

func (p place) write(name, content string) place {
	f, err := p.disk.Outside("").OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	Must(err)
	_, err = io.WriteString(f, content)
	Must(errors.Join(err, f.Close()))
	return p
}

// Two states are one where nobody who runs on them could tell them apart, and only there.
func TestSeen(t *testing.T) {
	first := place{disk: simdisk.New()}
	first.on("CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")
	first.write("a", "one")
	copied := func() place { return place{disk: first.disk.Clone()} }
	damaged := copied().write("ledger.db", "no database, and long enough to be taken for one")
	uncommitted := func() place {
		// The process ends in the middle of a commit: the pages of it in the log are nothing.
		p := copied()
		straight := copied()
		straight.on("INSERT INTO t VALUES (2)")
		commit := 0
		for i, tick := range straight.disk.Ticks() {
			if tick == "before sync ledger.db-wal" {
				commit = i + 1
				break
			}
		}
		if commit == 0 {
			t.Fatalf("no commit: %q", straight.disk.Ticks())
		}
		var torn *simdisk.Disk
		p.disk.At(commit, func() {
			unsynced := p.disk.Unsynced()
			torn = p.disk.PowerCut(simdisk.AllBut(unsynced[len(unsynced)-1]))
		})
		p.on("INSERT INTO t VALUES (2)")
		return place{disk: torn}
	}
	for name, c := range map[string]struct {
		place place
		known bool
	}{
		"a copy":                      {copied(), true},
		"half of a commit in the log": {uncommitted(), true},
		"one row more":                {func() place { p := copied(); p.on("INSERT INTO t VALUES (2)"); return p }(), false},
		"another content":             {copied().write("a", "two"), false},
		"another name":                {copied().write("b", "one"), false},
		"somebody remembers more":     {copied().keeps("the post"), false},
		"a ledger that is damaged":    {damaged, false},
	} {
		seen := NewSeen()
		if seen.Before(first) {
			t.Fatal("nothing was seen yet")
		}
		if got := seen.Before(c.place); got != c.known {
			t.Errorf("%s: seen before: %v", name, got)
		}
	}
	seen := NewSeen()
	for _, c := range []struct {
		worlds []World
		known  bool
	}{{[]World{damaged}, false}, {[]World{damaged}, false}, {[]World{first, first}, false}, {[]World{first}, false}, {[]World{first, first}, true}} {
		if got := seen.Before(c.worlds...); got != c.known {
			t.Errorf("%d worlds: seen before: %v", len(c.worlds), got)
		}
	}
}
