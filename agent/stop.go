package agent

import (
	"context"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// forgetStops answers wishes for the end of an earlier process that ended before it saw
// them: they are not meant for this one, which began after them.
func (w *world) forgetStops(ctx context.Context, began time.Time) error {
	return w.ledger.Update(ctx, func(tx *ledger.Tx) error {
		open, err := tx.OpenWishes()
		for _, wish := range open {
			if err == nil && wish.Kind == ledger.WishStop && wish.At.Before(began) {
				err = tx.FinishWish(wish, w.now(), "the agent that was asked had ended already")
			}
		}
		return err
	})
}

// grantStop ends this agent as a signal does: what is under way is finished or tried again
// at the next start.
func (a *running) grantStop(ctx context.Context, wish ledger.Wish) error {
	err := a.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.FinishWish(wish, a.now(), "the agent ends") })
	if err != nil {
		return err
	}
	a.log.Info("asked to stop", "by", wish.By)
	a.stop()
	return nil
}
