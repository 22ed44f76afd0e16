package ledger

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// Of an Update that failed nothing has happened, also where it went on behind a statement that
// failed: SQLite ends a transaction by itself when a page cannot be read, and whatever comes
// then would be committed alone.
func TestNoHalfOfAnUpdate(t *testing.T) {
	e := Event{At: time.Unix(0, 0), Level: Info, Code: "x", Text: strings.Repeat("x", 1000)}
	for name, first := range map[string]func(*Tx) error{
		"a change": func(tx *Tx) error { return tx.AddEvent(e) },
		"rows": func(tx *Tx) error {
			_, err := all[Event](tx, "SELECT body FROM events ORDER BY id")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n, failed := 1, 0; ; n++ {
				d := simdisk.New()
				vfs, prefix := d.SQLite()
				open := func() *Ledger {
					l, err := Open(prefix+"/ledger.db", Options{VFS: vfs})
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				l := open()
				for range 10 {
					update(t, l, func(tx *Tx) error { return tx.AddEvent(e) })
				}
				update(t, l, func(tx *Tx) error { return tx.SetGeneration(1) })
				l.Close()
				l = open() // which has no page in memory
				before := len(d.Ticks())
				d.FailAt(before+n, syscall.EIO)
				err := l.Update(bg, func(tx *Tx) error { return errors.Join(first(tx), tx.SetGeneration(2)) })
				reached := len(d.Ticks()) >= before+n
				if err != nil {
					failed++
					var g int64
					if verr := l.View(bg, func(tx *Tx) (err error) { g, err = tx.Generation(); return err }); verr != nil || g != 1 {
						t.Errorf("call %d fails: %v; generation %d, %v", n, err, g, verr)
					}
				}
				l.Close()
				d.Release()
				if !reached {
					if failed < 5 {
						t.Errorf("only %d of %d calls failed", failed, n)
					}
					break
				}
			}
		})
	}
}
