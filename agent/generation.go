package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// generationEvery is how often the generation is counted up while the agent runs, so
// that an older copy of the ledger is recognised whenever it was taken.
const generationEvery = time.Hour

func (a *running) generations(ctx context.Context) {
	tick := time.NewTicker(generationEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.countOn(ctx)
	}
}

// countOn counts up and says if that cannot be done.
func (a *running) countOn(ctx context.Context) {
	if err := a.nextGeneration(ctx); err != nil && !ofLedger(err) {
		a.log.Error("generation", "error", err)
	}
}

// lastGeneration counts up when everybody has finished, so that a copy of the ledger that was
// made while this agent ran is older than the folders, however young it is. It takes no
// longer than the end may.
func (a *running) lastGeneration(over <-chan time.Time) {
	marked := make(chan struct{})
	go func() { defer close(marked); a.countOn(context.WithoutCancel(a.ctx)) }()
	select {
	case <-marked:
	case <-over:
	}
}

func (a *running) nextGeneration(ctx context.Context) error {
	err := a.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SetGeneration(a.generation.Load() + 1) })
	if err != nil {
		return err
	}
	a.generation.Add(1)
	boxes := a.setup().boxes
	errs := make([]error, len(boxes))
	forEach(len(boxes), func(i int) { errs[i] = a.mark(ctx, boxes[i]) })
	return errors.Join(errs...)
}

// mark writes the generation into a partner's marker.
func (a *running) mark(ctx context.Context, b *box) error {
	if b.ready() != nil {
		return nil // it is written when the folder is in order again
	}
	var known ledger.Folder
	err := a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(b.partner.Name); return err })
	if err == nil {
		err = b.marks.ask(a.hands.look, func() error { return a.writeMarker(ctx, b.folder, known) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.partner.Name, err)
	}
	return nil
}
