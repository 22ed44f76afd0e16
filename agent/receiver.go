package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// receiver works for one partner's inbox: it opens messages that were stored and posts
// the receipts that we owe. A partner has several, so that one which hangs in a POST
// keeps the others free; package inbox sees to it that they do not get in each
// other's way.
type receiver struct {
	w      *worker // of the same partner: for what it complains of
	wake   chan struct{}
	nudges atomic.Int64 // as in worker
	idleAt atomic.Int64
	first  bool // of its partner's
}

// receivePoll is how often it is looked without being told to whether there is anything to do:
// by a partner's first receiver, and by his worker as long as he has none.
const receivePoll = 5 * time.Minute

// receiversPer is how many a partner has at least.
const receiversPer = 2

func newReceiver(w *worker) *receiver {
	r := &receiver{w: w, wake: make(chan struct{}, 1)}
	r.idleAt.Store(-1)
	return r
}

// idle reports whether nothing is left to do and nobody has asked to look since.
func (r *receiver) idle() bool { return r.idleAt.Load() == r.nudges.Load() }

// nudge makes the receiver look again soon. It never blocks.
func (r *receiver) nudge() {
	r.nudges.Add(1)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// seeToReceived employs the receivers where an earlier process left something to do.
func (w *worker) seeToReceived(ctx context.Context) {
	if !w.cameLooked.IsZero() && time.Since(w.cameLooked) < receivePoll {
		return
	}
	w.cameLooked = time.Now()
	left := false
	err := w.a.ledger.View(ctx, func(tx *ledger.Tx) error {
		published, err1 := tx.Unpublished(w.partner)
		stored, err2 := tx.NextStored(w.partner, 1)
		owed, err3 := tx.NextMDNs(w.partner, 1)
		left = len(published)+len(stored)+len(owed) > 0
		return errors.Join(err1, err2, err3)
	})
	if left || err != nil {
		w.came() // who cannot ask lets them find out
	}
}

// run is the receiver's life.
func (r *receiver) run(ctx context.Context) {
	for ctx.Err() == nil {
		nudges := r.nudges.Load()
		r.idleAt.Store(-1)
		next, err := r.w.a.setup().inbox.Work(ctx, r.w.partner)
		// Where there is nothing to do nothing comes without somebody saying so; that one
		// of them looks now and then is for what nobody has thought of.
		var later <-chan time.Time
		switch {
		case err != nil && ctx.Err() == nil:
			r.w.complain(ctx, "inbox", err)
			later = time.After(faultPause)
		case !next.IsZero():
			later = time.After(next.Sub(r.w.a.now()))
		default:
			r.idleAt.Store(nudges)
			if r.first {
				later = time.After(receivePoll)
			}
		}
		select {
		case <-ctx.Done():
		case <-later:
		case <-r.wake:
		}
	}
}
