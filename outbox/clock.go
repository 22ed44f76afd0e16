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
// that wait. It is pure, and says why something had to be changed; empty = nothing had to
// be. A clock that was behind needs no help: what it set comes sooner.
func timely(t *ledger.Transfer, now time.Time, p Policy) (why string) {
	switch {
	case !t.Due.After(now):
	case t.DueSet.After(now.Add(slack)):
		why = "the clock was ahead when its next moment was set"
		t.Due = now.Add(max(t.Due.Sub(t.DueSet), 0)).UTC()
		if t.State != ledger.StateWaiting {
			t.Due = p.onTime(t, now).UTC()
		}
	case t.Due.After(p.limit(t.State, now)):
		why = "its next moment was later than any wait that is configured"
		t.Due = now.UTC()
	}
	if longest := p.later(now, p.GiveUpAfter); t.Deadline.After(longest.Add(slack)) {
		t.Deadline = longest.UTC()
		if why == "" {
			why = "it was to be tried for longer than is configured"
		}
	}
	return why
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

// bringBack looks at the moments of all open transfers.
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
	due := t.Due
	why := timely(t, o.Now(), o.p.Policy)
	if why == "" {
		return nil
	}
	const form = time.DateTime + " UTC"
	return o.save(ctx, t, o.event(t, ledger.Warning, "clock", "", "%s: %s: it was due %s, and is now %s; it gives up %s",
		t.Document, why, due.UTC().Format(form), t.Due.UTC().Format(form), t.Deadline.UTC().Format(form)))
}

// windowAnew lets a transfer go sooner that was never posted and waits for a window which
// the config, as it is now, opens sooner.
func (o *Outbox) windowAnew(ctx context.Context, t *ledger.Transfer) error {
	if t.State != ledger.StateSealed || t.Posts > 0 || t.Rests() {
		return nil
	}
	due := o.p.Policy.allowed(o.Now())
	if !due.Before(t.Due) {
		return nil
	}
	t.Due = due.UTC()
	return o.save(ctx, t)
}
