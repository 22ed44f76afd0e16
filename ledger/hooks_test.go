package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestHooksAreOwed(t *testing.T) {
	l := open1(t)
	owe := func(name string, at time.Time) {
		t.Helper()
		update(t, l, func(tx *Tx) error { return tx.OweHook("acme", HookAfterSent, name, "t1", at) })
	}
	owe("erp", moment)
	owe("mail", moment.Add(-time.Hour))
	var next []OwedHook
	read := func() {
		t.Helper()
		update(t, l, func(tx *Tx) (err error) { next, err = tx.NextHooks("acme", 10); return err })
	}
	if read(); len(next) != 2 || next[0].Name != "mail" || next[1].Asked != 1 {
		t.Fatalf("%+v", next)
	}
	stale, h := next[1], next[1]
	h.Open, h.Runs, h.Outcome, h.Done = false, 1, HookDone, moment
	update(t, l, func(tx *Tx) error { return tx.SaveHook(&h) })
	if err := l.Update(bg, func(tx *Tx) error { return tx.SaveHook(&stale) }); !errors.Is(err, ErrLost) {
		t.Errorf("the second of two: %v", err)
	}
	if read(); len(next) != 1 {
		t.Errorf("%+v", next)
	}
	// It is owed again: the runs go on counting, so that nobody takes it for the first one.
	owe("erp", moment.Add(time.Hour))
	if read(); len(next) != 2 || next[1].Asked != 2 || next[1].Runs != 1 || next[1].Outcome != "" || !next[1].Done.IsZero() {
		t.Errorf("%+v", next)
	}
}

// The history of a transfer goes, but for what is still to be done.
func TestHooksAreForgotten(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.OweHook("acme", HookAfterSent, "erp", "t1", moment), tx.OweHook("acme", HookAfterSent, "mail", "t1", moment), tx.OweHook("acme", HookAfterSent, "mail", "t2", moment))
	})
	update(t, l, func(tx *Tx) error {
		h, err := tx.Hook("t1", HookAfterSent, "erp")
		h.Open = false
		return errors.Join(err, tx.SaveHook(&h))
	})
	update(t, l, func(tx *Tx) error {
		n, err := tx.DeleteHooks("t1")
		left, err2 := tx.HooksOf("t1")
		open, err3 := tx.OpenHooks("acme")
		if n != 1 || len(left) != 1 || left[0].Name != "mail" || open != 2 {
			t.Errorf("%d deleted, left: %+v, %d open", n, left, open)
		}
		return errors.Join(err, err2, err3)
	})
	update(t, l, func(tx *Tx) error {
		strays, err := tx.Strays(nil)
		if !slices.Equal(strays, []string{"acme"}) {
			t.Errorf("strays: %v", strays)
		}
		return err
	})
}
