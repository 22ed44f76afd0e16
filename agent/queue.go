package agent

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// known is what a worker knows of its transfers in the ledger, so that it asks only when
// something can have changed.
type known struct {
	read   bool
	stale  bool      // something was claimed since
	nudges int64     // what the worker's nudges were when it asked
	due    time.Time // when something is due that has no slot, zero for never
	open   bool      // something is left that time alone carries on
}

// startDue starts due transfers while there are slots, and claims more where little is
// left. due is the next moment that no transfer under way will see to, zero for none, and
// open says whether any transfer is left that time alone carries on.
func (w *worker) startDue(ctx context.Context, b *box) (due time.Time, open bool, err error) {
	q, now := &w.queue, w.a.now()
	nudges := w.nudges.Load()
	if q.read && !q.stale && q.nudges == nudges && (q.due.IsZero() || q.due.After(now)) {
		return q.due, q.open, nil
	}
	for refilled := false; ; refilled = true {
		var left int
		if due, left, open, err = w.startSome(ctx, b); err != nil {
			return due, true, err
		}
		if refilled || left >= b.partner.Send.Parallel || w.seen.Left() == 0 {
			break
		}
		claimed, err := w.refill(ctx, b)
		if err != nil {
			return due, true, err
		}
		if claimed == 0 {
			break
		}
	}
	*q = known{read: true, nudges: nudges, due: due, open: open}
	return due, open, nil
}

// startAlone starts what was claimed just now, where it is all that there is to do: nobody is
// before it, so the ledger need not be asked for the order.
func (w *worker) startAlone(ctx context.Context, b *box, claimed []string) {
	if q := &w.queue; !q.read || q.open {
		return
	}
	for _, id := range claimed {
		if begun, _ := w.begin(id, b.partner.Send.Parallel); begun {
			w.transfers.Go(func() { w.carryOnFrom(ctx, id) })
		}
	}
	runtime.Gosched() // what is left of the round can wait for them
}

// refill claims the next of what the last look found ready.
func (w *worker) refill(ctx context.Context, b *box) (claimed int, err error) {
	done, err := w.a.shared.take(ctx, w.partner)
	if err != nil {
		return 0, nil // the agent ends
	}
	defer done()
	ids, err := b.outbox.Refill(ctx, w.seen)
	w.tellReady()
	b.outbox.Take(ctx, w.seen)
	return len(ids), err
}

// startSome starts what is due and has a slot; left is how many more are due and in line.
func (w *worker) startSome(ctx context.Context, b *box) (due time.Time, left int, open bool, err error) {
	parallel := b.partner.Send.Parallel
	underway, resting := w.underway(), w.restingNow()
	var rows []ledger.Queued
	err = w.a.ledger.View(ctx, func(tx *ledger.Tx) error {
		pause, err := tx.Pause(w.partner)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		untilReleased := err == nil && pause.Until.IsZero()
		rows, err = tx.Queue(w.partner, !untilReleased, underway+len(resting)+max(2*parallel+1, lineUpTo))
		return err
	})
	if err != nil {
		return due, 0, true, err
	}
	now := w.a.now()
	sooner := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	var line []string
	for _, t := range rows {
		if rest, ok := resting[t.ID]; ok && !t.Due.After(now) {
			sooner(now.Add(rest))
			continue
		}
		if !t.Due.After(now) {
			begun, full := w.begin(t.ID, parallel)
			if begun {
				w.transfers.Go(func() { w.carryOnFrom(ctx, t.ID) })
				continue
			}
			if !full {
				continue // it is under way
			}
			line = append(line, t.ID)
			continue // it starts when a slot is free
		}
		if w.isUnderway(t.ID) {
			continue
		}
		sooner(t.Due)
		break
	}
	return due, w.lineUp(line), len(rows) > 0 || w.underway() > 0, nil
}

// lineUpTo is how many due transfers are read at once, so that who has a slot goes on with
// the next without asking the ledger.
const lineUpTo = 64

// lineUp notes what is due and has no slot, the first first.
func (w *worker) lineUp(ids []string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = ids
	return len(ids)
}

// carryOnFrom carries on a transfer that has a slot, and with the same slot those in line.
// Whatever has become of them since they were read, the outbox asks the row.
func (w *worker) carryOnFrom(ctx context.Context, id string) {
	defer w.nudge()
	for id != "" {
		w.carryOn(ctx, id)
		id = w.next(ctx, id)
	}
}

// next gives the slot of one transfer to the first in line; empty = to nobody. While the
// last ones are under way the worker claims more.
func (w *worker) next(ctx context.Context, ended string) (id string) {
	parallel := w.box().partner.Send.Parallel
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, ended)
	for ctx.Err() == nil && len(w.busy) < parallel && len(w.line) > 0 {
		id, w.line = w.line[0], w.line[1:]
		if len(w.line) == parallel-1 {
			w.nudge()
		}
		if until, ok := w.resting[id]; w.busy[id] || ok && until.After(time.Now()) {
			continue
		}
		w.busy[id] = true
		return id
	}
	return ""
}

// faultPause is how long a transfer rests after a fault of ours (disk, ledger), and
// maxResting how many do so without a slot: files that cannot be read must not keep the
// others of the partner waiting, and a disk that takes nothing need not be tried for all.
const (
	faultPause = 5 * time.Second
	maxResting = 64
)

// rest has a transfer rest without a slot, unless too many do already.
func (w *worker) rest(id string) bool {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.resting, func(_ string, until time.Time) bool { return !until.After(now) })
	if len(w.resting) >= maxResting {
		return false
	}
	w.resting[id] = now.Add(faultPause)
	return true
}

// restingNow are the transfers that rest, and for how long.
func (w *worker) restingNow() map[string]time.Duration {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	resting := map[string]time.Duration{}
	for id, until := range w.resting {
		if until.After(now) {
			resting[id] = until.Sub(now)
		}
	}
	return resting
}

// begin takes a slot for a transfer, unless it has one or none is left.
func (w *worker) begin(id string, slots int) (begun, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[id] {
		return false, false
	}
	if len(w.busy) >= slots {
		return false, true
	}
	w.busy[id] = true
	return true, false
}

// underway is how many transfers have a slot.
func (w *worker) underway() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.busy)
}

func (w *worker) isUnderway(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy[id]
}

// over has the worker look at the outbox again if a transfer is over that something there
// waits for, or whose files are back.
func (w *worker) over(t ledger.Transfer) {
	if t.State.Open() {
		return
	}
	w.mu.Lock()
	w.ended++
	waits := w.awaited[naming.ClaimKey(t.Key)]
	w.mu.Unlock()
	if waits || t.State == ledger.StateUndone {
		w.look()
	}
}

// await notes what a look found waiting for transfers. If one ended during the look, it
// may have been the one.
func (w *worker) await(keys map[string]bool, ended int) {
	w.mu.Lock()
	w.awaited = keys
	missed := len(keys) > 0 && w.ended != ended
	w.mu.Unlock()
	if missed {
		w.look()
	}
}

// endedYet counts the transfers that are over.
func (w *worker) endedYet() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}
