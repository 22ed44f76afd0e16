package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestGroupCommit(t *testing.T) {
	l := open1(t)
	const n = 400
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = l.Update(bg, func(tx *Tx) error {
				if err := tx.InsertTransfer(transfer(fmt.Sprint("t", i))); err != nil {
					return err
				}
				if i%4 == 0 {
					return fmt.Errorf("loser %d", i)
				}
				return nil
			})
		})
	}
	wg.Wait()
	update(t, l, func(tx *Tx) error {
		for i := range n {
			_, err := tx.Transfer(fmt.Sprint("t", i))
			if loser := i%4 == 0; loser != errors.Is(err, ErrNotFound) || loser != (errs[i] != nil) {
				t.Errorf("%d: in the ledger %v, Update said %v", i, err, errs[i])
			}
		}
		return nil
	})
	updates, commits := l.Stats()
	if updates != n*3/4+1 || commits >= updates {
		t.Errorf("%d updates took %d commits", updates, commits)
	}
}

func TestPanicAndCancelStayWithTheirCaller(t *testing.T) {
	l := open1(t)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not come back")
			}
		}()
		l.Update(bg, func(tx *Tx) error {
			if err := tx.InsertTransfer(transfer("t1")); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	cancelled, cancel := context.WithCancel(bg)
	cancel()
	if err := l.Update(cancelled, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	update(t, l, func(tx *Tx) error {
		if _, err := tx.Transfer("t1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("what panicked was committed: %v", err)
		}
		return nil
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			l := open1(b)
			row := transfer("t1")
			b.SetParallelism(callers)
			if callers == 1 {
				for i := 0; b.Loop(); i++ {
					row.ID = fmt.Sprint(i)
					update(b, l, func(tx *Tx) error { return tx.InsertTransfer(row) })
				}
				return
			}
			var mu sync.Mutex
			i := 0
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					i++
					row := transfer(fmt.Sprint(i))
					mu.Unlock()
					update(b, l, func(tx *Tx) error { return tx.InsertTransfer(row) })
				}
			})
		})
	}
}

// Rows are read by somebody who may go away, as most do.
func BenchmarkView(b *testing.B) {
	l := open1(b)
	update(b, l, func(tx *Tx) error { return tx.InsertTransfer(transfer("t1")) })
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		err := l.View(ctx, func(tx *Tx) error {
			_, err := tx.Transfer("t1")
			if err == nil {
				_, err = tx.Attempts("t1")
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// Somebody who asked through the network goes away while what he wants is being written:
// that undoes nothing of those who are committed with it.
func TestWhoGoesAwayUndoesNobody(t *testing.T) {
	l := open1(t)
	ctx, cancel := context.WithCancel(bg)
	first := &job{ctx: ctx, lead: make(chan bool, 1), f: func(tx *Tx) error {
		go cancel()
		return tx.exec("rows", `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO meta (key, value) SELECT 'n' || i, i FROM n`)
	}}
	second := &job{ctx: bg, lead: make(chan bool, 1), f: func(tx *Tx) error { return tx.InsertTransfer(transfer("t1")) }}
	l.runGroup([]*job{first, second})
	if first.err != nil || second.err != nil {
		t.Errorf("%v; %v", first.err, second.err)
	}
	if err := l.View(bg, func(tx *Tx) error { _, err := tx.Transfer("t1"); return err }); err != nil {
		t.Error(err)
	}
}

// Who went away reads nothing more, not even the rows that he was reading; a transaction
// that he had begun is not left behind.
func TestWhoGoesAwayReadsNoMore(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.InsertTransfer(transfer("t1")), tx.InsertTransfer(transfer("t2")))
	})
	for range 10 { // more than there are connections
		ctx, cancel := context.WithCancel(bg)
		err := l.View(ctx, func(tx *Tx) error {
			if _, err := tx.Transfer("t1"); err != nil {
				t.Error(err)
			}
			cancel()
			if _, err := tx.Transfer("t1"); !errors.Is(err, context.Canceled) {
				t.Errorf("one row: %v", err)
			}
			_, err := tx.FindTransfers("t2")
			if _, err := tx.RecentTransfers("acme", transfer("t1").Created, 5); !errors.Is(err, context.Canceled) {
				t.Errorf("several: %v", err)
			}
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := l.View(ctx, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := l.View(bg, func(tx *Tx) error { _, err := tx.Transfer("t2"); return err }); err != nil {
			t.Fatal(err)
		}
	}
	// What is read outside of a transaction is as new as it can be: none is open any more.
	update(t, l, func(tx *Tx) error { return tx.InsertTransfer(transfer("t3")) })
	for range 10 {
		if err := l.View(bg, func(tx *Tx) error { _, err := tx.Transfer("t3"); return err }); err != nil {
			t.Error(err)
		}
	}
}
