package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/ledger"
)

// Options of one run.
type Options struct {
	Log       *slog.Logger
	Version   string
	UntilIdle bool // end when nothing is left to do, for scripts
	NoWatch   bool // poll only
	// Take is asked to take a config that comes into force while the agent runs, for what is
	// not the agent's own. An error refuses the config as a whole. nil = there is nothing.
	Take func(*config.Config) error
	// Listening is called with the addresses once messages can be received.
	Listening func(addresses []string)
	// Notify is told each State; it must not block. Alive comes once per Heartbeat; 0 =
	// never.
	Notify    func(State)
	Heartbeat time.Duration
	// Reload asks for the config to be read anew now. The agent also looks by itself
	// whether the file, or one that it names, has changed.
	Reload <-chan struct{}

	reach *hands // how folders are reached; nil = as they are. Tests have some that fail.
}

func (o *Options) hands() hands {
	if o.reach != nil {
		return *o.reach
	}
	return realHands
}

// ShutdownGrace is how long messages that are under way may take when the agent is
// asked to stop.
const ShutdownGrace = 20 * time.Second

// Run runs the agent until ctx ends, or until idle. Only one may run on a data folder.
func Run(ctx context.Context, cfg *config.Config, o Options) (err error) {
	if err := access.MkdirAll(cfg.DataDir); err != nil {
		return err
	}
	lock, err := lockData(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	began := time.Now()
	new(collector).collectFor(len(cfg.Partners))
	w, err := openWorldWith(ctx, cfg, o.Log, o.Version, o.hands())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for _, warning := range cfg.Warnings {
		o.Log.Warn(warning.Error())
	}
	if few := fewFiles(openFiles(), len(cfg.Partners)); few != "" {
		o.Log.Warn(few, "hint", moreFiles)
	}
	if err := w.recover(ctx); err != nil {
		return err
	}
	if err := w.forgetStops(ctx, began); err != nil {
		return err
	}

	a := newRunning(ctx, w, o)
	defer a.stop()
	if a.listeners, err = w.listen(cfg, nil); err != nil {
		return err
	}
	told, err := a.listenForHealth(cfg, nil)
	if err != nil {
		return errors.Join(err, closeNew(a.listeners, nil))
	}
	a.serve(a.listeners)
	a.tellHealth(told)
	a.showConsole(a.firstConsole(cfg))
	if o.Listening != nil {
		var addresses []string
		for _, l := range a.listeners {
			addresses = append(addresses, l.address)
		}
		o.Listening(addresses)
	}
	a.start()
	a.notify(Ready)
	<-a.ctx.Done()
	a.notify(Stopping)
	o.Log.Info("stopping")
	a.end(ShutdownGrace)
	return a.lostLedger()
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
	keeper  *keeper
	keeping atomic.Bool            // retention runs, or is about to look whether it is due
	refusal atomic.Pointer[string] // why the config was not taken last; nil = it was
	wishing atomic.Int64           // how many are granting wishes: what follows from them is not started yet

	changing  sync.Mutex // guards what follows, and that setups follow each other
	tenants   map[string]*tenant
	ended     map[string]*tenant // of partners that left the config
	listeners []*listener
	health    *health
	volumes   volumes // what is wrong with them
	alarmer   *alarmer
	told      *healthServer // where the health is told; nil = nowhere
	console   *console      // nil = there is none
}

func newRunning(ctx context.Context, w *world, o Options) *running {
	a := &running{world: w, options: o, watch: newWatcher(o.Log), tenants: map[string]*tenant{}, ended: map[string]*tenant{}}
	a.ctx, a.stop = context.WithCancel(ctx)
	a.health = newHealth(a)
	a.alarmer = newAlarmer(a)
	a.keeper = &keeper{running: a, poke: make(chan struct{}, 1)}
	a.keeping.Store(true)
	return a
}

func (a *running) start() {
	seen := &clocks{a.now().Round(0), time.Now()}
	a.watch.start()
	a.changing.Lock()
	a.install(a.setup())
	a.changing.Unlock()
	told := func(what string) func(panicked) {
		return func(p panicked) { a.log.Error("the "+what+" worker panicked", "panic", p.Value, "stack", p.Stack) }
	}
	a.group.Go(func() { supervise(a.ctx, a.wishes, told("wishes")) })
	a.group.Go(func() { supervise(a.ctx, a.reloads, told("reload")) })
	a.group.Go(func() { supervise(a.ctx, a.keeper.run, told("retention")) })
	a.group.Go(func() { supervise(a.ctx, a.generations, told("generation")) })
	a.group.Go(func() { supervise(a.ctx, func(ctx context.Context) { a.clock(ctx, seen) }, told("clock")) })
	a.group.Go(func() { supervise(a.ctx, a.health.run, told("health")) })
	a.group.Go(func() { supervise(a.ctx, a.watchLedger, told("ledger")) })
	a.group.Go(func() { supervise(a.ctx, a.alarmer.run, told("alarms")) })
	if a.options.UntilIdle {
		a.group.Go(a.stopWhenIdle)
	}
	if a.options.Notify != nil && a.options.Heartbeat > 0 {
		a.group.Go(func() { supervise(a.ctx, a.heartbeat, told("heartbeat")) })
	}
}

// serve starts listeners that are open.
func (a *running) serve(listeners []*listener) {
	for _, l := range listeners {
		a.group.Go(l.serve)
	}
}

// endMargin is how long others than senders may take to finish at least.
const endMargin = 5 * time.Second

// end waits until everybody has finished; messages that are arriving have the grace. Who
// hangs in a system call is left behind: the next start finds what he did, as after a kill.
func (a *running) end(grace time.Duration) {
	over := time.Now().Add(grace + endMargin)
	a.changing.Lock()
	listeners := a.listeners
	a.changing.Unlock()
	forEach(len(listeners), func(i int) { listeners[i].shutdown(grace) })
	a.tellHealth(nil)
	a.showConsole(nil)
	a.group.Go(a.watch.close)
	ended := make(chan struct{})
	go func() { defer close(ended); a.group.Wait() }()
	timer := time.NewTimer(max(time.Until(over), endMargin))
	defer timer.Stop()
	select {
	case <-ended:
		a.lastGeneration(timer.C)
	case <-timer.C:
		a.log.Error("not everybody has finished; what is left is resumed at the next start, under the same Message-ID", "partners", a.unfinished())
	}
}

// unfinished are the partners for whom somebody still works.
func (a *running) unfinished() (names []string) {
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, all := range []map[string]*tenant{a.tenants, a.ended} {
		for name, t := range all {
			select {
			case <-t.gone:
			default:
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// tenant is the one of a partner, nil if there is none.
func (a *running) tenant(partner string) *tenant {
	a.changing.Lock()
	defer a.changing.Unlock()
	return a.tenants[partner]
}

// replace installs a setup that was made from another one, unless that is no longer the
// one in force.
func (a *running) replace(former, next *setup) bool {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.setup() != former {
		return false
	}
	a.install(next)
	return true
}

// reopen opens the folder of a partner anew that went away, was replaced or was never in
// order. A folder that hangs keeps nobody else.
func (a *running) reopen(ctx context.Context, partner string) error {
	if err := a.awaitEnd(ctx, partner); err != nil {
		return err
	}
	now := a.setup()
	next, err := a.reopened(ctx, now, partner)
	if err != nil {
		return err
	}
	b := next.find(partner)
	if !a.replace(now, next) {
		return errors.Join(errors.New("the config changed while the folder was being opened"), b.folder.Close())
	}
	a.log.Info("the partner's folder is in order", "partner", partner, "folder", b.partner.Folder)
	if old := now.find(partner); old.folder != nil {
		err = old.folder.Close()
	}
	return errors.Join(err, a.event(ctx, ledger.Info, partner, "folder-back", "the folder is in order again: "+b.partner.Folder, ""))
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
		if err == nil && len(open) == 0 && a.wishing.Load() == 0 && !a.keeping.Load() && a.idle() {
			a.alarmer.flush(a.ctx)
			a.stop()
			return
		}
	}
}

// idle reports whether nothing is left to do for any partner.
func (a *running) idle() bool {
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, t := range a.tenants {
		if !t.idle() {
			return false
		}
	}
	return true
}
