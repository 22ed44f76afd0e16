package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/ledger"
)

// recover finishes what an earlier process left, before anything new begins. A partner
// whose recovery fails (his volume is full, or refuses a rename) or hangs is out of order
// until it succeeds; the others go on.
func (w *world) recover(ctx context.Context) error {
	now := w.setup()
	next := w.recovered(ctx, now, func(*box) (bool, error) { return true, nil })
	if err := ctx.Err(); err != nil {
		return err
	}
	w.current.Store(next)
	for _, b := range next.boxes {
		if b.fault == nil {
			continue
		}
		w.log.Error("partner out of order", "partner", b.partner.Name, "error", b.fault)
		if err := w.event(ctx, ledger.Alarm, b.partner.Name, "folder", b.fault.Error(), "it is looked for again by itself"); err != nil {
			return err
		}
	}
	return nil
}

// recovered is the setup after the recovery of the partners that want one. Those that
// could not be recovered are out of order in it.
func (w *world) recovered(ctx context.Context, s *setup, wants func(*box) (bool, error)) *setup {
	next := &setup{cfg: s.cfg, taken: s.taken, boxes: slices.Clone(s.boxes)}
	var stopped atomic.Bool
	forEach(len(next.boxes), func(i int) {
		b := next.boxes[i]
		if b.fault != nil || ctx.Err() != nil {
			return
		}
		wanted, err := wants(b)
		if err == nil && wanted {
			err = w.recoverBox(ctx, b, s.inbox, w.hands.work)
		}
		if err != nil {
			next.boxes[i] = &box{partner: b.partner, fault: err, looks: b.looks, marks: b.marks}
			stopped.Store(true)
		}
	})
	if !stopped.Load() {
		return s
	}
	w.receiveFor(next, s)
	return next
}

// recoverBox finishes what an earlier process left of one partner. If that fails, or goes
// on for longer than the patience, the folder is closed in the end.
func (w *world) recoverBox(ctx context.Context, b *box, in *inbox.Inbox, patience time.Duration) error {
	name := b.partner.Name
	err := w.inTurn(ctx, name, patience, func() error {
		err := errors.Join(b.outbox.Recover(ctx), in.RecoverPartner(ctx, name))
		if err != nil {
			err = errors.Join(err, b.folder.Close())
		}
		return err
	}, func() {
		b.folder.Close() // a handle on a folder: nothing can be lost
	})
	if errors.Is(err, errHangs) {
		err = fmt.Errorf("%s: what an earlier run left is not finished: %w", b.partner.Folder, err)
	}
	return err
}
