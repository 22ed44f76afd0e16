package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// tenant is a partner of a running agent with those who work for it: from the moment when
// the config names it until it does no more.
type tenant struct {
	a        *running
	worker   *worker
	ctx      context.Context
	stop     context.CancelFunc
	group    sync.WaitGroup
	gone     chan struct{} // closed when nobody works for it any more
	granting atomic.Bool   // somebody grants its wishes
	hooker   *hooker       // nil as long as no hook can be owed

	mu        sync.Mutex // guards what follows
	over      bool       // the worker has ended, so nobody else begins
	receivers []*receiver
}

// install makes a setup the one that everybody works with: partners that are new begin,
// those that are gone end, and the others look again. The caller holds a.changing.
func (a *running) install(next *setup) {
	former := a.current.Swap(next)
	a.collects.collectFor(len(next.boxes))
	for name, t := range a.tenants {
		if next.find(name) == nil {
			delete(a.tenants, name)
			a.ended[name] = t
			a.transfers.forget(name)
			a.incoming.forget(name)
			a.hooked.forget(name)
			folder := former.find(name).folder
			a.group.Go(func() {
				t.end()
				if folder != nil {
					folder.Close() // a handle on a folder: nothing can be lost
				}
			})
		}
	}
	for _, b := range next.boxes {
		t := a.tenants[b.partner.Name]
		if t == nil {
			t = a.newTenant(b)
			a.tenants[b.partner.Name] = t
		} else if t.worker.current.Swap(b) == b {
			continue
		}
		t.nextReceivers()
		t.worker.look()
		t.runHooks()
	}
}

func (a *running) newTenant(b *box) *tenant {
	t := &tenant{a: a, worker: newWorker(a, b), gone: make(chan struct{})}
	t.ctx, t.stop = context.WithCancel(a.ctx)
	t.worker.came = t.receive
	a.transfers.Store(b.partner.Name, t.worker.nudge)
	a.incoming.Store(b.partner.Name, t.receive)
	a.group.Add(1)
	t.group.Add(1)
	t.worker.rounds.begin(t.ctx)
	context.AfterFunc(t.ctx, func() {
		t.worker.end()
		t.close()
		t.group.Done()
		a.group.Done()
		t.group.Wait()
		close(t.gone)
	})
	return t
}

// close is the last that the worker does: whoever waits for the others can count on it that
// none begins after that.
func (t *tenant) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}

// employ has somebody work for the partner until it ends. Of a thousand partners each
// goroutine counts, so nobody stands by to see them go.
func (t *tenant) employ(work func(context.Context)) {
	t.a.group.Add(1)
	t.group.Go(func() {
		defer t.a.group.Done()
		supervise(t.ctx, work, t.worker.panicked)
	})
}

// receive has the receivers look. The first thing that comes for a partner employs them: of
// a thousand partners many only send, or have nothing to do with each other for days.
func (t *tenant) receive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.engage()
	for _, r := range t.receivers {
		r.nudge()
	}
}

// nextReceivers follows the config: there may be more of them, never fewer.
func (t *tenant) nextReceivers() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.receivers) > 0 {
		t.engage()
	}
}

// engage employs the receivers that the partner has at the moment. The caller holds mu.
func (t *tenant) engage() {
	for !t.over && len(t.receivers) < max(receiversPer, t.worker.box().partner.Send.Parallel) {
		r := newReceiver(t.worker)
		r.first = len(t.receivers) == 0
		t.receivers = append(t.receivers, r)
		t.employ(r.run)
	}
}

// runHooks has somebody run the hooks that are owed: from the moment when there can be any.
// Some may be left of a time when there were hooks in the config.
func (t *tenant) runHooks() {
	if t.hooker != nil {
		t.hooker.nudge()
		return
	}
	if h := t.worker.box().partner.Hooks; len(h.AfterSent)+len(h.AfterFailed)+len(h.AfterReceived) == 0 {
		left := 0
		err := t.a.ledger.View(t.ctx, func(tx *ledger.Tx) (err error) { left, err = tx.OpenHooks(t.worker.partner); return err })
		if err == nil && left == 0 {
			return
		}
	}
	t.hooker = newHooker(t.worker)
	t.a.hooked.Store(t.worker.partner, t.hooker.nudge)
	t.employ(t.hooker.run)
}

// end lets those who work for a partner that is gone finish: what is being posted is
// stopped, as at a shutdown.
func (t *tenant) end() {
	t.stop()
	t.group.Wait()
}

// awaitEnd waits until nobody works for a partner any more that had left the config.
func (a *running) awaitEnd(ctx context.Context, partner string) error {
	a.changing.Lock()
	t := a.ended[partner]
	a.changing.Unlock()
	if t == nil {
		return nil
	}
	began := time.Now()
	timer := time.NewTimer(a.hands.work)
	defer timer.Stop()
	select {
	case <-t.gone:
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("what was under way when it left the config has not ended: %w", hangsSince(began))
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.ended[partner] == t {
		delete(a.ended, partner)
	}
	return nil
}

// idle reports whether nothing is left to do for the partner.
func (t *tenant) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.receivers {
		if t.worker.box().fault == nil && !r.idle() {
			return false
		}
	}
	return t.worker.idle() && (t.hooker == nil || t.hooker.idle())
}
