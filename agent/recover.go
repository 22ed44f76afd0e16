package agent

import (
	"context"
	"errors"

	"github.com/as2drop/as2drop/ledger"
)

// recover finishes what an earlier process left, before anything new begins. A partner
// whose recovery fails (his volume is full, or refuses a rename) is out of order until it
// succeeds; the others go on.
func (w *world) recover(ctx context.Context) error {
	now := w.setup()
	next, stopped := &setup{cfg: now.cfg}, false
	for _, b := range now.boxes {
		if b.fault == nil {
			if err := errors.Join(b.outbox.Recover(ctx), now.inbox.RecoverPartner(ctx, b.partner.Name)); err != nil {
				b = &box{partner: b.partner, fault: errors.Join(err, b.folder.Close())}
				stopped = true
			}
		}
		next.boxes = append(next.boxes, b)
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.fault == nil {
			continue
		}
		w.log.Error("partner out of order", "partner", b.partner.Name, "error", b.fault)
		if err := w.event(ctx, ledger.Alarm, b.partner.Name, "folder", b.fault.Error(), "it is looked for again by itself"); err != nil {
			return err
		}
	}
	if stopped {
		w.receiveFor(next, now)
		w.current.Store(next)
	}
	return nil
}
