package inbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/as2drop/as2drop/ledger"
)

// Grant does what an operator asked for about a stored message, and records it. It
// returns false where the wish is about none.
func (in *Inbox) Grant(ctx context.Context, w ledger.Wish) (ours bool, err error) {
	ctx = context.WithoutCancel(ctx)
	var s ledger.Stored
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { s, err = tx.Stored(w.Transfer); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	err = in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		result, err := in.release(tx, s, w)
		return errors.Join(err, tx.FinishWish(w, in.Now(), result))
	})
	if errors.Is(err, ledger.ErrLost) {
		return true, nil // it was opened just now; the wish is still open and comes again
	}
	if err != nil {
		return true, fmt.Errorf("inbox: %s: wish %s: %w", s.Partner, w.Kind, err)
	}
	if in.Wake != nil {
		in.Wake(s.Partner)
	}
	return true, nil
}

// release lets a held message be opened again, with all its tries.
func (in *Inbox) release(tx *ledger.Tx, s ledger.Stored, w ledger.Wish) (result string, err error) {
	what := "message " + s.MessageID
	switch {
	case w.Kind != ledger.WishRelease:
		return fmt.Sprintf("%s was received: it can be released, and nothing else", what), nil
	case !s.Open:
		return fmt.Sprintf("%s was opened: %s", what, s.Outcome), nil
	case s.Hold == "":
		return what + " is not held", nil
	}
	was := s.Hold
	s.Hold, s.Panics, s.Tries, s.Due = "", 0, 0, in.Now().UTC()
	return what + " is opened now", errors.Join(tx.SaveStored(&s), tx.AddEvent(ledger.Event{At: in.Now().UTC(), Level: ledger.Info, Partner: s.Partner,
		Subject: s.ID, Code: "operator-release", Text: fmt.Sprintf("%s: released by %s; it was held: %s", what, w.By, was)}))
}
