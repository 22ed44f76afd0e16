package agent

import (
	"context"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

const (
	ledgerPoll      = time.Second      // how often a ledger in trouble is seen
	ledgerProbe     = 5 * time.Second  // how often it is asked whether the trouble has passed
	ledgerTellEvery = 10 * time.Minute // how often the log says that it has not
)

// watchLedger says once what is wrong with the ledger, and then now and then; everybody
// else is silent about it. Without the ledger nothing is accepted or posted, because each
// begins with a commit. A fault that does not pass by itself ends the agent.
func (a *running) watchLedger(ctx context.Context) {
	tick := time.NewTicker(ledgerPoll)
	defer tick.Stop()
	var since, told, probed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.ledger.Lost():
			a.log.Error("the ledger is lost: the agent ends", "error", a.ledger.Trouble())
			a.stop()
			return
		case <-tick.C:
		}
		f, now := a.ledger.Trouble(), a.now()
		switch {
		case f == nil && !since.IsZero():
			a.log.Info("the ledger works again", "after", now.Sub(since).Round(time.Second).String())
			since = time.Time{}
			a.nudgeAll()
		case f == nil:
		case since.IsZero():
			since, told, probed = now, now, now
			a.log.Error("the ledger cannot be used; nothing is accepted or sent until it can", "error", f)
		case now.Sub(told) >= ledgerTellEvery:
			told = now
			a.log.Error("the ledger still cannot be used; nothing is accepted or sent", "since", since.UTC().Format(time.DateTime), "error", f)
		}
		if f != nil && now.Sub(probed) >= ledgerProbe {
			probed = now
			_ = a.ledger.Probe(ctx) // what it finds is Trouble
		}
	}
}

// nudgeAll has everybody look again.
func (a *running) nudgeAll() {
	a.changing.Lock()
	defer a.changing.Unlock()
	for name, t := range a.tenants {
		t.worker.nudge()
		a.incoming.wake(name)
	}
}

// lostLedger is why the agent ended, if it was the ledger.
func (a *running) lostLedger() error {
	select {
	case <-a.ledger.Lost():
		return a.ledger.Trouble()
	default:
		return nil
	}
}

// ofLedger reports whether an error is one that watchLedger tells of.
func ofLedger(err error) bool { return ledger.FaultOf(err) != nil }
