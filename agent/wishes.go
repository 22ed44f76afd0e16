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
	a.wishing.Add(1)
	defer a.wishing.Add(-1)
	open, err := a.openWishes(ctx)
	if err != nil {
		return err
	}
	for _, wish := range open {
		if wish.Kind == ledger.WishRetain { // it may take long
			select {
			case a.keeper.poke <- struct{}{}:
			default:
			}
			continue
		}
		if wish.Kind == ledger.WishStop {
			return a.grantStop(ctx, wish)
		}
		if wish.Kind == ledger.WishRerun { // of a transfer, or of a received message
			if err := a.rerun(ctx, wish); err != nil && !errors.Is(err, ledger.ErrLost) {
				return err
			}
			continue
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
			if err != nil {
				return err
			}
		} else if t.granting.CompareAndSwap(false, true) {
			// Some look into the partner's folder, and that may hang.
			a.wishing.Add(1)
			a.group.Go(func() { a.grantFor(ctx, t) })
		}
	}
	return nil
}

func (a *running) openWishes(ctx context.Context) (open []ledger.Wish, err error) {
	err = a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err })
	return open, err
}

// grantFor grants what is wished for one partner. It reads the wishes anew: those that the
// caller knows of may have been granted meanwhile.
func (a *running) grantFor(ctx context.Context, t *tenant) {
	defer a.wishing.Add(-1)
	defer t.granting.Store(false)
	p, ok := guarded(func() {
		open, err := a.openWishes(ctx)
		for _, wish := range open {
			var its *tenant
			if its, err = a.tenantFor(ctx, wish); err == nil && its == t && wish.Kind != ledger.WishStop && wish.Kind != ledger.WishRetain && wish.Kind != ledger.WishRerun {
				err = t.worker.box().outbox.Grant(ctx, wish)
				t.worker.look()
			}
			if err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("wishes", "partner", t.worker.partner, "error", err)
		}
	})
	if !ok {
		t.worker.panicked(p)
	}
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
