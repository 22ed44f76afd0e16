package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"path"
	"time"

	"github.com/as2drop/as2drop/internal/namelist"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// droppedBefore looks for files in the outbox that were posted before, by their name, size
// and time: who puts a folder back from a copy puts back what had left it since. They are
// claimed and held, so that somebody decides.
func (c *checker) droppedBefore() error {
	if err := c.claimHeld(); err != nil {
		return err
	}
	batches, _, err := c.lookAtAll(c.ctx, standingStill)
	if err != nil {
		return err
	}
	for _, b := range batches {
		earlier, err := c.posted(b)
		if err != nil {
			return err
		}
		if earlier == nil {
			continue
		}
		f := ledger.Finding{Path: path.Join(outboxDir, b.Document), Subject: b.Document, Repair: "it is taken and held: release sends it all the same, dismiss files it under " + failedDir,
			Fact: fmt.Sprintf("%s lies in the outbox with the size and time of the one that was posted as %s and is %s: was the folder put back from a copy?", b.Document, earlier.ID, cmp.Or(string(earlier.Verdict), string(earlier.State)))}
		if err := c.offer(f, func() error { return c.holdBatch(b, earlier, f) }); err != nil {
			return err
		}
	}
	return nil
}

// standingStill is for who looks while no agent runs.
func standingStill(listed iter.Seq2[[]byte, namelist.Numbers], _ time.Time) (seen *namelist.List, still func(sighting) time.Duration) {
	return namelist.Collect(listed), func(sighting) time.Duration { return time.Duration(math.MaxInt64) }
}

// posted is an earlier transfer of the same document that may have reached the partner;
// nil = there is none.
func (c *checker) posted(b naming.Batch) (*ledger.Transfer, error) {
	var list []ledger.Transfer
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { list, err = tx.FindTransfers(b.Key); return err })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	now, err := c.member(outboxDir, b.Document, ledger.RoleDocument)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil // the scan tells of it
	}
	if err != nil {
		return nil, err
	}
	for i, t := range list {
		if t.Partner != c.p.Name || t.Posts == 0 {
			continue
		}
		for _, m := range t.Members {
			if m.Name == now.Name && m.Size == now.Size && m.MTime == now.MTime {
				return &list[i], nil
			}
		}
	}
	return nil, nil
}

// holdBatch claims a batch for a transfer that is held.
func (c *checker) holdBatch(b naming.Batch, earlier *ledger.Transfer, f ledger.Finding) error {
	t, err := c.newTransfer(b.Key, b.Document, outboxDir, c.Now())
	if err != nil {
		return err
	}
	for name, role := range roles(b) {
		m, err := c.member(outboxDir, name, role)
		if err != nil {
			return err
		}
		t.Members = append(t.Members, m)
	}
	t.Hold, t.HoldBy, t.HoldCode = fmt.Sprintf("its document has the name, size and time of the one that was posted as %s", earlier.ID), "agent", holdPutBack
	t.Next = commands(t, "ask the partner whether he has it; as2drop release ID sends it all the same, as2drop dismiss ID files it under "+failedDir)
	err = c.Ledger.Update(context.WithoutCancel(c.ctx), func(tx *ledger.Tx) error {
		return errors.Join(c.lineUp(tx, t), tx.InsertTransfer(t), c.event(t, ledger.Alarm, "held", t.Next, "%s: held: %s", t.Document, t.Hold)(tx), c.repaired(t, f)(tx))
	})
	if err != nil {
		return err
	}
	return c.claim(c.ctx, t)
}

// claimHeld takes what an earlier repair wanted to take when it was stopped.
func (c *checker) claimHeld() error {
	if c.tell == nil {
		return nil
	}
	var claiming []ledger.Transfer
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { claiming, err = tx.Claiming(c.p.Name); return err })
	if err != nil {
		return err
	}
	for _, t := range claiming {
		if t.HoldCode != holdPutBack {
			continue
		}
		if err := c.claim(c.ctx, &t); err != nil {
			return err
		}
	}
	return nil
}
