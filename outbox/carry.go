package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// memo is what a call knows of the transfer that it is at work on, so that it need not ask
// ledger and disk for what it has just written. Whatever it knows may have changed: each
// commit is a compare-and-set on the row, and one that loses forgets the memo.
type memo struct {
	row     ledger.Transfer // as it was committed last; no ID = it has to be read
	moved   bool            // Take moved its files, which is not committed yet
	fresh   bool            // nothing of an earlier try to seal it is in its folder, which Take has made
	made    *ahead          // and put the sealed message beside them; nil = it is still to be made
	carries bool            // the call goes on with the next step, so that it may post what it seals
	attempt *ledger.Attempt // committed with the sealed message, and not posted yet
	sealed  *as2.Sealed     // what row.Sealed says
	with    *sealing        // it was sealed
	closed  bool            // the last attempt is, and no other was open
	done    func()          // ends the turn; nil = it has none
}

// forget is called when what it knows may be wrong.
func (m *memo) forget() {
	m.row, m.made, m.attempt, m.sealed, m.closed, m.fresh = ledger.Transfer{}, nil, nil, nil, false, false
}

// endTurn lets others go on.
func (m *memo) endTurn() {
	if m.done != nil {
		m.done()
		m.done = nil
	}
}

// Step performs one effect of one transfer. It returns false where nothing is to be
// done for it now: filed, held, or not due. An error is a fault of ours (disk,
// ledger); the transfer is where it was and the step may be repeated.
func (o *Outbox) Step(ctx context.Context, id string) (again bool, err error) {
	m, ok := o.enter(id)
	if !ok {
		return false, nil // another call is at work on it
	}
	defer o.leave(id)
	return o.step(ctx, id, m)
}

// Carry makes step after step until nothing is to be done for the transfer now, or more
// says that somebody else is to go on with it; then again is true. The sealed message and
// its first attempt are one commit, and what was committed is not read again. It returns
// the transfer as it is in the ledger, without an ID where that is not known.
func (o *Outbox) Carry(ctx context.Context, id string, more func() bool) (t ledger.Transfer, again bool, err error) {
	m, ok := o.enter(id)
	if !ok {
		return t, false, nil
	}
	defer o.leave(id)
	m.carries = true
	for again = true; again && err == nil && (m.attempt != nil || more()); {
		again, err = o.step(ctx, id, m)
	}
	return m.row, again, err
}

// step makes one step.
func (o *Outbox) step(ctx context.Context, id string, m *memo) (again bool, err error) {
	defer m.endTurn()
	t, step, err := o.due(ctx, id, m)
	if err != nil || step == nil {
		return false, err
	}
	if o.Turn != nil && t.State != ledger.StateSealed && m.attempt == nil {
		if m.done, err = o.Turn(ctx, o.p.Name); err != nil {
			return false, err
		}
		if t, step, err = o.due(ctx, id, m); err != nil || step == nil {
			return false, err // somebody moved it meanwhile
		}
		if t.State == ledger.StateSealed {
			return true, nil // a POST is nothing to wait for others with
		}
	}
	before, state := t.Version, t.State
	if err := step(o, ctx, &t); err != nil {
		m.forget()
		if errors.Is(err, ledger.ErrLost) {
			return false, nil // somebody else moved it; the next round sees where to
		}
		return false, fmt.Errorf("outbox: %s/%s (%s, %s): %w", o.p.Name, t.Document, t.ID, state, err)
	}
	if m.row = t; t.Version == before {
		m.row = ledger.Transfer{} // what was not committed does not count
	}
	again = m.attempt != nil || t.State.Open() && !t.Rests() && !t.Due.After(o.Now())
	return again && t.Version != before, nil
}

// due says what a transfer is with the step that is to be made for it now, nil for none.
func (o *Outbox) due(ctx context.Context, id string, m *memo) (t ledger.Transfer, step func(*Outbox, context.Context, *ledger.Transfer) error, err error) {
	if m.attempt != nil {
		return m.row, (*Outbox).postOpened, nil
	}
	if t = m.row; t.ID == "" || !m.carries {
		err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.Transfer(id); return err })
		m.row = t
	}
	if err != nil || !t.State.Open() || t.Rests() && t.State != ledger.StateSettled || t.Due.After(o.Now()) {
		return t, nil, err
	}
	return t, o.steps[t.State], nil
}
