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
	err := a.inTurn(ctx, "outbox of "+partner, a.hands.look, func() (err error) { in, err = b.see(ctx, a.options.NoWatch); return err }, func() {})
	if err != nil {
		return views.Outbox{}, err
	}
	return in, nil
}

// see looks into the outbox of a partner whose folder is in order.
func (b *box) see(ctx context.Context, noWatch bool) (views.Outbox, error) {
	ready, waiting, err := b.outbox.Look(ctx)
	if err != nil {
		return views.Outbox{}, err
	}
	return views.Outbox{Ready: ready, Waiting: waiting, Polled: b.polled(noWatch)}, nil
}

// Look looks into a partner's outbox. Whether an agent runs with --no-watch it does not know.
func (i *Inspector) Look(ctx context.Context, partner string) (views.Outbox, error) {
	b := i.setup().find(partner)
	if b == nil {
		return views.Outbox{}, fmt.Errorf("partner %q: %w", partner, ledger.ErrNotFound)
	}
	if b.fault != nil {
		return views.Outbox{}, b.fault
	}
	return b.see(ctx, false)
}
