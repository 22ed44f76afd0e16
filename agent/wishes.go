package agent

import (
	"context"
	"errors"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// wishPoll is how often the ledger is asked for what operators want.
const wishPoll = 500 * time.Millisecond

// wishes grants what operators ask for through other processes.
func (a *running) wishes(ctx context.Context) {
	tick := time.NewTicker(wishPoll)
	defer tick.Stop()
	for {
		if err := a.grantWishes(ctx); err != nil && ctx.Err() == nil && !ofLedger(err) {
			a.log.Error("wishes", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *running) grantWishes(ctx context.Context) error {
	a.wishing.Store(true)
	defer a.wishing.Store(false)
	var open []ledger.Wish
	err := a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err })
	if err != nil {
		return err
	}
	for _, wish := range open {
		if wish.Kind == ledger.WishStop {
			return a.grantStop(ctx, wish)
		}
		if wish.Transfer != "" { // which may be a message that was stored
			if ours, err := a.setup().inbox.Grant(ctx, wish); err != nil {
				return err
			} else if ours {
				continue
			}
		}
		t, err := a.tenantFor(ctx, wish)
		if err != nil {
			return err
		}
		if t == nil || t.worker.box().fault != nil {
			err = a.ledger.Update(ctx, func(tx *ledger.Tx) error {
				return tx.FinishWish(wish, a.now(), "there is no such transfer or partner, or its folder is not in order")
			})
		} else {
			err = t.worker.box().outbox.Grant(ctx, wish)
			t.worker.nudge()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *running) tenantFor(ctx context.Context, wish ledger.Wish) (*tenant, error) {
	name := wish.Partner
	if wish.Transfer != "" {
		err := a.ledger.View(ctx, func(tx *ledger.Tx) error {
			t, err := tx.Transfer(wish.Transfer)
			name = t.Partner
			return err
		})
		if errors.Is(err, ledger.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return a.tenant(name), nil
}
