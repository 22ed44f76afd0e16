package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// slack is how far a clock may be put back without anybody looking at what it set.
const slack = time.Minute

// timely brings the moments of a transfer back that a clock set which was ahead. What is
// due at a moment was so long ahead of the clock when it was stored (DueSet); it keeps
// that wait. It is pure, and reports whether something had to be changed. A clock that
// was behind needs no help: what it set comes sooner.
func timely(t *ledger.Transfer, now time.Time, p Policy) bool {
	due, deadline := t.Due, t.Deadline
	switch {
	case !t.Due.After(now):
	case t.DueSet.After(now.Add(slack)):
		t.Due = now.Add(max(t.Due.Sub(t.DueSet), 0)).UTC()
		if t.State != ledger.StateWaiting {
			t.Due = p.onTime(t, now).UTC()
		}
	case t.Due.After(p.limit(t.State, now)): // a row without DueSet, or a config with longer waits
		t.Due = now.UTC()
	}
	if longest := p.later(now, p.GiveUpAfter); t.Deadline.After(longest.Add(slack)) {
		t.Deadline = longest.UTC()
	}
	return !t.Due.Equal(due) || !t.Deadline.Equal(deadline)
}

// onTime is when a transfer is due that would be due at Due: at a moment of the schedule,
// if it is tried again, and when sending is allowed.
func (p Policy) onTime(t *ledger.Transfer, now time.Time) time.Time {
	if p.Schedule != nil && t.Attempts > 0 {
		if next := p.Schedule.Next(now); !next.IsZero() {
			return p.allowed(next)
		}
	}
	return p.allowed(t.Due)
}

// Timely is called before each look at what is due. When the clock was put back since
// the last time, it brings back what the clock set while it was ahead.
func (o *Outbox) Timely(ctx context.Context) error {
	now := o.Now().Round(0) // by the clock on the wall
	o.mu.Lock()
	back := o.latest.Sub(now)
	if now.After(o.latest) {
		o.latest = now
	}
	o.mu.Unlock()
	if back <= slack {
		return nil
	}
	if err := o.bringBack(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	o.latest = now
	o.mu.Unlock()
	return nil
}

// bringBack looks at the moments of all open transfers, and at that of a pause.
func (o *Outbox) bringBack(ctx context.Context) error {
	var open []string
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.Open(o.p.Name); return err })
	if err != nil {
		return fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	return o.each(ctx, open, func(t *ledger.Transfer) error {
		if err := o.setRight(ctx, t); !errors.Is(err, ledger.ErrLost) {
			return err
		}
		return nil
	})
}

// setRight brings back the moments of one transfer.
func (o *Outbox) setRight(ctx context.Context, t *ledger.Transfer) error {
	was := t.Due
	if !timely(t, o.Now(), o.p.Policy) {
		return nil
	}
	return o.save(ctx, t, o.event(t, ledger.Warning, "clock", "", "%s: the clock was ahead when its next moment was set, to %s; it is %s now",
		t.Document, was.UTC().Format(time.DateTime+" UTC"), t.Due.Format(time.DateTime+" UTC")))
}
