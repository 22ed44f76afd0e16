package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/as2drop/as2drop/ledger"
)

// Recover is called once before the first Step of a process. Attempts that an earlier
// process left open become unknown: the partner may have the message. Holds whose cause
// is gone with the new config end, and the line of those that go in order is formed anew.
// A partner that the agent paused is tried
// again, as the reason may be gone. Everything else is recovered by the steps
// themselves, which may be repeated.
func (o *Outbox) Recover(ctx context.Context) error {
	if err := o.orderAnew(ctx); err != nil {
		return fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	var ids []string
	if err := errors.Join(o.removeEmpty(ctx), o.probeNow(ctx), o.recallRest(ctx)); err != nil {
		return fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) error {
		resting, err1 := tx.Resting(o.p.Name)
		left, err2 := tx.LeftOver(o.p.Name, o.Now())
		ids = append(resting, left...)
		return errors.Join(err1, err2)
	})
	if err != nil {
		return err
	}
	return o.each(ctx, ids, func(t *ledger.Transfer) error {
		if err := o.closeLeftAttempt(ctx, t); err != nil {
			return err
		}
		return errors.Join(o.endHolds(ctx, t), o.windowAnew(ctx, t), o.setRight(ctx, t))
	})
}

// EndHolds is called when the config was read anew while the process runs: holds whose
// cause is gone end, the line of those that go in order is formed anew, what waits for a
// send window that opens sooner goes sooner, and a partner that the agent paused is tried
// again: a password or an address may be another one.
func (o *Outbox) EndHolds(ctx context.Context) error {
	if err := o.orderAnew(ctx); err != nil {
		return fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	if err := o.probeNow(ctx); err != nil {
		return fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	var resting, later []string
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) error {
		var err1, err2 error
		resting, err1 = tx.Resting(o.p.Name)
		later, err2 = tx.LeftOver(o.p.Name, o.Now())
		return errors.Join(err1, err2)
	})
	if err != nil {
		return err
	}
	unlessLost := func(f func(context.Context, *ledger.Transfer) error) func(*ledger.Transfer) error {
		return func(t *ledger.Transfer) error {
			if err := f(ctx, t); !errors.Is(err, ledger.ErrLost) {
				return err
			}
			return nil
		}
	}
	return errors.Join(o.each(ctx, resting, unlessLost(o.endHolds)), o.each(ctx, later, unlessLost(o.windowAnew)))
}

// probeNow has the next transfer of a partner that the agent paused try again, within
// pauseCheck, and does not wait for the time that is set. The pause stays until somebody
// answers.
func (o *Outbox) probeNow(ctx context.Context) error {
	now := o.Now().UTC()
	waits := func(tx *ledger.Tx) (p ledger.Pause, waits bool, err error) {
		p, err = tx.Pause(o.p.Name)
		if errors.Is(err, ledger.ErrNotFound) {
			return p, false, nil
		}
		return p, p.By == "agent" && p.Until.After(now), err
	}
	needed := false
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { _, needed, err = waits(tx); return err })
	if err != nil || !needed {
		return err
	}
	return o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		p, still, err := waits(tx)
		if err != nil || !still {
			return err
		}
		p.Until = now
		return tx.SavePause(p)
	})
}

// removeEmpty removes folders in .work that were made for transfers of which no intent is on
// record: nothing was put into them.
func (o *Outbox) removeEmpty(ctx context.Context) error {
	ids, err := o.names(workDir)
	if err != nil || len(ids) == 0 {
		return err
	}
	var open []string
	if err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.Open(o.p.Name); return err }); err != nil {
		return err
	}
	slices.Sort(open)
	for _, id := range ids {
		if _, known := slices.BinarySearch(open, id); known {
			continue
		}
		dir := path.Join(workDir, id)
		if info, err := o.p.Folder.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		_ = o.p.Folder.Remove(dir) // one with something in it stays, and Check tells
	}
	return nil
}

// each reads transfers one after the other: there may be many.
func (o *Outbox) each(ctx context.Context, ids []string, f func(*ledger.Transfer) error) error {
	for _, id := range ids {
		var t ledger.Transfer
		err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.Transfer(id); return err })
		if err == nil {
			err = f(&t)
		}
		if err != nil {
			return fmt.Errorf("outbox: %s/%s (%s): %w", o.p.Name, t.Document, id, err)
		}
	}
	return nil
}

// closeLeftAttempt concludes an attempt of a process that is gone. It counts as one
// that failed with unknown outcome.
func (o *Outbox) closeLeftAttempt(ctx context.Context, t *ledger.Transfer) error {
	if t.State != ledger.StateSending {
		return nil
	}
	var attempts []ledger.Attempt
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(t.ID); return err })
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.Outcome == ledger.OutcomeOpen {
			a.Outcome = ledger.OutcomeUnknown
			return o.record(ctx, t, a, event{kind: failed, unknown: true,
				reason: "the agent ended while the message was being posted; the partner may have it"})
		}
	}
	return errors.New("it is being sent, but no attempt is open")
}
