package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Grant does what an operator asked for, or says why not, and records it.
func (o *Outbox) Grant(ctx context.Context, w ledger.Wish) error {
	result, err := o.grant(ctx, w)
	if errors.Is(err, ledger.ErrLost) {
		return nil // the transfer just moved; the wish is still open and comes again
	}
	if err != nil {
		return fmt.Errorf("outbox: %s: wish %s: %w", o.p.Name, w.Kind, err)
	}
	return o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error { return tx.FinishWish(w, o.Now(), result) })
}

func (o *Outbox) grant(ctx context.Context, w ledger.Wish) (string, error) {
	if w.Transfer == "" {
		return o.grantPartner(ctx, w)
	}
	var t ledger.Transfer
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.Transfer(w.Transfer); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		return "there is no transfer " + w.Transfer, nil
	}
	if err != nil {
		return "", err
	}
	switch w.Kind {
	case ledger.WishHold:
		return o.holdTransfer(ctx, w, &t)
	case ledger.WishRelease:
		return o.release(ctx, w, &t)
	case ledger.WishRetry:
		return o.retry(ctx, w, &t)
	case ledger.WishDismiss:
		return o.dismiss(ctx, w, &t)
	}
	return fmt.Sprintf("%q is no wish that is known", w.Kind), nil
}

func (o *Outbox) grantPartner(ctx context.Context, w ledger.Wish) (result string, err error) {
	now := o.Now().UTC()
	err = o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		e := ledger.Event{At: now, Level: ledger.Info, Partner: o.p.Name, Code: "operator-" + string(w.Kind), Text: fmt.Sprintf("%s by %s: %s", w.Kind, w.By, w.Reason)}
		switch w.Kind {
		case ledger.WishHold:
			result = "nothing is sent to " + o.p.Name + " until it is released"
			return errors.Join(tx.AddEvent(e), tx.SavePause(ledger.Pause{Partner: o.p.Name, Since: now, Reason: w.Reason, By: w.By}))
		case ledger.WishRelease:
			result = "sending to " + o.p.Name + " goes on"
			return errors.Join(tx.AddEvent(e), tx.EndPause(o.p.Name), o.dueNow(tx))
		}
		result = string(w.Kind) + " wants a transfer"
		return nil
	})
	return result, err
}

// dueNow wakes the transfers that slept because of a pause.
func (o *Outbox) dueNow(tx *ledger.Tx) error {
	queue, err := tx.Queue(o.p.Name, true, math.MaxInt)
	if err != nil {
		return err
	}
	for _, q := range queue {
		if q.State != ledger.StateSealed {
			continue
		}
		t, err := tx.Transfer(q.ID)
		if err != nil {
			return err
		}
		t.Due = o.Now().UTC()
		if err := tx.SaveTransfer(&t); err != nil {
			return err
		}
	}
	return nil
}

func (o *Outbox) holdTransfer(ctx context.Context, w ledger.Wish, t *ledger.Transfer) (string, error) {
	if !t.State.Open() || t.State == ledger.StateSettled {
		return fmt.Sprintf("%s has its verdict already: %s", t.Document, t.Verdict), nil
	}
	if t.State == ledger.StateSending {
		return "", ledger.ErrLost // after the attempt
	}
	t.Hold, t.HoldBy, t.HoldCode = w.Reason, w.By, ""
	if t.Hold == "" {
		t.Hold = "by " + w.By
	}
	return t.Document + " is held", o.save(ctx, t, o.event(t, ledger.Info, "operator-hold", "", "%s: held by %s: %s", t.Document, w.By, t.Hold))
}

func (o *Outbox) release(ctx context.Context, w ledger.Wish, t *ledger.Transfer) (string, error) {
	if t.Blocks {
		return o.letPass(ctx, w, t)
	}
	if t.Hold == "" {
		return t.Document + " is not held", nil
	}
	endHold(t)
	if t.State != ledger.StateWaiting { // the receipt has the time that it had
		t.Due = o.Now().UTC()
	}
	return t.Document + " goes on", o.save(ctx, t, o.event(t, ledger.Info, "operator-release", "", "%s: released by %s", t.Document, w.By))
}

// retry posts a given-up transfer again under its Message-ID, and makes a new transfer
// of one that was rejected or refused.
func (o *Outbox) retry(ctx context.Context, w ledger.Wish, t *ledger.Transfer) (string, error) {
	note := o.event(t, ledger.Info, "operator-retry", "", "%s: retry by %s", t.Document, w.By)
	switch {
	case t.State == ledger.StateFiled && removedBy(t) != "":
		return t.Document + ": " + removedBy(t) + "; drop them again to send them", nil
	case t.State == ledger.StateWaiting:
		// The operator waits no longer: the receipt may still come, and counts then.
		more := o.endWaiting(t, ledger.OutcomeUnknown, false, "no receipt had come when "+w.By+" asked for a retry")
		endHold(t)
		t.State, t.Unknown, t.Due = ledger.StateSealed, true, o.Now().UTC()
		return t.Document + " is posted again under the same Message-ID, " + o.soon(), o.save(ctx, t, note, more)
	case t.Behind:
		return t.Document + " waits for its turn; as2drop ls says behind what", nil
	case t.State == ledger.StateSealed, t.State == ledger.StateReopening && t.Hold != "":
		endHold(t)
		t.Due = o.Now().UTC()
		return t.Document + " is posted " + o.soon(), o.save(ctx, t, note)
	case t.State.Open():
		return fmt.Sprintf("%s is %s: nothing to retry now", t.Document, t.State), nil
	case t.State == ledger.StateUndone:
		return t.Document + " was never sent: its files are back in the outbox", nil
	case t.Verdict.Sent():
		return fmt.Sprintf("%s was delivered (%s); drop the files again to send them once more", t.Document, t.Verdict), nil
	case t.Verdict == ledger.VerdictGaveUp:
		ok, err := fsx.Exists(o.p.Folder, o.evidence(t)+"/"+messageFile)
		if err != nil {
			return "", err
		}
		if !ok {
			return "the sealed message of " + t.Document + " is gone; drop the files again", nil
		}
		t.State, t.Due, t.Blocks = ledger.StateReopening, o.Now().UTC(), false
		return t.Document + " is posted again under the same Message-ID, " + o.soon(), o.save(ctx, t, note)
	}
	return o.retryAsNew(ctx, t, note)
}

// soon says when what is to be posted now leaves.
func (o *Outbox) soon() string {
	now := o.Now()
	if open := o.p.Policy.allowed(now); open.After(now) {
		return "when the send window opens: " + inWords(open, now)
	}
	return "now"
}

// retryAsNew claims the files of a rejected transfer out of its folder in failed.
func (o *Outbox) retryAsNew(ctx context.Context, old *ledger.Transfer, note func(*ledger.Tx) error) (string, error) {
	t, err := o.newTransfer(old.Key, old.Document, old.FilePath, o.Now())
	if err != nil {
		return "", err
	}
	t.RetryOf, t.Turn = old.ID, old.Turn
	old.RetriedAs, old.Blocks = t.ID, false
	for _, m := range old.Members {
		fresh, err := o.member(old.FilePath, m.Name, m.Role)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("%q is not in %s any more; drop the files again", m.Name, old.FilePath), nil
		}
		if err != nil {
			return "", err
		}
		t.Members = append(t.Members, fresh)
	}
	err = o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		return errors.Join(note(tx), tx.InsertTransfer(t), tx.SaveTransfer(old))
	})
	return fmt.Sprintf("%s is sent again as transfer %s", t.Document, t.ID), err
}
