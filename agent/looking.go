package agent

import (
	"time"

	"github.com/as2drop/as2drop/naming"
)

// looking is what a worker knows of its last look at the outbox, and when it looks again.
type looking struct {
	began time.Time     // zero = it never has
	wall  time.Time     // the same by the clock on the wall, which schedules go by
	took  time.Duration // a large folder takes a while
	asks  int64         // how often somebody had asked for a look when it began
	ready time.Time     // when a file may be ready by waiting alone; zero = none may
	box   *box          // as the partner was configured

	pickup time.Time // when files are picked up next, by the clock on the wall; zero = now, or never
}

// How much of its time a worker spends on looks: while files keep coming it waits three
// times as long as the last look took, and twenty times as long while there is work left
// from that look. So a folder of 100,000 files is not read again for each that leaves it.
const (
	lookShare     = 3
	lookShareBusy = 20
	lookBusyLeast = 2 * time.Second
)

// next is when the worker looks again. asked says that somebody wants it since the last
// look, left that batches of it are still to be claimed.
func (l *looking) next(asked, left bool, poll time.Duration) time.Time {
	if l.began.IsZero() {
		return l.began
	}
	after := func(d time.Duration) time.Time { return l.began.Add(l.took + d) }
	at := after(poll)
	if asked {
		at = l.began
	}
	if !l.ready.IsZero() && l.ready.Before(at) {
		at = l.ready
	}
	least := after(lookShare * l.took)
	if left {
		least = after(max(lookShareBusy*l.took, lookBusyLeast))
	}
	if at.Before(least) {
		return least
	}
	return at
}

// saw notes for how long a look has to be waited with because of time alone; 0 = none does.
func (l *looking) saw(ready time.Duration) {
	if l.ready = (time.Time{}); ready > 0 {
		l.ready = time.Now().Add(ready + time.Millisecond) // not just before
	}
}

// awaited are the keys of transfers that must be over before a file can be sent, and
// stuck says whether a file waits that the departure of another one may help.
func awaited(waiting []naming.Waiting) (keys map[string]bool, stuck bool) {
	keys = map[string]bool{}
	for _, w := range waiting {
		switch w.Reason {
		case naming.WaitInFlight:
			keys[naming.ClaimKey(w.Key)] = true
		case naming.WaitAmbiguous:
			stuck = true
		}
	}
	return keys, stuck
}
