package outbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// send posts a sealed message once: the attempt is on record before the first byte
// leaves, and what came of it is on record before anything is filed.
func (o *Outbox) send(ctx context.Context, t *ledger.Transfer) error {
	var s as2.Sealed
	if err := json.Unmarshal(t.Sealed, &s); err != nil {
		return fmt.Errorf("the sealed header cannot be read: %w", err)
	}
	if wait, err := o.waitsForTurn(ctx, t); err != nil || wait {
		return err
	}
	if wait, err := o.mayPost(ctx, t); err != nil || wait {
		return err
	}
	a := o.openAttempt(t)
	if err := o.save(ctx, t, o.onlyFirst(t), func(tx *ledger.Tx) error { return tx.OpenAttempt(a) }); err != nil {
		return err
	}
	failpoint.Hit("after attempt")
	return o.post(ctx, t, &s, a)
}

// openAttempt makes the next attempt of a transfer, to be committed with it.
func (o *Outbox) openAttempt(t *ledger.Transfer) ledger.Attempt {
	a := ledger.Attempt{Transfer: t.ID, N: t.Posts + 1, Opened: o.Now().UTC(), Process: o.Process, URL: o.p.URL, Config: o.Config}
	t.State, t.Posts = ledger.StateSending, a.N
	// Should this process end, the next one finds the attempt and waits before another.
	t.Due = o.Now().Add(o.p.Policy.wait(1, 0.5)).UTC()
	return a
}

// openWithSealed opens the first attempt in the commit of the sealed message, where who
// seals it goes on and nothing keeps it from being posted at once. Else it stays sealed.
func (o *Outbox) openWithSealed(t *ledger.Transfer, sealed *as2.Sealed) func(*ledger.Tx) error {
	m, now := o.memo(t.ID), o.Now()
	if !m.carries || t.Due.After(now) || o.obstacle(t).code != "" || !o.restingUntil(now).IsZero() {
		return func(*ledger.Tx) error { return nil }
	}
	return func(tx *ledger.Tx) error {
		if t.Hold != "" {
			return nil // its content was sent before
		}
		if _, err := tx.Pause(o.p.Name); !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		if first, err := o.isFirst(tx, t); err != nil || !first {
			return err
		}
		a := o.openAttempt(t)
		m.attempt, m.sealed = &a, sealed
		return tx.OpenAttempt(a)
	}
}

// postOpened posts what was sealed with its attempt.
func (o *Outbox) postOpened(ctx context.Context, t *ledger.Transfer) error {
	m := o.memo(t.ID)
	a := *m.attempt
	m.attempt = nil
	failpoint.Hit("after attempt")
	return o.post(ctx, t, m.sealed, a)
}

// post posts a message whose attempt is on record, and commits what came of it.
func (o *Outbox) post(ctx context.Context, t *ledger.Transfer, s *as2.Sealed, a ledger.Attempt) error {
	answer, err := o.Post.Post(ctx, o.p.URL, s.Header, s.Length, func() (io.ReadCloser, error) {
		f, err := o.p.Folder.OpenFile(path.Join(o.work(t), messageFile), fsx.ReadOnly, 0)
		if err != nil {
			return nil, err
		}
		return fsx.Once(f), nil
	})
	failpoint.Hit("after post")
	if err != nil {
		e := o.noAnswer(&a, err) // it sets the outcome of the attempt too
		return o.conclude(ctx, t, a, e)
	}
	return o.conclude(ctx, t, a, o.readAnswer(t, s, &a, answer))
}

// keptAnswer writes an answer to the evidence, and says on the event if it cannot: it counts
// even if the disk refuses.
func (o *Outbox) keptAnswer(t *ledger.Transfer, n int, raw []byte, e event) event {
	if err := o.keepAnswer(t, n, raw); err != nil {
		e.notes = append(e.notes, note{ledger.Warning, "evidence", fmt.Sprintf("the answer could not be kept as evidence: %v", err), ""})
	}
	return e
}

// abandoned concludes an attempt whose record could not be written when it ended: the
// ledger was out of order then. Nobody posts it any more.
func (o *Outbox) abandoned(ctx context.Context, t *ledger.Transfer) error {
	return o.closeLeftAttempt(ctx, t)
}

// mayPost reports whether the transfer must wait, and commits until when.
func (o *Outbox) mayPost(ctx context.Context, t *ledger.Transfer) (wait bool, err error) {
	now := o.Now()
	if h := o.obstacle(t); h.code != "" {
		return true, o.hold(ctx, t, h)
	}
	if err := o.enough(0); err != nil {
		return false, err
	}
	if open := o.p.Policy.allowed(now); open.After(now) {
		t.Due = open.UTC()
		return true, o.save(ctx, t)
	}
	until := o.restingUntil(now)
	if until.IsZero() {
		until, err = o.pausedUntil(ctx, now)
	}
	if err != nil || until.IsZero() {
		return false, err
	}
	// Time paused is no time tried: one wrong password must not fail a whole queue.
	t.Deadline = o.p.Policy.later(t.Deadline, until.Sub(now)).UTC()
	t.Due = until.UTC()
	return true, o.save(ctx, t)
}

// pauseCheck is how long a transfer of a paused partner sleeps before it looks again.
const pauseCheck = time.Minute

// pausedUntil says until when nothing may be posted, zero if it may. The first who
// comes after the time probes, and moves it on for the others.
func (o *Outbox) pausedUntil(ctx context.Context, now time.Time) (until time.Time, err error) {
	paused := false
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Pause(o.p.Name)
		if paused = err == nil; errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !paused {
		return until, err
	}
	err = o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		p, err := tx.Pause(o.p.Name)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			return nil
		case err != nil:
			return err
		case p.Until.After(o.p.Policy.limit(ledger.StateSealed, now)): // set by a clock that was ahead
		case p.Until.IsZero() || p.Until.After(now.Add(pauseCheck)):
			until = now.Add(pauseCheck)
			return nil
		case p.Until.After(now):
			until = p.Until
			return nil
		}
		p.Tries++
		p.Until = o.p.Policy.again(p.Tries+1, now, 0, 0.5).UTC()
		return tx.SavePause(p)
	})
	return until, err
}

// readAnswer reads an answer and judges it.
func (o *Outbox) readAnswer(t *ledger.Transfer, s *as2.Sealed, a *ledger.Attempt, answer *as2.Answer) event {
	a.Outcome, a.Status = ledger.OutcomeAnswered, answer.Status
	f := answerFacts{answer: answer}
	f.mdn, f.mdnErr = as2.ParseMDN(answer.Header, answer.Body, o.p.Trust, o.Now())
	if f.mdnErr != nil {
		f.mdn = nil
	}
	e, raw := o.judge(t, s, f), rawAnswer(answer)
	if f.mdn == nil || e.kind != settled {
		return o.keptAnswer(t, a.N, raw, e)
	}
	// It is committed with the verdict, and is in the record of the evidence with it.
	e.receipt, e.disposition = raw, f.mdn.DispositionText
	// It counts even if the disk refuses.
	with, err := o.sealingOf(t)
	if err == nil {
		err = o.keepSigner(t, f.mdn.Signer, with)
	}
	if err != nil {
		e.notes = append(e.notes, note{ledger.Warning, "evidence", fmt.Sprintf("the receipt's certificate could not be kept as evidence: %v", err), ""})
	}
	return e
}

// conclude commits what came of an attempt. A receipt may have come before the answer,
// or somebody held the transfer: what they committed stays.
func (o *Outbox) conclude(ctx context.Context, t *ledger.Transfer, a ledger.Attempt, e event) error {
	err := o.record(ctx, t, a, e)
	if err == nil {
		// Another one can be open only where it waits for a receipt.
		o.memo(t.ID).closed = a.N == 1 && t.State == ledger.StateSettled
	}
	for range lostTries {
		if !errors.Is(err, ledger.ErrLost) {
			return err
		}
		if err := o.reread(ctx, t); err != nil {
			return err
		}
		if t.State == ledger.StateSending {
			err = o.record(ctx, t, a, e)
		} else {
			err = o.closeOvertaken(ctx, t, a, e)
		}
	}
	return err
}

// lostTries is how often a row is read anew that somebody else changed meanwhile.
const lostTries = 8

func (o *Outbox) reread(ctx context.Context, t *ledger.Transfer) error {
	return o.Ledger.View(context.WithoutCancel(ctx), func(tx *ledger.Tx) (err error) { *t, err = tx.Transfer(t.ID); return err })
}

// closeOvertaken closes an attempt whose transfer was settled by a receipt that came
// before the answer; it counts as it would have without. Nothing else of the transfer
// changes.
func (o *Outbox) closeOvertaken(ctx context.Context, t *ledger.Transfer, a ledger.Attempt, e event) error {
	e.hint = commands(t, e.hint)
	a.Closed, a.Text = o.Now().UTC(), e.reason+"; the receipt had come before"
	if a.Counted = e.kind != stopped && e.kind != paused; a.Counted {
		t.Attempts++
	}
	if e.receipt != nil {
		e = o.keptAnswer(t, a.N, e.receipt, e)
	}
	more := o.effects(t, a, e)
	if e.receipt != nil {
		more = append(more, o.further(t, e))
	}
	more = append(more, func(tx *ledger.Tx) error { return tx.CloseAttempt(a) })
	return o.save(ctx, t, more...)
}

// notes are the events for what is odd about an answer or a receipt.
func (o *Outbox) notes(t *ledger.Transfer, e event) (more []func(*ledger.Tx) error) {
	for _, n := range e.notes {
		more = append(more, o.event(t, n.level, n.code, n.hint, "%s: %s", t.Document, n.text))
	}
	return more
}

// effects are what an attempt means beyond its transfer.
func (o *Outbox) effects(t *ledger.Transfer, a ledger.Attempt, e event) []func(*ledger.Tx) error {
	more := append(o.notes(t, e), o.trouble(e))
	switch {
	case e.kind == paused:
		more = append(more, o.pause(e))
	case a.Outcome == ledger.OutcomeAnswered:
		// Somebody answers: whatever the pause was about is over.
		more = append(more, o.endPause())
	}
	return more
}

// record commits what came of an attempt, unless the transfer was changed meanwhile.
func (o *Outbox) record(ctx context.Context, t *ledger.Transfer, a ledger.Attempt, e event) error {
	e.hint = commands(t, e.hint)
	d := next(t.Attempts, t.Deadline, e, o.Now(), o.p.Policy, o.chance())
	t.Unknown = t.Unknown || e.unknown
	if d.wait && t.Hold != "" {
		d.wait, d.counted = false, true // nobody waits for the receipt of what is held
	}
	if d.counted {
		t.Attempts++
	}
	more := o.effects(t, a, e)
	if e.rest && e.retryAfter > 0 {
		until := o.Now().Add(e.retryAfter)
		o.leaveAlone(until)
		more = append(more, o.keepRest(until))
	}
	if a.Closed.IsZero() {
		a.Closed = o.Now().UTC()
	}
	a.Counted, a.Text = d.counted, e.reason
	t.State, t.Due, t.Reason, t.Next = ledger.StateSealed, d.due.UTC(), d.reason, d.next
	if d.wait {
		t.State, a.Outcome = ledger.StateWaiting, ledger.OutcomeWaiting
	}
	more = append(more, func(tx *ledger.Tx) error { return tx.CloseAttempt(a) })
	switch {
	case d.verdict != ledger.VerdictNone:
		t.Receipt, t.Disposition = e.receipt, e.disposition
		return o.settle(ctx, t, d, more...)
	case d.hold != "":
		t.Hold, t.HoldBy, t.HoldCode = d.hold, "agent", holdReceipt
		more = append(more, o.event(t, ledger.Alarm, "held", d.next, "%s: held: %s", t.Document, d.hold))
	case e.kind == failed:
		more = append(more, o.event(t, ledger.Warning, "attempt-failed", d.next, "%s: attempt %d of %d: %s; next try %s", t.Document, t.Attempts, o.p.Policy.Attempts, d.reason, d.due.UTC().Format(time.DateTime+" UTC")))
	}
	return o.save(ctx, t, more...)
}

// trouble keeps since when messages to the partner fail. Whatever answer is a verdict, or
// the promise of one, ends it.
func (o *Outbox) trouble(e event) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		now := o.Now().UTC()
		switch e.kind {
		case failed, paused:
			return tx.AddTrouble(o.p.Name, e.reason, e.hint, now)
		case settled, waits:
		default:
			return nil
		}
		was, err := tx.EndTrouble(o.p.Name)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err == nil && was.Count > 1 {
			err = tx.AddEvent(ledger.Event{At: now, Level: ledger.Info, Partner: o.p.Name, Code: "partner-answers",
				Text: fmt.Sprintf("%s takes messages again; %d attempts in a row failed since %s", o.p.Name, was.Count, was.Since.Format(time.DateTime+" UTC"))})
		}
		return err
	}
}

func (o *Outbox) pause(e event) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		now := o.Now().UTC()
		p, err := tx.Pause(o.p.Name)
		if errors.Is(err, ledger.ErrNotFound) {
			p = ledger.Pause{Partner: o.p.Name, Since: now, By: "agent", Until: o.p.Policy.again(1, now, 0, 0.5).UTC()}
			err = tx.AddEvent(ledger.Event{At: now, Level: ledger.Alarm, Partner: o.p.Name, Code: "partner-paused", Text: "nothing is sent to " + o.p.Name + ": " + e.reason, Hint: e.hint})
		}
		if err != nil {
			return err
		}
		p.Reason, p.Hint = e.reason, e.hint
		return tx.SavePause(p)
	}
}

func (o *Outbox) endPause() func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		p, err := tx.Pause(o.p.Name)
		if errors.Is(err, ledger.ErrNotFound) || err == nil && p.By != "agent" {
			return nil
		}
		if err != nil {
			return err
		}
		err = tx.AddEvent(ledger.Event{At: o.Now().UTC(), Level: ledger.Info, Partner: o.p.Name, Code: "partner-resumed", Text: "sending to " + o.p.Name + " goes on"})
		return errors.Join(err, tx.EndPause(o.p.Name))
	}
}

// judge judges, and asks the sealed message what judging wants to know of it.
func (o *Outbox) judge(t *ledger.Transfer, s *as2.Sealed, f answerFacts) event {
	for {
		e := judge(*s, t.MessageID, t.Unknown, f, o.p.Policy)
		if e.kind != asks {
			return e
		}
		if e.compare {
			f.opened.compared = true
			f.opened.variation, f.opened.err = o.compare(t, s, e.asked)
			continue
		}
		mic, err := o.recompute(t, s, e.asked.Digest)
		if f.opened.err = err; err == nil {
			f.opened.mic = &mic
		}
	}
}

// chance is a number from 0 to 1.
func (o *Outbox) chance() float64 {
	var b [8]byte
	if _, err := io.ReadFull(o.Rand, b[:]); err != nil {
		return 0.5 // jitter is a courtesy
	}
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}
