package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// Rules say how long what belongs to transfers is kept, counted from when they were
// filed. The zero value keeps everything for ever. Nothing of a transfer that is under
// way is ever removed, and Message-ID, MICs and receipt stay in the ledger for ever.
type Rules struct {
	Sent     ledger.Rule // folders in sent
	Failed   ledger.Rule // folders in failed; without its folder a transfer cannot be retried
	Message  ledger.Rule // the message as it travelled, in the evidence
	Evidence ledger.Rule // all of the evidence
	History  ledger.Rule // events, attempts, and the header of what was sent
}

// things are the rules in the order in which they are applied.
func (r Rules) things() []thing {
	return []thing{{ledger.ThingSent, r.Sent}, {ledger.ThingFailed, r.Failed}, {ledger.ThingEvidence, r.Evidence},
		{ledger.ThingMessage, r.Message}, {ledger.ThingHistory, r.History}}
}

type thing struct {
	what ledger.Thing
	rule ledger.Rule
}

// Retention is one run: it removes what the rules have no more use for. Each thing is
// removed in three steps (the intent is committed, it is removed, that it is gone is
// committed), so that a crash leaves nothing that the ledger does not know of.
type Retention struct {
	o       *Outbox
	rules   Rules
	now     time.Time
	things  []thing
	mark    ledger.Mark
	last    int64 // event
	tally   *ledger.Tally
	tallies []*ledger.Tally
	resumed bool // what an earlier run had begun is finished
}

// Retention begins a run at the present moment.
func (o *Outbox) Retention(r Rules) *Retention {
	return &Retention{o: o, rules: r, now: o.Now(), things: r.things()}
}

// Tallies say what the run has done so far, rule by rule.
func (r *Retention) Tallies() (done []ledger.Tally) {
	for _, t := range r.tallies {
		if !t.Empty() {
			done = append(done, *t)
		}
	}
	return done
}

// Step removes up to limit things and reports whether there may be more, also after an
// error. An error is a fault of ours (disk, ledger): what could not be removed is on
// record, and the next run goes on with it.
func (r *Retention) Step(ctx context.Context, limit int) (again bool, err error) {
	if !r.resumed {
		r.resumed = true
		if err := r.o.finishRemovals(ctx, limit); err != nil {
			return true, fmt.Errorf("outbox: %s: retention, left by an earlier run: %w", r.o.p.Name, err)
		}
	}
	if len(r.things) == 0 {
		return r.events(ctx, limit)
	}
	at := r.things[0]
	if at.rule.Ever() {
		r.next()
		return true, nil
	}
	if r.tally == nil {
		r.begin(at.what, at.rule)
	}
	ts, err := r.o.removable(ctx, at, r.now, &r.mark, limit)
	again = err == nil // the mark has moved on
	switch {
	case err == nil && len(ts) == 0:
		r.next()
	case err == nil:
		err = r.batch(ctx, at, ts)
	}
	if err != nil {
		err = fmt.Errorf("outbox: %s: retention (%s): %w", r.o.p.Name, at.rule.Text, err)
	}
	return again, err
}

func (r *Retention) next() { r.things, r.mark, r.tally = r.things[1:], ledger.Mark{}, nil }

func (r *Retention) begin(what ledger.Thing, rule ledger.Rule) {
	r.tally = &ledger.Tally{Partner: r.o.p.Name, What: what, Rule: rule.Text}
	r.tallies = append(r.tallies, r.tally)
}

// removable are transfers that are old enough for a rule.
func (o *Outbox) removable(ctx context.Context, at thing, now time.Time, m *ledger.Mark, limit int) (ts []ledger.Transfer, err error) {
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		ts, err = tx.RemovableTransfers(o.p.Name, at.what, at.rule.By(now), m, limit)
		return err
	})
	return ts, err
}

// doomed is a transfer with what is to be removed of it.
type doomed struct {
	t       *ledger.Transfer
	c       ledger.Candidate
	missing bool
}

// batch removes one thing of several transfers.
func (r *Retention) batch(ctx context.Context, at thing, ts []ledger.Transfer) error {
	var list []doomed
	for i := range ts {
		t := &ts[i]
		if _, ok := r.o.enter(t.ID); !ok {
			continue // somebody is at work on it: another time
		}
		defer r.o.leave(t.ID)
		keep, err := r.o.needed(ctx, t, at.what)
		if err != nil {
			return err
		}
		if keep {
			continue
		}
		c, missing, err := r.o.examine(t, at)
		if err != nil {
			return err
		}
		if c.Left != "" {
			r.tally.Add(c)
			continue
		}
		list = append(list, doomed{t, c, missing})
	}
	if at.what == ledger.ThingHistory {
		return r.forget(ctx, at, list)
	}
	list, err := r.intend(ctx, at, list)
	if err != nil {
		return err
	}
	var gone []doomed
	var errs []error
	for _, d := range list {
		if d.missing {
			continue // there is nothing to be done
		}
		if err := r.o.remove(d.t, at.what); err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", d.t.Document, d.t.ID, err))
			continue
		}
		gone = append(gone, d)
	}
	return errors.Join(append(errs, r.conclude(ctx, at, gone))...)
}

// intend commits what is going to be removed. A transfer that somebody changed since it
// was looked at is left out.
func (r *Retention) intend(ctx context.Context, at thing, list []doomed) (intended []doomed, err error) {
	err = r.o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		intended = nil
		missing := int64(0)
		for _, d := range list {
			removal := ledger.Removal{What: at.what, Rule: at.rule.Text, Begun: r.now.UTC(), Missing: d.missing}
			if d.missing {
				removal.Done = removal.Begun
				missing++
			}
			d.t.Removed = append(d.t.Removed, removal)
			switch err := tx.SaveTransfer(d.t); {
			case errors.Is(err, ledger.ErrLost):
				continue
			case err != nil:
				return err
			}
			intended = append(intended, d)
		}
		r.tally.Missing += missing
		return r.tally.Record(tx, r.now)
	})
	return intended, err
}

// conclude commits that things are gone, with the event that tells of it.
func (r *Retention) conclude(ctx context.Context, at thing, gone []doomed) error {
	if len(gone) == 0 {
		return nil
	}
	return r.o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		for _, d := range gone {
			if err := r.o.removed(tx, d.t.ID, at.what); err != nil {
				return err
			}
			r.tally.Add(d.c)
		}
		return r.tally.Record(tx, r.now)
	})
}

// removed notes that a thing is gone. A receipt may have come meanwhile and changed the
// row, or called the removal off.
func (o *Outbox) removed(tx *ledger.Tx, id string, what ledger.Thing) error {
	t, err := tx.Transfer(id)
	if err != nil {
		return err
	}
	gone := ledger.Gone(t.Removed, what)
	if gone == nil {
		return nil
	}
	gone.Done = o.Now().UTC()
	return tx.SaveTransfer(&t)
}

// forget removes what is nowhere but in the ledger, so that one commit does it.
func (r *Retention) forget(ctx context.Context, at thing, list []doomed) error {
	return r.o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		for _, d := range list {
			now := r.now.UTC()
			d.t.Removed = append(d.t.Removed, ledger.Removal{What: at.what, Rule: at.rule.Text, Begun: now, Done: now})
			trimmed, err := withoutHeader(d.t.Sealed)
			if err != nil {
				return fmt.Errorf("%s (%s): %w", d.t.Document, d.t.ID, err)
			}
			d.c.Bytes = int64(len(d.t.Sealed) - len(trimmed))
			d.t.Sealed = trimmed
			switch err := tx.SaveTransfer(d.t); {
			case errors.Is(err, ledger.ErrLost):
				continue
			case err != nil:
				return err
			}
			if _, err := tx.DeleteAttempts(d.t.ID); err != nil {
				return err
			}
			if _, err := tx.DeleteHooks(d.t.ID); err != nil {
				return err
			}
			r.tally.Add(d.c)
		}
		return r.tally.Record(tx, r.now)
	})
}

// events deletes old events of the partner; they come last, when no further one is made.
func (r *Retention) events(ctx context.Context, limit int) (again bool, err error) {
	if r.rules.History.Ever() {
		return false, nil
	}
	if r.tally == nil {
		r.begin(ledger.ThingEvents, r.rules.History)
	}
	err = r.o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		old, last, err := tx.OldEvents(r.o.p.Name, r.rules.History.By(r.now), r.last, limit)
		if err != nil {
			return err
		}
		for _, e := range old {
			if err := tx.DeleteEvent(e.ID); err != nil {
				return err
			}
			r.tally.Add(ledger.Candidate{Since: e.At, Count: 1, Bytes: e.Bytes})
		}
		r.last = last
		return r.tally.Record(tx, r.now)
	})
	return err == nil && r.last != 0, err
}

// Removable tells of everything that a run at a moment would remove, or leave alone
// although it is old enough. It changes nothing.
func (o *Outbox) Removable(ctx context.Context, rules Rules, now time.Time, each func(ledger.Candidate) error) error {
	for _, at := range rules.things() {
		if at.rule.Ever() {
			continue
		}
		for m := (ledger.Mark{}); ; {
			ts, err := o.removable(ctx, at, now, &m, lookBatch)
			if err != nil {
				return err
			}
			if len(ts) == 0 {
				break
			}
			for i := range ts {
				if err := o.lookAt(ctx, at, &ts[i], each); err != nil {
					return err
				}
			}
		}
	}
	return o.oldEvents(ctx, rules.History, now, each)
}

// lookBatch is how many rows are read at a time to be looked at.
const lookBatch = 200

func (o *Outbox) lookAt(ctx context.Context, at thing, t *ledger.Transfer, each func(ledger.Candidate) error) error {
	keep, err := o.needed(ctx, t, at.what)
	if err != nil || keep {
		return err
	}
	c, missing, err := o.examine(t, at)
	if err != nil || missing {
		return err
	}
	return each(c)
}

func (o *Outbox) oldEvents(ctx context.Context, rule ledger.Rule, now time.Time, each func(ledger.Candidate) error) error {
	if rule.Ever() {
		return nil
	}
	c := ledger.Candidate{Partner: o.p.Name, What: ledger.ThingEvents, Rule: rule.Text}
	last := int64(0)
	for first := true; first || last != 0; first = false {
		err := o.Ledger.View(ctx, func(tx *ledger.Tx) error {
			old, next, err := tx.OldEvents(o.p.Name, rule.By(now), last, lookBatch)
			for _, e := range old {
				c.Count, c.Bytes = c.Count+1, c.Bytes+e.Bytes
				if c.Since.IsZero() {
					c.Since = e.At
				}
			}
			last = next
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.Count == 0 {
		return nil
	}
	return each(c)
}
