package agent

import (
	"context"
	"fmt"

	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// lookInto looks into a partner's outbox for those who ask from outside, one at a time. A
// folder that does not answer is left to itself.
func (a *running) lookInto(ctx context.Context, partner string) (views.Outbox, error) {
	b := a.setup().find(partner)
	if b == nil {
		return views.Outbox{}, fmt.Errorf("partner %q: %w", partner, ledger.ErrNotFound)
	}
	if b.fault != nil {
		return views.Outbox{}, b.fault
	}
	var in views.Outbox
	err := a.inTurn(ctx, "outbox of "+partner, a.hands.look, func() error {
		ready, waiting, err := b.outbox.Look(ctx)
		if err != nil {
			return err
		}
		in = views.Outbox{Ready: ready, Waiting: waiting, Polled: b.polled(a.options.NoWatch)}
		return nil
	}, func() {})
	if err != nil {
		return views.Outbox{}, err
	}
	return in, nil
}
