package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Rules say how long what belongs to received and refused messages is kept, counted from
// when they came. The zero value keeps everything for ever. Message-ID, MICs and receipt
// stay in the ledger for ever: a repeat is recognised, and answered as at first, whatever
// was removed. Files in an inbox are their reader's and are never touched.
type Rules struct {
	Message  ledger.Rule // the message as it came, in the evidence
	Evidence ledger.Rule // all of the evidence
	History  ledger.Rule // attempts of receipts, and notes of messages that were stored first
}

type thing struct {
	what ledger.Thing
	rule ledger.Rule
}

// things are the rules in the order in which they are applied.
func (r Rules) things() []thing {
	return []thing{{ledger.ThingEvidence, r.Evidence}, {ledger.ThingMessage, r.Message}, {ledger.ThingHistory, r.History}}
}

// subject is a message of which something is to be removed, accepted or refused.
type subject struct {
	received *ledger.Received // nil = refused
	refused  *ledger.Refusal
}

func (s subject) id() string {
	if s.received != nil {
		return s.received.ID
	}
	return s.refused.ID
}

func (s subject) removed() *[]ledger.Removal {
	if s.received != nil {
		return &s.received.Removed
	}
	return &s.refused.Removed
}

func (s subject) candidate(p *Partner, at thing) ledger.Candidate {
	c := ledger.Candidate{Partner: p.Name, What: at.what, Rule: at.rule.Text, ID: s.id(), Count: 1}
	if s.received != nil {
		c.Name, c.Since = s.received.Key, s.received.At
	} else {
		c.Name, c.Since = s.refused.MessageID, s.refused.At
	}
	return c
}

// Retention is one run for one partner; see outbox.Retention.
type Retention struct {
	in      *Inbox
	p       *Partner
	rules   Rules
	now     time.Time
	things  []thing
	refused bool // those that were accepted are done with
	mark    ledger.Mark
	tally   *ledger.Tally
	tallies []*ledger.Tally
	resumed bool // what an earlier run had begun is finished
}

// Retention begins a run for a partner at the present moment; nil = it is not known.
func (in *Inbox) Retention(partner string, r Rules) *Retention {
	p := in.names[partner]
	if p == nil {
		return nil
	}
	return &Retention{in: in, p: p, rules: r, now: in.Now(), things: r.things()}
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
// error. An error is a fault of ours: what could not be removed is on record, and the next
// run goes on with it.
func (r *Retention) Step(ctx context.Context, limit int) (again bool, err error) {
	if !r.resumed {
		r.resumed = true
		if err := r.finish(ctx, limit); err != nil {
			return true, fmt.Errorf("inbox: %s: retention, left by an earlier run: %w", r.p.Name, err)
		}
	}
	if len(r.things) == 0 {
		return r.stored(ctx, limit)
	}
	at := r.things[0]
	if at.rule.Ever() {
		r.things = r.things[1:]
		return true, nil
	}
	if r.tally == nil {
		r.tally = &ledger.Tally{Partner: r.p.Name, What: at.what, Rule: at.rule.Text}
		r.tallies = append(r.tallies, r.tally)
	}
	list, err := r.in.removable(ctx, r.p, at, r.now, r.refused, &r.mark, limit)
	again = err == nil // the mark has moved on
	switch {
	case err == nil && len(list) == 0:
		if r.mark = (ledger.Mark{}); r.refused {
			r.things, r.tally = r.things[1:], nil
		}
		r.refused = !r.refused
	case err == nil:
		err = r.batch(ctx, at, list)
	}
	if err != nil {
		err = fmt.Errorf("inbox: %s: retention (%s): %w", r.p.Name, at.rule.Text, err)
	}
	return again, err
}

// removable are messages that are old enough for a rule.
func (in *Inbox) removable(ctx context.Context, p *Partner, at thing, now time.Time, refused bool, m *ledger.Mark, limit int) (list []subject, err error) {
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if refused {
			rows, err := tx.RemovableRefusals(p.Name, at.what, at.rule.By(now), m, limit)
			for i := range rows {
				list = append(list, subject{refused: &rows[i]})
			}
			return err
		}
		rows, err := tx.RemovableReceived(p.Name, at.what, at.rule.By(now), m, limit)
		for i := range rows {
			list = append(list, subject{received: &rows[i]})
		}
		return err
	})
	return list, err
}

// batch removes one thing of several messages.
func (r *Retention) batch(ctx context.Context, at thing, list []subject) error {
	var errs []error
	for _, s := range list {
		// Whoever posts the receipt of a message writes the answers to its evidence.
		if !r.in.begin(owedKey(s.id())) {
			continue
		}
		err := r.one(ctx, at, s)
		r.in.end(owedKey(s.id()))
		if err != nil {
			errs = append(errs, fmt.Errorf("message %s: %w", s.id(), err))
		}
	}
	return errors.Join(errs...)
}

func (r *Retention) one(ctx context.Context, at thing, s subject) error {
	if needed, err := r.in.needed(ctx, r.p, s); err != nil || needed {
		return err
	}
	c, missing, err := examine(r.p, at, s)
	if err != nil {
		return err
	}
	removal := ledger.Removal{What: at.what, Rule: at.rule.Text, Begun: r.now.UTC(), Missing: missing}
	*s.removed() = append(*s.removed(), removal)
	if at.what == ledger.ThingHistory || missing {
		return r.conclude(ctx, at, s, c, missing)
	}
	err = r.in.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error { return r.save(tx, s) })
	if errors.Is(err, ledger.ErrLost) {
		return nil // a repeat came just now: another time
	}
	if err == nil {
		err = fsx.RemoveAll(r.p.Folder, c.Path)
	}
	if err != nil {
		return err
	}
	return r.conclude(ctx, at, s, c, false)
}

func (r *Retention) save(tx *ledger.Tx, s subject) error {
	if s.received != nil {
		return tx.SaveReceived(s.received, r.p.fold)
	}
	return tx.SaveRefusal(*s.refused)
}

// conclude commits that a thing is gone. A repeat may have come meanwhile and changed the
// row.
func (r *Retention) conclude(ctx context.Context, at thing, s subject, c ledger.Candidate, missing bool) error {
	return r.in.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		if err := r.done(tx, at, s); err != nil {
			return err
		}
		if at.what == ledger.ThingHistory {
			n, err := tx.DeleteAttempts(s.id())
			if err != nil {
				return err
			}
			hooks, err := tx.DeleteHooks(s.id())
			if err != nil {
				return err
			}
			if n+hooks == 0 {
				return nil // nothing worth telling
			}
		}
		if missing {
			r.tally.Missing++
		} else {
			r.tally.Add(c)
		}
		return r.tally.Record(tx, r.now)
	})
}

// done notes that the removal that was begun has come to its end.
func (r *Retention) done(tx *ledger.Tx, at thing, s subject) error {
	if s.received != nil {
		row, err := tx.Received(s.received.ID)
		if err != nil {
			return err
		}
		if ledger.Gone(row.Removed, at.what) == nil {
			row.Removed = s.received.Removed // begun and done at once
		}
		*s.received = row
	}
	gone := ledger.Gone(*s.removed(), at.what)
	gone.Done = r.in.Now().UTC()
	return r.save(tx, s)
}

// needed reports whether a message is still dealt with, however old it is.
func (in *Inbox) needed(ctx context.Context, p *Partner, s subject) (bool, error) {
	if there, err := fsx.Exists(p.Folder, incoming(s.id())); err != nil || there {
		return true, err // its evidence is not in place yet
	}
	var owed ledger.OwedMDN
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { owed, err = tx.OwedMDN(s.id()); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return owed.Open, err
}

// examine looks at what a rule wants removed; missing says that nothing is there.
func examine(p *Partner, at thing, s subject) (c ledger.Candidate, missing bool, err error) {
	c = s.candidate(p, at)
	switch at.what {
	case ledger.ThingHistory:
		return c, false, nil
	case ledger.ThingMessage:
		c.Path = path.Join(evidence(c.ID), rawFile)
	default:
		c.Path = evidence(c.ID)
	}
	c.Bytes, err = fsx.Size(p.Folder, c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, true, nil
	}
	return c, false, err
}

// evidenceAgain notes that there is something again of what was removed: a repeat came,
// and its receipt was posted anew. It is removed with the next run.
func evidenceAgain(tx *ledger.Tx, p *Partner, id string) error {
	row, err := tx.Received(id)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil // a refusal is never repeated
	}
	again := func(r ledger.Removal) bool { return r.What == ledger.ThingEvidence || r.What == ledger.ThingHistory }
	if err != nil || !slices.ContainsFunc(row.Removed, again) {
		return err
	}
	row.Removed = slices.DeleteFunc(row.Removed, again)
	return tx.SaveReceived(&row, p.fold)
}

// finish goes on with what an earlier run had begun to remove and could not.
func (r *Retention) finish(ctx context.Context, limit int) error {
	var list []subject
	err := r.in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		received, err := tx.ReceivedBeingRemoved(r.p.Name, limit)
		for i := range received {
			list = append(list, subject{received: &received[i]})
		}
		refused, err2 := tx.RefusalsBeingRemoved(r.p.Name, limit)
		for i := range refused {
			list = append(list, subject{refused: &refused[i]})
		}
		return errors.Join(err, err2)
	})
	errs := []error{err}
	for _, s := range list {
		begun := ledger.Removing(*s.removed())
		at := thing{begun.What, ledger.Rule{Text: begun.Rule}}
		c, _, err := examine(r.p, at, s)
		if err == nil {
			err = fsx.RemoveAll(r.p.Folder, c.Path)
		}
		if err == nil {
			r.tally = &ledger.Tally{Partner: r.p.Name, What: at.what, Rule: begun.Rule}
			err = r.conclude(ctx, at, s, c, false)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("message %s: %w", s.id(), err))
		}
	}
	r.tally = nil
	return errors.Join(errs...)
}

// stored deletes the notes of messages that were stored before they were opened. What
// became of them has a row of its own.
func (r *Retention) stored(ctx context.Context, limit int) (again bool, err error) {
	if r.rules.History.Ever() {
		return false, nil
	}
	if r.tally == nil {
		r.tally = &ledger.Tally{Partner: r.p.Name, What: "notes of stored messages", Rule: r.rules.History.Text}
		r.tallies = append(r.tallies, r.tally)
	}
	n := int64(0)
	err = r.in.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) (err error) {
		if n, err = tx.DeleteStored(r.p.Name, r.rules.History.By(r.now), limit); err != nil {
			return err
		}
		r.tally.Add(ledger.Candidate{Count: n})
		return r.tally.Record(tx, r.now)
	})
	return err == nil && n > 0, err
}

// Removable tells of everything of a partner that a run at a moment would remove. It
// changes nothing.
func (in *Inbox) Removable(ctx context.Context, partner string, rules Rules, now time.Time, each func(ledger.Candidate) error) error {
	p := in.names[partner]
	if p == nil {
		return nil
	}
	for _, at := range rules.things() {
		if at.rule.Ever() {
			continue
		}
		for _, refused := range []bool{false, true} {
			for m := (ledger.Mark{}); ; {
				list, err := in.removable(ctx, p, at, now, refused, &m, lookBatch)
				if err != nil {
					return err
				}
				if len(list) == 0 {
					break
				}
				for _, s := range list {
					if err := in.lookAt(ctx, p, at, s, each); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// lookBatch is how many rows are read at a time to be looked at.
const lookBatch = 200

func (in *Inbox) lookAt(ctx context.Context, p *Partner, at thing, s subject, each func(ledger.Candidate) error) error {
	if needed, err := in.needed(ctx, p, s); err != nil || needed {
		return err
	}
	c, missing, err := examine(p, at, s)
	if err != nil || missing {
		return err
	}
	if at.what == ledger.ThingHistory {
		attempts := 0
		err := in.Ledger.View(ctx, func(tx *ledger.Tx) error {
			list, err := tx.Attempts(s.id())
			attempts = len(list)
			return err
		})
		if err != nil || attempts == 0 {
			return err
		}
	}
	return each(c)
}
