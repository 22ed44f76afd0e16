package ledger

import (
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// A disk that is full, or that returns errors, at any call of a commit is a fault that
// passes: nothing of the commit has happened, and the next one works.
func TestFaultsOfTheDisk(t *testing.T) {
	for _, c := range []struct {
		fault error
		kinds map[FaultKind]bool
	}{
		{syscall.ENOSPC, map[FaultKind]bool{FaultFull: true, FaultUnreadable: true}}, // a sync that finds it full is an error of the disk
		{syscall.EIO, map[FaultKind]bool{FaultUnreadable: true}},
	} {
		full := 0
		for n := 1; ; n++ {
			d := simdisk.New()
			vfs, prefix := d.SQLite()
			l, err := Open(prefix+"/ledger.db", Options{VFS: vfs})
			if err != nil {
				t.Fatal(err)
			}
			update(t, l, func(tx *Tx) error { return tx.SetGeneration(1) })
			before := len(d.Ticks())
			d.FailAt(before+n, c.fault)
			err = l.Update(bg, func(tx *Tx) error { return tx.SetGeneration(2) })
			reached := len(d.Ticks()) >= before+n
			if err != nil {
				f := FaultOf(err)
				if f == nil || !c.kinds[f.Kind] || !f.Passes() || l.Trouble() != f {
					t.Errorf("%v at call %d: %v", c.fault, n, err)
				}
				if f != nil && f.Kind == FaultFull {
					full++
				}
				if err := l.Probe(bg); err != nil || l.Trouble() != nil {
					t.Errorf("%v at call %d: afterwards %v, %v", c.fault, n, err, l.Trouble())
				}
			}
			l.Close()
			d.Release()
			if !reached {
				if n < 3 || c.fault == syscall.ENOSPC && full == 0 {
					t.Errorf("%v: only %d calls, %d times full", c.fault, n, full)
				}
				break
			}
		}
	}
}
