package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// restingUntil is the end of the wait that the partner asked for (429 or 503 with
// Retry-After), zero if there is none. Were the others posted meanwhile, each would come
// to nothing and count. A clock that went back does not make it longer than the longest
// wait.
func (o *Outbox) restingUntil(now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rest.After(now) && !o.rest.After(now.Add(o.p.Policy.longest())) {
		return o.rest
	}
	return time.Time{}
}

// leaveAlone keeps to the wait that the partner asked for.
func (o *Outbox) leaveAlone(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if until.After(o.rest) {
		o.rest = until
	}
}

// restSubject is what the ledger calls that wait, so that a restart does not forget it.
func (o *Outbox) restSubject() string { return "rest " + o.p.Name }

// keepRest keeps the wait in the ledger too, with the answer that asked for it.
func (o *Outbox) keepRest(until time.Time) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		return tx.Tell(o.restSubject(), until.UTC().Format(time.RFC3339Nano))
	}
}

// recallRest finds the wait that an earlier process kept.
func (o *Outbox) recallRest(ctx context.Context) error {
	var kept string
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { kept, err = tx.Told(o.restSubject()); return err })
	if err != nil || kept == "" {
		return err
	}
	until, err := time.Parse(time.RFC3339Nano, kept)
	if err != nil {
		return fmt.Errorf("the wait that the partner asked for: %w", err)
	}
	o.leaveAlone(until)
	return nil
}
