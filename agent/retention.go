package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// keeper runs retention: at its time, for a run that was missed, and when an operator
// asks for it.
type keeper struct {
	*running
	poke chan struct{} // an operator asks
}

// retentionBatch is how many things are removed between two looks at the folder's marker
// and at whether the agent is to stop.
const retentionBatch = 100

// keepPoll is how often the keeper looks at the clock and the config, which may change.
const keepPoll = time.Minute

// run is the keeper's life.
func (k *keeper) run(ctx context.Context) {
	k.finish(ctx)
	for ctx.Err() == nil {
		err := k.since(ctx)
		var due time.Time
		if err == nil {
			due, err = k.nextRetention(ctx)
		}
		if err == nil && !due.IsZero() && !due.After(k.now()) {
			err = k.keep(ctx)
		}
		if err == nil {
			err = k.grant(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.log.Error("retention", "error", err)
		}
		k.keeping.Store(false)
		wait := keepPoll
		if !due.IsZero() {
			wait = min(wait, max(due.Sub(k.now()), time.Second))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.poke:
		}
		timer.Stop()
		k.keeping.Store(ctx.Err() == nil)
	}
}

// removes reports whether any rule of a config removes anything.
func removes(cfg *config.Config) bool {
	if cfg.Retention.History.For > 0 {
		return true
	}
	for _, p := range cfg.Partners {
		if p.Retention != (config.Retention{}) {
			return true
		}
	}
	return false
}

// nextRetention is when retention runs next, zero for never.
func (w *world) nextRetention(ctx context.Context) (time.Time, error) {
	cfg := w.setup().cfg
	if !removes(cfg) {
		return time.Time{}, nil
	}
	var last time.Time
	err := w.ledger.View(ctx, func(tx *ledger.Tx) (err error) { last, err = tx.LastRetention(); return err })
	if now := w.now(); last.IsZero() || last.After(now) {
		last = now // never, or the clock was wrong
	}
	return cfg.Retention.At.Next(last), err
}

// since notes from when on a run may have been missed: from when there are rules. Whoever
// adds the first one has until the next run to think again.
func (k *keeper) since(ctx context.Context) error {
	rules := removes(k.setup().cfg)
	return k.ledger.Update(ctx, func(tx *ledger.Tx) error {
		last, err := tx.LastRetention()
		switch {
		case err != nil || rules == !last.IsZero():
			return err
		case rules:
			return tx.SetLastRetention(k.now())
		}
		return tx.SetLastRetention(time.Time{})
	})
}

// finish goes on with what an earlier process had begun to remove, whatever the rules are
// now.
func (k *keeper) finish(ctx context.Context) {
	for _, b := range k.setup().boxes {
		if b.fault == nil && b.ready() == nil {
			_, err := k.apply(ctx, b, outbox.Rules{}, inbox.Rules{})
			k.complain(ctx, b.partner.Name, err)
		}
	}
}

// keep makes a run for everybody.
func (k *keeper) keep(ctx context.Context) error {
	started := k.now()
	now := k.setup()
	for _, b := range now.boxes {
		if _, err := k.partner(ctx, b); err != nil {
			k.complain(ctx, b.partner.Name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err() // the next process makes up for it
		}
	}
	if err := k.own(ctx, now.cfg); err != nil {
		return err
	}
	return k.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SetLastRetention(started) })
}

// partner makes a run for one partner. It does nothing while his folder is not in order.
func (k *keeper) partner(ctx context.Context, b *box) ([]ledger.Tally, error) {
	if b.fault != nil {
		return nil, nil // it is told of already
	}
	return k.apply(ctx, b, outboxRules(b.partner.Retention), inboxRules(b.partner.Retention))
}

// run is retention of an outbox or an inbox.
type run interface {
	Step(ctx context.Context, limit int) (again bool, err error)
	Tallies() []ledger.Tally
}

func (k *keeper) apply(ctx context.Context, b *box, out outbox.Rules, in inbox.Rules) (done []ledger.Tally, err error) {
	runs := []run{b.outbox.Retention(out)}
	if r := k.setup().inbox.Retention(b.partner.Name, in); r != nil {
		runs = append(runs, r)
	}
	var errs []error
	for _, r := range runs {
		for again := true; again; {
			// A folder that hangs keeps nobody else's from being looked after.
			more := false
			err = k.inTurn(ctx, b.partner.Name, k.hands.work, func() (err error) {
				if err = b.ready(); err == nil {
					more, err = r.Step(ctx, retentionBatch)
				}
				return err
			}, func() {})
			errs = append(errs, err)
			if ctx.Err() != nil || errors.Is(err, errHangs) {
				return done, errors.Join(errs...) // the step may still go on
			}
			again = more
		}
		for _, t := range r.Tallies() {
			k.log.Info("retention", "partner", b.partner.Name, "removed", t.Fact(), "left", t.Left, "reason", strings.Join(t.Whys, "; "))
		}
		done = append(done, r.Tallies()...)
	}
	return done, errors.Join(errs...)
}

// complain tells of a run that did not remove everything.
func (k *keeper) complain(ctx context.Context, partner string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	k.log.Error("retention did not come to its end", "partner", partner, "error", err)
	if eerr := k.event(ctx, ledger.Alarm, partner, "retention-failed", err.Error(), "the next run goes on with it; as2drop retention shows what is left"); eerr != nil {
		k.log.Error("ledger", "error", eerr)
	}
}

// own removes what belongs to no partner: wishes that were dealt with, and events of the
// agent itself.
func (k *keeper) own(ctx context.Context, cfg *config.Config) error {
	rule := ruleOf(&cfg.Retention.Retention, "history", cfg.Retention.History)
	if rule.Ever() {
		return nil
	}
	by := rule.By(k.now())
	tally := &ledger.Tally{What: ledger.ThingEvents, Rule: rule.Text}
	last, more := int64(0), true
	for more && ctx.Err() == nil {
		err := k.ledger.Update(ctx, func(tx *ledger.Tx) error {
			wishes, err := tx.DeleteWishes(by, retentionBatch)
			if err != nil {
				return err
			}
			old, next, err := tx.OldEvents("", by, last, retentionBatch)
			for _, e := range old {
				err = errors.Join(err, tx.DeleteEvent(e.ID))
				tally.Add(ledger.Candidate{Since: e.At, Count: 1, Bytes: e.Bytes})
			}
			last, more = next, next != 0 || wishes == retentionBatch
			return errors.Join(err, tally.Record(tx, k.now()))
		})
		if err != nil {
			return err
		}
	}
	if !tally.Empty() {
		k.log.Info("retention", "removed", tally.Fact())
	}
	return nil
}

// grant makes the runs that operators ask for.
func (k *keeper) grant(ctx context.Context) error {
	var open []ledger.Wish
	err := k.ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err })
	for _, w := range open {
		if w.Kind != ledger.WishRetain || err != nil {
			continue
		}
		result := k.grantOne(ctx, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err = k.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.FinishWish(w, k.now(), result) })
	}
	return err
}

func (k *keeper) grantOne(ctx context.Context, w ledger.Wish) string {
	var lines []string
	for _, b := range k.setup().boxes {
		if w.Partner != "" && w.Partner != b.partner.Name {
			continue
		}
		if b.fault != nil {
			lines = append(lines, b.partner.Name+": "+b.fault.Error())
			continue
		}
		done, err := k.partner(ctx, b)
		k.complain(ctx, b.partner.Name, err)
		for _, t := range done {
			lines = append(lines, b.partner.Name+": removed "+t.Fact())
			for _, why := range t.Whys {
				lines = append(lines, b.partner.Name+": left alone: "+why)
			}
		}
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: not everything could be removed: %v", b.partner.Name, err))
		}
	}
	if len(lines) == 0 {
		return "nothing is old enough to be removed"
	}
	return strings.Join(lines, "\n")
}

func ruleOf(r *config.Retention, key string, a config.Age) ledger.Rule {
	return ledger.Rule{Text: r.Rule(key), For: a.For}
}

// outboxRules are the rules of a partner as the outbox takes them.
func outboxRules(r config.Retention) outbox.Rules {
	return outbox.Rules{Sent: ruleOf(&r, "sent", r.Sent), Failed: ruleOf(&r, "failed", r.Failed), Message: ruleOf(&r, "messages", r.Messages),
		Evidence: ruleOf(&r, "evidence", r.Evidence), History: ruleOf(&r, "history", r.History)}
}

// inboxRules are the rules of a partner as the inbox takes them.
func inboxRules(r config.Retention) inbox.Rules {
	return inbox.Rules{Message: ruleOf(&r, "received_messages", r.ReceivedMessages), Evidence: ruleOf(&r, "received_evidence", r.ReceivedEvidence),
		History: ruleOf(&r, "history", r.History)}
}

// NextRetention is when retention runs next, zero for never: no rule removes anything.
func (i *Inspector) NextRetention(ctx context.Context) (time.Time, error) {
	return i.nextRetention(ctx)
}

// Removable tells of everything that a run of retention at a moment would remove, or leave
// alone although it is old enough; partner "" means of all partners.
func (i *Inspector) Removable(ctx context.Context, partner string, at time.Time, each func(ledger.Candidate) error) error {
	now := i.setup()
	for _, b := range now.boxes {
		if b.fault != nil || partner != "" && partner != b.partner.Name {
			continue
		}
		err := b.outbox.Removable(ctx, outboxRules(b.partner.Retention), at, each)
		if err == nil {
			err = now.inbox.Removable(ctx, b.partner.Name, inboxRules(b.partner.Retention), at, each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
