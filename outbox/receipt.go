package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// effect is what a receipt does to a transfer in the state that it finds it in.
type effect int

const (
	ignored     effect = iota // it counts for nothing
	settles                   // the verdict that was waited for, or comes before the POST returned
	supersedes                // the transfer had been given up; the verdict is this one now
	holds                     // somebody has to look
	repeated                  // it says what is known already
	contradicts               // it says something else than the verdict, which stays
)

// meet decides what a receipt does, given what it was judged to mean. It is pure. A
// verdict that rests on a receipt, or on what the partner's server said, is never
// overwritten; "gave up" rests on nothing (design rule O6).
func meet(t *ledger.Transfer, e event) effect {
	open := t.Verdict == ledger.VerdictNone
	gaveUp := t.Verdict == ledger.VerdictGaveUp
	switch e.kind {
	case settled:
		switch {
		case open:
			return settles
		case gaveUp:
			return supersedes
		case t.Verdict == e.verdict || t.Verdict.Sent() && e.verdict.Sent():
			return repeated
		}
		return contradicts
	case unclear:
		switch {
		case (open || gaveUp) && t.HoldCode != holdReceipt:
			return holds
		case open || gaveUp || t.Verdict.Sent():
			return repeated
		}
		return contradicts
	}
	return ignored
}

// ReceiveReceipt takes a receipt that came on a connection of its own and names the
// Message-ID of a transfer. It returns when the receipt is on disk and what follows from
// it is committed; only then may the reply go out. An error is a fault of ours, and the
// reply asks the partner to come again.
//
//	the transfer is            and a receipt that counts for it
//	waiting, sealed, held      settles it
//	sending (early)            settles it; the POST only closes its attempt later
//	given up (late)            settles it anew, once, and it is filed again
//	settled by a receipt       is an event: again the same, or an alarm: another verdict
//
// One that does not count (not authentic, unsigned where a signed one was asked for, for
// another message) is an event, changes nothing, and is answered with 4xx.
func (o *Outbox) ReceiveReceipt(ctx context.Context, transfer string, header http.Header, body []byte, remote string) (as2.Reply, error) {
	ctx = context.WithoutCancel(ctx)
	err := ledger.ErrLost
	for range lostTries {
		var reply as2.Reply
		if reply, err = o.take(o, ctx, arrival{transfer, header, body, remote}); err == nil {
			return reply, nil
		}
		if !errors.Is(err, ledger.ErrLost) {
			break
		}
	}
	return as2.Unavailable("the receipt could not be recorded, please try again", time.Minute),
		fmt.Errorf("outbox: %s: receipt for transfer %s: %w", o.p.Name, transfer, err)
}

// arrival is a receipt as it came on a connection of its own.
type arrival struct {
	transfer string
	header   http.Header
	body     []byte
	remote   string
}

// receive makes one try to take a receipt.
func (o *Outbox) receive(ctx context.Context, a arrival) (as2.Reply, error) {
	t := ledger.Transfer{ID: a.transfer}
	err := o.reread(ctx, &t)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && t.Partner != o.p.Name {
		return refusal(http.StatusNotFound, "no message of this Message-ID was sent"), nil
	}
	if err != nil {
		return as2.Reply{}, err
	}
	if t.Posts == 0 {
		return refusal(http.StatusNotFound, "no message of this Message-ID was sent"), o.stranger(ctx, &t, nil, a.remote, "it names a message that was never posted")
	}
	raw := rawReceipt(a.header, a.body)
	mdn, err := as2.ParseMDN(a.header, a.body, o.p.Trust, o.Now())
	if err != nil {
		return refusal(http.StatusBadRequest, "this is no receipt"), o.stranger(ctx, &t, raw, a.remote, reasonOf(err).Error())
	}
	var s as2.Sealed
	if err := json.Unmarshal(t.Sealed, &s); err != nil {
		return as2.Reply{}, fmt.Errorf("the sealed header cannot be read: %w", err)
	}
	e := o.judge(&t, &s, answerFacts{mdn: mdn})
	does := meet(&t, e)
	if does == ignored {
		status, text := http.StatusBadRequest, "the receipt is for another message"
		if e.forged {
			status, text = http.StatusForbidden, "the receipt is not signed as agreed"
		}
		return refusal(status, text), o.stranger(ctx, &t, raw, a.remote, e.reason)
	}
	// Evidence first: what is answered with 200 must not be lost.
	name, err := o.keepReceipt(&t, raw, false)
	if err != nil {
		return as2.Reply{}, err
	}
	with, err := o.sealingOf(&t)
	if err == nil {
		err = o.keepSigner(&t, mdn.Signer, with)
	}
	if err != nil {
		return as2.Reply{}, err
	}
	e.receipt, e.disposition = raw, mdn.DispositionText
	e.reason += fmt.Sprintf("; the receipt came from %s (%s)", a.remote, name)
	return as2.Reply{Status: http.StatusOK}, o.apply(ctx, &t, does, e)
}

// refusal answers a receipt that does not count. The text gives nothing away.
func refusal(status int, text string) as2.Reply {
	return as2.Reply{Status: status, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}
}

// stranger records a receipt that does not count, up to a number: anybody can send them.
func (o *Outbox) stranger(ctx context.Context, t *ledger.Transfer, raw []byte, remote, fact string) error {
	if raw != nil {
		name, err := o.keepReceipt(t, raw, true)
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
		fact += "; kept as " + name
	}
	told := o.event(t, ledger.Warning, "receipt-refused", "if it is the partner's: compare his certificate, and what was agreed about receipts, with the config",
		"%s: a receipt from %s does not count: %s", t.Document, remote, fact)
	return o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(told(tx), o.evidenceAgain(t)(tx)) })
}

// apply commits what a receipt does.
func (o *Outbox) apply(ctx context.Context, t *ledger.Transfer, does effect, e event) error {
	e.hint = commands(t, e.hint)
	more := o.notes(t, e)
	switch does {
	case settles:
		return o.settleBy(ctx, t, e, more)
	case supersedes:
		more = append(more, o.event(t, ledger.Warning, "late-receipt", "", "%s: a receipt came after it had been given up, and counts", t.Document))
		t.RefileFrom = t.FilePath
		return o.settleBy(ctx, t, e, more)
	case holds:
		return o.holdBy(ctx, t, e, more)
	}
	return o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(o.further(t, e)(tx), o.evidenceAgain(t)(tx)) })
}

// settleBy commits the verdict of a receipt. While the message is still being posted
// its attempt stays open: whoever posts it closes it.
func (o *Outbox) settleBy(ctx context.Context, t *ledger.Transfer, e event, more []func(*ledger.Tx) error) error {
	if t.State == ledger.StateWaiting {
		t.Attempts++
		more = append(more, o.endWaiting(t, ledger.OutcomeAnswered, true, e.reason))
	}
	t.Receipt, t.Disposition = e.receipt, e.disposition
	return o.settle(ctx, t, decision{verdict: e.verdict, reason: e.reason, next: e.hint}, more...)
}

// holdBy commits that somebody has to look at what a receipt says. A transfer that was
// given up comes back for it: it is neither delivered nor failed.
func (o *Outbox) holdBy(ctx context.Context, t *ledger.Transfer, e event, more []func(*ledger.Tx) error) error {
	switch {
	case t.State == ledger.StateWaiting:
		t.Attempts++
		more = append(more, o.endWaiting(t, ledger.OutcomeAnswered, true, e.reason))
		t.State = ledger.StateSealed
	case t.Verdict == ledger.VerdictGaveUp:
		t.State, t.Blocks = ledger.StateReopening, false
	}
	t.Unknown = t.Unknown || e.unknown
	t.Hold, t.HoldBy, t.HoldCode, t.Reason, t.Next = e.reason, "agent", holdReceipt, e.reason, e.hint
	return o.save(ctx, t, append(more, o.event(t, ledger.Alarm, "held", e.hint, "%s: held: %s", t.Document, e.reason))...)
}

// further tells of a receipt for a transfer that has its verdict, or its hold.
func (o *Outbox) further(t *ledger.Transfer, e event) func(*ledger.Tx) error {
	if meet(t, e) == contradicts {
		return o.event(t, ledger.Alarm, "receipt-contradicts", "the verdict stays; ask the partner which of the two holds",
			"%s: the verdict is %s, and now another receipt says otherwise: %s", t.Document, t.Verdict, e.reason)
	}
	return o.event(t, ledger.Info, "receipt-repeated", "", "%s: a further receipt says what is known: %s", t.Document, e.reason)
}

// endWaiting closes the attempt that waited for its receipt.
func (o *Outbox) endWaiting(t *ledger.Transfer, outcome ledger.Outcome, counted bool, text string) func(*ledger.Tx) error {
	n := t.Posts
	return func(tx *ledger.Tx) error {
		a, err := attempt(tx, t.ID, n)
		if err != nil {
			return err
		}
		a.Outcome, a.Counted, a.Text = outcome, counted, text
		return tx.CloseAttempt(a)
	}
}

// attempt reads the n-th attempt of a transfer.
func attempt(tx *ledger.Tx, transfer string, n int) (ledger.Attempt, error) {
	attempts, err := tx.Attempts(transfer)
	if err != nil {
		return ledger.Attempt{}, err
	}
	for _, a := range attempts {
		if a.N == n {
			return a, nil
		}
	}
	return ledger.Attempt{}, fmt.Errorf("attempt %d is not on record: %w", n, ledger.ErrNotFound)
}

// overdue ends the wait for a receipt. The partner took the message and may have it; the
// same bytes are posted again under the same Message-ID as after any attempt of unknown
// outcome, and count.
func (o *Outbox) overdue(ctx context.Context, t *ledger.Transfer) error {
	var a ledger.Attempt
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { a, err = attempt(tx, t.ID, t.Posts); return err })
	if err != nil {
		return err
	}
	a.Outcome = ledger.OutcomeUnknown
	return o.record(ctx, t, a, event{kind: failed, unknown: true,
		reason: fmt.Sprintf("the partner took the message (HTTP %d), and no receipt came until %s", a.Status, t.Due.UTC().Format(time.DateTime+" UTC")),
		hint:   "ask the partner whether he has the message and where his receipt went"})
}
