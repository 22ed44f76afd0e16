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
	w := &ledgerWatch{a: a}
	for {
		select {
		case <-ctx.Done():
			w.look(ctx)
			return
		case <-a.ledger.Lost():
			a.log.Error("the ledger is lost: the agent ends", "error", a.ledger.Trouble())
			a.alarmer.lastWords(ctx)
			a.stop()
			return
		case <-tick.C:
			w.look(ctx)
		}
	}
}

// ledgerWatch is what was told.
type ledgerWatch struct {
	a                   *running
	fault               *ledger.Fault // nil = the ledger works
	since, told, probed time.Time
}

func (w *ledgerWatch) look(ctx context.Context) {
	a, now := w.a, w.a.now()
	f := a.ledger.Trouble()
	switch {
	case f == nil && w.fault != nil:
		a.log.Info("the ledger works again", "after", now.Sub(w.since).Round(time.Second).String())
		a.recordTrouble(ctx, w.fault, w.since)
		a.nudgeAll()
	case f != nil && w.fault == nil:
		w.since, w.told, w.probed = now, now, now
		a.log.Error("the ledger cannot be used; nothing is accepted or sent until it can", "error", f)
	case f != nil && now.Sub(w.told) >= ledgerTellEvery:
		w.told = now
		a.log.Error("the ledger still cannot be used; nothing is accepted or sent", "since", w.since.UTC().Format(time.DateTime), "error", f)
	}
	w.fault = f
	if f != nil && now.Sub(w.probed) >= ledgerProbe {
		w.probed = now
		_ = a.ledger.Probe(ctx) // what it finds is Trouble
	}
}

// recordTrouble keeps in the ledger that it could not be used, once it can.
func (a *running) recordTrouble(ctx context.Context, f *ledger.Fault, since time.Time) {
	text := "nothing was accepted or sent since " + since.UTC().Format(time.DateTime+" UTC") + ", because the ledger could not be used: " + f.Fact
	if err := a.event(ctx, ledger.Alarm, "", "ledger", text, f.Hint()); err != nil && !ofLedger(err) {
		a.log.Error("ledger", "error", err)
	}
}

// nudgeAll has everybody look again.
func (a *running) nudgeAll() {
	a.changing.Lock()
	defer a.changing.Unlock()
	for name, t := range a.tenants {
		t.worker.look()
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
