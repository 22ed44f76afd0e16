package outbox

import (
	"math"
	"slices"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// Window says when sending is allowed. Next is t itself if it is then, else the moment
// it will be; zero if it never is. Later is the moment at which it has been allowed for
// as long as d since t.
type Window interface {
	Next(t time.Time) time.Time
	Later(t time.Time, d time.Duration) time.Time
}

// Moments are what retries may come at: Next is the first one after a moment.
type Moments interface {
	Next(after time.Time) time.Time
}

// Policy is what next needs to know.
type Policy struct {
	Attempts    int             // counted POSTs in all
	Schedule    Moments         // retries come at its moments; nil = after waits
	Delays      []time.Duration // the waits, the last one goes on; nil = they grow
	First, Max  time.Duration   // waits
	Factor      float64
	Jitter      float64
	GiveUpAfter time.Duration // from the claim; only time in which sending is allowed counts
	Window      Window        // nil = always open
	ReceiptWait time.Duration // for a receipt on a connection of its own; 0 = an hour

	AcceptNoMIC     bool // unless both message and receipt are signed
	AcceptDuplicate bool // after an unknown attempt

	quirks as2.Quirks // New takes them from the partner
}

// allowed is the moment, not before t, when sending is allowed.
func (p Policy) allowed(t time.Time) time.Time {
	if p.Window == nil {
		return t
	}
	if next := p.Window.Next(t); !next.IsZero() {
		return next
	}
	return t
}

// later is the moment that is d of allowed time after t.
func (p Policy) later(t time.Time, d time.Duration) time.Time {
	if p.Window == nil {
		return t.Add(d)
	}
	return p.Window.Later(t, d)
}

// again is the moment of the next attempt after the n-th, not before the least wait is
// over. jitter is from 0 to 1.
func (p Policy) again(n int, now time.Time, least time.Duration, jitter float64) time.Time {
	if p.Schedule != nil {
		// A moment that ends the least wait exactly is late enough.
		if next := p.Schedule.Next(now.Add(max(least-1, 0))); !next.IsZero() {
			return p.allowed(next)
		}
	}
	return p.allowed(now.Add(max(p.wait(n, jitter), least)))
}

// wait is the one after the n-th counted attempt.
func (p Policy) wait(n int, jitter float64) time.Duration {
	if len(p.Delays) > 0 {
		return p.Delays[min(n, len(p.Delays))-1]
	}
	return backoff(n, p, jitter)
}

// backoff is a wait that grows.
func backoff(n int, p Policy, jitter float64) time.Duration {
	wait := float64(p.First) * math.Pow(p.Factor, float64(n-1))
	wait = min(wait, float64(p.Max))
	wait *= 1 + p.Jitter*(2*jitter-1)
	return time.Duration(wait)
}

// longest is the longest wait between two attempts, but for schedules and windows. A
// partner that asks for a longer one gets this.
func (p Policy) longest() time.Duration {
	if len(p.Delays) > 0 {
		return max(p.Max, slices.Max(p.Delays))
	}
	return p.Max
}

// limit is a moment that nothing in a state is due after, if the clock is right.
func (p Policy) limit(s ledger.State, now time.Time) time.Time {
	wait := p.longest()
	if s == ledger.StateWaiting {
		wait = max(wait, p.ReceiptWait)
	}
	limit := now.Add(2 * wait)
	if p.Schedule != nil {
		if next := p.Schedule.Next(limit); !next.IsZero() {
			limit = next
		}
	}
	return p.allowed(limit)
}
