package outbox

import (
	"context"
	"fmt"

	"github.com/as2drop/as2drop/ledger"
)

// dismiss gives a transfer up for good because an operator says so. It is filed under
// failed: as refused if it was never posted, else as given up, and then a receipt that
// comes after all still counts. Of one that failed already it ends that others wait
// behind it.
func (o *Outbox) dismiss(ctx context.Context, w ledger.Wish, t *ledger.Transfer) (string, error) {
	reason := "dismissed by " + w.By
	if w.Reason != "" {
		reason += ": " + w.Reason
	}
	var more []func(*ledger.Tx) error
	if t.State == ledger.StateClaiming && t.Hold != "" {
		if err := o.claimNow(ctx, t); err != nil {
			return "", err
		}
	}
	switch t.State {
	case ledger.StateUndone:
		return t.Document + " was never sent: its files are back in the outbox", nil
	case ledger.StateFiled, ledger.StateSettled:
		if t.Blocks {
			return o.letPass(ctx, w, t)
		}
		return fmt.Sprintf("%s has its verdict already: %s", t.Document, t.Verdict), nil
	case ledger.StateClaiming, ledger.StateSending:
		return "", ledger.ErrLost // after the move, or the attempt
	case ledger.StateWaiting:
		more = append(more, o.endWaiting(t, ledger.OutcomeUnknown, false, reason+" before a receipt had come"))
		t.Unknown = true
	case ledger.StateReopening:
		// Its folder is in failed, in .work or gone: it is filed anew from wherever it is.
		t.RefileFrom = t.FilePath
	}
	d := decision{verdict: ledger.VerdictRefused, reason: reason, next: "nothing, unless it was a mistake", dismissed: true}
	if t.Posts > 0 {
		d.verdict = ledger.VerdictGaveUp
	}
	return t.Document + " is filed under " + failedDir, o.settle(ctx, t, d, more...)
}

// claimNow claims one that was held before its files were moved: nobody else carries it on.
func (o *Outbox) claimNow(ctx context.Context, t *ledger.Transfer) error {
	if _, ok := o.enter(t.ID); !ok {
		return ledger.ErrLost // somebody began before it was held
	}
	defer o.leave(t.ID)
	return o.claim(ctx, t)
}

// letPass lets the transfers go on that wait behind a failed one.
func (o *Outbox) letPass(ctx context.Context, w ledger.Wish, t *ledger.Transfer) (string, error) {
	t.Blocks = false
	return fmt.Sprintf("the transfers behind %s go on; it stays in %s", t.Document, t.FilePath),
		o.save(ctx, t, o.event(t, ledger.Info, "operator-"+string(w.Kind), "", "%s: %s by %s: those behind it go on without it", t.Document, w.Kind, w.By))
}
