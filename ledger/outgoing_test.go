package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestCompareAndSet(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error { return tx.InsertTransfer(transfer("t1")) })
	var a, b Transfer
	update(t, l, func(tx *Tx) (err error) { a, err = tx.Transfer("t1"); b = a; return err })
	a.State = StateClaimed
	update(t, l, func(tx *Tx) error { return tx.SaveTransfer(&a) })
	b.State = StateUndone
	if err := l.Update(bg, func(tx *Tx) error { return tx.SaveTransfer(&b) }); !errors.Is(err, ErrLost) || b.Version != 1 {
		t.Errorf("the second of two: %v, version %d", err, b.Version)
	}
	a.State = StateSealed
	update(t, l, func(tx *Tx) error { return tx.SaveTransfer(&a) })
	update(t, l, func(tx *Tx) error {
		got, err := tx.Transfer("t1")
		if got.State != StateSealed || got.Version != 3 {
			t.Errorf("%+v", got)
		}
		return err
	})
}

func TestOneOpenAttempt(t *testing.T) {
	l := open1(t)
	a := Attempt{Transfer: "t1", N: 1, Opened: moment, Process: "p"}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(a) })
	second := Attempt{Transfer: "t1", N: 2}
	if err := l.Update(bg, func(tx *Tx) error { return tx.OpenAttempt(second) }); !errors.Is(err, ErrExists) {
		t.Errorf("a second open attempt: %v", err)
	}
	a.Outcome = OutcomeUnknown
	update(t, l, func(tx *Tx) error { return tx.CloseAttempt(a) })
	if err := l.Update(bg, func(tx *Tx) error { return tx.CloseAttempt(a) }); !errors.Is(err, ErrLost) {
		t.Errorf("closing twice: %v", err)
	}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(second) })
	update(t, l, func(tx *Tx) error {
		as, err := tx.Attempts("t1")
		if len(as) != 2 || as[0].Outcome != OutcomeUnknown || as[1].Outcome != OutcomeOpen {
			t.Errorf("%+v", as)
		}
		return err
	})
}

// An attempt that waits for its receipt is not open any more, and is closed once more
// when the receipt comes, or does not.
func TestWaitingAttempt(t *testing.T) {
	l := open1(t)
	a := Attempt{Transfer: "t1", N: 1}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(a) })
	for _, outcome := range []Outcome{OutcomeWaiting, OutcomeUnknown} {
		a.Outcome = outcome
		update(t, l, func(tx *Tx) error { return tx.CloseAttempt(a) })
	}
	if err := l.Update(bg, func(tx *Tx) error { return tx.CloseAttempt(a) }); !errors.Is(err, ErrLost) {
		t.Errorf("closed a third time: %v", err)
	}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(Attempt{Transfer: "t1", N: 2}) })
}

func TestDueTransfers(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		for i, change := range []func(*Transfer){
			func(*Transfer) {},
			func(t *Transfer) { t.Due = moment.Add(time.Hour) },
			func(t *Transfer) { t.Hold = "because" },
			func(t *Transfer) { t.State = StateFiled },
			func(t *Transfer) { t.Partner = "other" },
			func(t *Transfer) { t.Due = moment.Add(-time.Hour) },
		} {
			row := transfer(fmt.Sprint("t", i))
			change(row)
			if err := tx.InsertTransfer(row); err != nil {
				return err
			}
		}
		return nil
	})
	err := l.View(bg, func(tx *Tx) error {
		due, err := tx.DueTransfers("acme", moment, 10)
		if len(due) != 2 || due[0].ID != "t5" || due[1].ID != "t0" {
			t.Errorf("%+v", due)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindTransfers(t *testing.T) {
	l := open1(t)
	a, b := transfer("06abcdef"), transfer("06abzzzz")
	b.Key, b.MessageID = "INV-2", "m2"
	update(t, l, func(tx *Tx) error { return errors.Join(tx.InsertTransfer(a), tx.InsertTransfer(b)) })
	for what, want := range map[string]int{"06abcdef": 1, "INV-2": 1, "m2": 1, "06ab": 2, "06a": 0, "nothing": 0} {
		err := l.View(bg, func(tx *Tx) error {
			ts, err := tx.FindTransfers(what)
			if len(ts) != want {
				t.Errorf("%q: %d, want %d", what, len(ts), want)
			}
			if one, err := tx.FindNewestTransfers(what, 1); err != nil || len(one) != min(want, 1) || len(one) > 0 && one[0].ID != ts[want-1].ID {
				t.Errorf("%q: the newest: %v %v", what, one, err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
