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
		if err := a.nextGeneration(); err != nil && !ofLedger(err) {
			a.log.Error("generation", "error", err)
		}
	}
}

func (a *running) nextGeneration() error {
	err := a.ledger.Update(a.ctx, func(tx *ledger.Tx) error { return tx.SetGeneration(a.generation.Load() + 1) })
	if err != nil {
		return err
	}
	a.generation.Add(1)
	boxes := a.setup().boxes
	errs := make([]error, len(boxes))
	forEach(len(boxes), func(i int) { errs[i] = a.mark(boxes[i]) })
	return errors.Join(errs...)
}

// mark writes the generation into a partner's marker.
func (a *running) mark(b *box) error {
	if b.ready() != nil {
		return nil // it is written when the folder is in order again
	}
	var known ledger.Folder
	err := a.ledger.View(a.ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(b.partner.Name); return err })
	if err == nil {
		err = b.marks.ask(a.hands.look, func() error { return a.writeMarker(a.ctx, b.folder, known) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.partner.Name, err)
	}
	return nil
}
