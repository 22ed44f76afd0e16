package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// State is what whoever runs the agent (systemd, the service manager of Windows) is told.
type State string

const (
	Ready     State = "ready"     // messages can be received and files are watched
	Reloading State = "reloading" // the config is being read anew; Ready follows
	Stopping  State = "stopping"  // what is under way is being finished
	Alive     State = "alive"     // the agent has proven lately that it works
)

// notify tells a state to whoever wants to know.
func (a *running) notify(s State) {
	if a.options.Notify != nil {
		a.options.Notify(s)
	}
}

// heartbeat tells once per interval that the agent is alive, while it is: the ledger
// answers, also with an error; nobody holds the list of partners for ever; and not all
// workers hang. One that hangs alone has a share that does not answer, and to start
// everybody again would not bring it back.
func (a *running) heartbeat(ctx context.Context) {
	tick := time.NewTicker(a.options.Heartbeat)
	defer tick.Stop()
	var asking atomic.Bool
	for {
		if a.answers(ctx, &asking) {
			a.notify(Alive)
		} else if ctx.Err() == nil {
			a.log.Error("the agent does not answer itself; it is not told to be alive")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// answers reports whether the agent answered within half an interval. A question that is
// still open is not asked again.
func (a *running) answers(ctx context.Context, asking *atomic.Bool) bool {
	if !asking.CompareAndSwap(false, true) {
		return false
	}
	limit := a.options.Heartbeat
	answer := make(chan bool, 1)
	a.group.Go(func() {
		defer asking.Store(false)
		// An error is an answer: a full disk or a locked file is no reason to start again.
		_ = a.ledger.Update(ctx, func(*ledger.Tx) error { return nil })
		answer <- !a.allHang(time.Now(), 2*limit)
	})
	select {
	case alive := <-answer:
		return alive
	case <-time.After(limit / 2):
	case <-ctx.Done():
	}
	return false
}

// allHang reports whether every worker has been in one round for longer than the limit.
func (a *running) allHang(now time.Time, limit time.Duration) bool {
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, t := range a.tenants {
		if since := t.worker.inRoundSince(); since.IsZero() || now.Sub(since) <= limit {
			return false
		}
	}
	return len(a.tenants) > 0
}

// inRoundSince is when the worker began the round that it is in, zero between rounds.
func (w *worker) inRoundSince() time.Time {
	if began := w.roundBegan.Load(); began != nil {
		return *began
	}
	return time.Time{}
}
