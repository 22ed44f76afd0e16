package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Pickup says when files are claimed. Next is t itself if they are then, else the next
// time they are; zero for never. Moment is the next of its moments after t, which are
// made up for when they are missed; zero where it has none. String tells one from another.
type Pickup interface {
	Next(t time.Time) time.Time
	Moment(t time.Time) time.Time
	String() string
}

// WaitPickup is why a complete batch stays in the outbox while files are not picked up.
const WaitPickup naming.Reason = "pickup"

// madeUpFor is how long a pick-up lasts that was missed. Within it files must be seen
// standing still.
const madeUpFor = time.Minute

// picking is what an Observer remembers of pick-ups.
type picking struct {
	known ledger.Pickup // as it is in the ledger
	read  bool
	seen  time.Time // the moment that was kept, or is being made up for
	until time.Time // while it is made up for
}

// pickup reports whether files are claimed now, and when they will be next. The moment
// that comes next is in the ledger from the end of the one before, so that one which
// comes while no agent runs, or which the clock leaps over, is made up for.
func (o *Outbox) pickup(ctx context.Context, ob *Observer) (open bool, next time.Time, err error) {
	if o.p.Pickup == nil {
		return true, time.Time{}, nil
	}
	now, p := o.Now(), &ob.picking
	next = o.p.Pickup.Next(now)
	open = !next.After(now)
	moment := o.p.Pickup.Moment(now)
	if moment.IsZero() {
		return open, next, nil // nothing to make up for
	}
	if !p.read {
		if p.known, err = o.nextPickup(ctx); err != nil {
			return false, next, err
		}
		p.read = true
	}
	if p.known.Schedule != o.p.Pickup.String() {
		p.known = ledger.Pickup{} // of another config
	}
	come := !p.known.Due.IsZero() && !p.known.Due.After(now)
	switch {
	case open && come:
		p.seen = p.known.Due
	case !open && come && !p.seen.Equal(p.known.Due):
		p.seen, p.until = p.known.Due, now.Add(madeUpFor)
	}
	if !open && now.Before(p.until) && !p.until.After(now.Add(madeUpFor)) {
		return true, next, nil
	}
	// What was picked up and is not claimed yet is to be picked up again after a crash.
	if !open && len(ob.rest) > 0 || p.known.Due.After(now) && !p.known.Due.After(moment) || open && come {
		return open, next, nil
	}
	p.known = ledger.Pickup{Partner: o.p.Name, Due: moment.UTC(), Schedule: o.p.Pickup.String()}
	if err := o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SavePickup(p.known) }); err != nil {
		p.read = false
		return false, next, fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	return open, next, nil
}

func (o *Outbox) nextPickup(ctx context.Context) (p ledger.Pickup, err error) {
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { p, err = tx.Pickup(o.p.Name); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		err = fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	return p, err
}

// picked keeps of complete batches those that were picked up before. The others wait, and
// the report says until when.
func (o *Outbox) picked(batches []naming.Batch, before []naming.Batch, next time.Time, report *Report) []naming.Batch {
	kept := batches[:0]
	taken := make(map[string]bool, len(before))
	for _, b := range before {
		taken[b.Document] = true
	}
	text := "complete; it waits for the pick-up at " + inWords(next, o.Now())
	for _, b := range batches {
		if taken[b.Document] {
			kept = append(kept, b)
			continue
		}
		for _, name := range append([]string{b.Document}, b.Attachments...) {
			report.Waiting = append(report.Waiting, naming.Waiting{Name: name, Key: b.Key, Reason: WaitPickup, Text: text})
		}
	}
	return kept
}

// inWords is a moment for people, in its own time zone: with the day, unless that is today.
func inWords(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "no time"
	case t.Format(time.DateOnly) == now.In(t.Location()).Format(time.DateOnly):
		return t.Format("15:04 MST")
	}
	return t.Format("Mon 2006-01-02 15:04 MST")
}
