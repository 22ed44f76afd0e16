package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// Options of one run.
type Options struct {
	Log       *slog.Logger
	Version   string
	UntilIdle bool // end when nothing is left to do, for scripts
	NoWatch   bool // poll only
	// Listening is called with the addresses once messages can be received.
	Listening func(addresses []string)
}

// shutdownGrace is how long messages that are under way may take when the agent is
// asked to stop.
const shutdownGrace = 20 * time.Second

// Run runs the agent until ctx ends, or until idle. Only one may run on a data folder.
func Run(ctx context.Context, cfg *config.Config, o Options) (err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return err
	}
	lock, err := lockData(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	w, err := openWorld(ctx, cfg, o.Log, o.Version)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for _, warning := range cfg.Warnings {
		o.Log.Warn(warning.Error())
	}
	if err := w.recover(ctx); err != nil {
		return err
	}

	listeners, err := w.listen()
	if err != nil {
		return err
	}
	a := &running{world: w, options: o, watch: newWatcher(o.Log)}
	a.ctx, a.stop = context.WithCancel(ctx)
	defer a.stop()
	for _, l := range listeners {
		a.group.Go(l.serve)
	}
	if o.Listening != nil {
		var addresses []string
		for _, l := range listeners {
			addresses = append(addresses, l.address)
		}
		o.Listening(addresses)
	}
	a.start()
	<-a.ctx.Done()
	o.Log.Info("stopping")
	for _, l := range listeners {
		l.shutdown(shutdownGrace)
	}
	a.watch.close()
	a.group.Wait()
	return nil
}

// recover finishes what an earlier process left, before anything new begins.
func (w *world) recover(ctx context.Context) error {
	for _, b := range w.boxes {
		if b.fault != nil {
			w.log.Error("partner out of order", "partner", b.partner.Name, "error", b.fault)
			if err := w.event(ctx, ledger.Alarm, b.partner.Name, "folder", b.fault.Error(), ""); err != nil {
				return err
			}
			continue
		}
		if err := b.outbox.Recover(ctx); err != nil {
			return err
		}
	}
	return w.inbox.Recover(ctx)
}

func (w *world) event(ctx context.Context, level ledger.Level, partner, code, text, hint string) error {
	return w.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		return tx.AddEvent(ledger.Event{At: w.now().UTC(), Level: level, Partner: partner, Code: code, Text: text, Hint: hint})
	})
}

// running is an agent while it runs.
type running struct {
	*world
	options Options
	ctx     context.Context
	stop    context.CancelFunc
	group   sync.WaitGroup
	watch   *watcher
	workers []*worker
	idlers  []idler
	wishing atomic.Bool // wishes are being granted: what follows from them is not started yet
}

// idler says whether nothing is left for it to do.
type idler interface{ idle() bool }

func (a *running) start() {
	a.group.Go(a.watch.run)
	for _, b := range a.boxes {
		if b.fault != nil {
			continue
		}
		w := newWorker(a, b)
		a.workers, a.idlers = append(a.workers, w), append(a.idlers, w)
		a.transfers.Store(b.partner.Name, w.nudge)
		a.group.Go(func() { supervise(a.ctx, w.run, w.panicked) })
		a.startReceivers(w)
	}
	a.group.Go(func() {
		supervise(a.ctx, a.wishes, func(p panicked) { a.log.Error("the wishes worker panicked", "panic", p.Value, "stack", p.Stack) })
	})
	a.group.Go(a.generations)
	if a.options.UntilIdle {
		a.group.Go(a.stopWhenIdle)
	}
}

// startReceivers starts those of one partner.
func (a *running) startReceivers(w *worker) {
	var all []*receiver
	for range max(receiversPer, w.box.partner.Send.Parallel) {
		r := newReceiver(w)
		all = append(all, r)
		a.idlers = append(a.idlers, r)
		a.group.Go(func() { supervise(a.ctx, r.run, w.panicked) })
	}
	a.incoming.Store(w.box.partner.Name, func() {
		for _, r := range all {
			r.nudge()
		}
	})
}

// wishPoll is how often the ledger is asked for what operators want.
const wishPoll = 500 * time.Millisecond

// wishes grants what operators ask for through other processes.
func (a *running) wishes(ctx context.Context) {
	tick := time.NewTicker(wishPoll)
	defer tick.Stop()
	for {
		if err := a.grantWishes(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("wishes", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *running) grantWishes(ctx context.Context) error {
	a.wishing.Store(true)
	defer a.wishing.Store(false)
	var open []ledger.Wish
	err := a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err })
	if err != nil {
		return err
	}
	for _, wish := range open {
		w, err := a.workerFor(ctx, wish)
		if err != nil {
			return err
		}
		if w == nil {
			err = a.ledger.Update(ctx, func(tx *ledger.Tx) error {
				return tx.FinishWish(wish, a.now(), "there is no such transfer or partner, or its folder is not in order")
			})
		} else {
			err = w.box.outbox.Grant(ctx, wish)
			w.nudge()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *running) workerFor(ctx context.Context, wish ledger.Wish) (*worker, error) {
	name := wish.Partner
	if wish.Transfer != "" {
		err := a.ledger.View(ctx, func(tx *ledger.Tx) error {
			t, err := tx.Transfer(wish.Transfer)
			name = t.Partner
			return err
		})
		if errors.Is(err, ledger.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	for _, w := range a.workers {
		if w.box.partner.Name == name {
			return w, nil
		}
	}
	return nil, nil
}

// generationEvery is how often the generation is counted up while the agent runs, so
// that an older copy of the ledger is recognised whenever it was taken.
const generationEvery = time.Hour

func (a *running) generations() {
	tick := time.NewTicker(generationEvery)
	defer tick.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.nextGeneration(); err != nil {
			a.log.Error("generation", "error", err)
		}
	}
}

func (a *running) nextGeneration() error {
	a.generation++
	err := a.ledger.Update(a.ctx, func(tx *ledger.Tx) error { return tx.SetGeneration(a.generation) })
	if err != nil {
		return err
	}
	for _, b := range a.boxes {
		if b.fault != nil || ready(b.partner, b.folder) != nil {
			continue
		}
		var known ledger.Folder
		err := a.ledger.View(a.ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(b.partner.Name); return err })
		if err == nil {
			err = a.writeMarker(b.folder, known.ID)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.partner.Name, err)
		}
	}
	return nil
}

// idlePoll is how often an agent that shall end when idle looks whether it is.
const idlePoll = 50 * time.Millisecond

func (a *running) stopWhenIdle() {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-tick.C:
		}
		// In this order: a wish that is granted is not open any more, but its worker has
		// been nudged before wishing ends.
		var open []ledger.Wish
		err := a.ledger.View(a.ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err })
		idle := err == nil && len(open) == 0 && !a.wishing.Load()
		for _, w := range a.idlers {
			idle = idle && w.idle()
		}
		if idle {
			a.stop()
			return
		}
	}
}
