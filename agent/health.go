package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// health looks after the agent itself, and says how it is.
type health struct {
	a        *running
	started  time.Time
	latest   atomic.Pointer[status.Status]
	probes   map[string]*probe
	silences map[string]silence        // by partner
	raised   map[string]status.Problem // alarms that are on record and not over
	every    time.Duration             // for which a question may stand that no event tells of

	looks sync.Mutex // one look at a time

	mu      sync.Mutex
	asked   time.Time // since when the ledger is awaited; zero = it is not
	refusal string    // why the ledger took nothing last
}

func newHealth(a *running) *health {
	return &health{a: a, started: a.now(), probes: map[string]*probe{}, silences: map[string]silence{}, raised: map[string]status.Problem{}, every: status.LooksEvery}
}

// healthEvery is how often the agent looks how it is; with more than 250 partners less
// often, up to healthMost.
const (
	healthEvery = 15 * time.Second
	healthPer   = 60 * time.Millisecond // partner
	healthMost  = time.Minute
)

// freeAfter is when an agent that was started gives back what only the start needed: to read
// the config of a thousand partners and to open their folders takes several times the memory
// that they need afterwards, and the runtime would keep it for minutes. Stacks shrink by half
// each time.
var freeAfter = []time.Duration{time.Second, 3 * time.Second, 6 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}

func (h *health) run(ctx context.Context) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	asked := make(chan struct{}, 1)
	began, free := time.Now(), freeAfter
	for {
		h.listen(asked)
		h.look(ctx)
		next := time.Now().Add(min(max(healthEvery, time.Duration(len(h.a.setup().boxes))*healthPer), healthMost))
		for time.Now().Before(next) && !h.isAsked() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-asked:
			}
			if len(free) > 0 && time.Since(began) >= free[0] {
				free = free[1:]
				debug.FreeOSMemory()
			}
		}
	}
}

// listen makes the folder of questions, if it is not there, and has its events say that
// somebody asks. Without them the folder is looked at again and again.
func (h *health) listen(asked chan<- struct{}) {
	folder, err := status.Listen(h.a.dataDir)
	if err != nil || h.a.options.NoWatch {
		return // who cannot ask reads the last status
	}
	_ = h.a.watch.add(folder, func(departed bool) {
		if departed {
			return // we took the question away
		}
		select {
		case asked <- struct{}{}:
		default:
		}
	})
}

func (h *health) isAsked() bool { return status.Asked(h.a.dataDir) }

// look takes a status, and makes alarms of what is new in it. It waits for nobody: what
// does not answer shows in the next one.
func (h *health) look(ctx context.Context) {
	h.looks.Lock()
	defer h.looks.Unlock()
	setup := h.a.setup()
	h.askLedger(ctx)
	for _, b := range setup.boxes {
		h.askFolder(ctx, b)
	}
	if len(h.probes) > len(setup.boxes) {
		maps.DeleteFunc(h.probes, func(partner string, _ *probe) bool { return setup.find(partner) == nil })
		maps.DeleteFunc(h.silences, func(partner string, _ silence) bool { return setup.find(partner) == nil })
	}
	s := h.status(ctx, setup)
	conclude(s, setup.cfg)
	h.latest.Store(s)
	h.a.counts.Look(s, setup.cfg)
	if err := errors.Join(status.Write(h.a.dataDir, s), h.tell(ctx, s), h.a.tellVolumes(ctx)); err != nil && ctx.Err() == nil {
		h.a.log.Error("the status could not be kept", "error", err)
	}
}

// patience is how long a look waits for answers.
const patience = time.Second

// askLedger finds out whether the ledger takes anything.
func (h *health) askLedger(ctx context.Context) {
	h.mu.Lock()
	busy := !h.asked.IsZero()
	if !busy {
		h.asked = h.a.now()
	}
	h.mu.Unlock()
	if busy {
		return
	}
	h.within(func() {
		err := h.a.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.Tell("health", strconv.FormatInt(h.a.now().Unix(), 10)) })
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked, h.refusal = time.Time{}, ""
		if err != nil && ctx.Err() == nil {
			h.refusal = err.Error()
		}
	})
}

func (h *health) askFolder(ctx context.Context, b *box) {
	p := h.probes[b.partner.Name]
	if p == nil {
		p = &probe{}
		h.probes[b.partner.Name] = p
	}
	t := h.a.tenant(b.partner.Name)
	var seen *readyBatches
	if t != nil {
		seen = t.worker.ready.Load()
	}
	h.within(func() {
		if err := p.ask(ctx, b, seen, h.a.now()); err != nil {
			h.a.log.Error("a look at a partner's folder panicked", "partner", b.partner.Name, "error", err)
		}
	})
}

// within does something and waits for it, but not for ever.
func (h *health) within(f func()) {
	done := make(chan struct{})
	h.a.group.Go(func() { defer close(done); f() })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// status puts together what is known.
func (h *health) status(ctx context.Context, setup *setup) *status.Status {
	a := h.a
	s := &status.Status{At: a.now().UTC(), Started: h.started.UTC(), PID: os.Getpid(), Version: a.options.Version, Config: setup.cfg.Path, Taken: setup.taken.UTC(), Work: a.work()}
	if refused := a.refusal.Load(); refused != nil {
		s.Refused = *refused
	}
	a.changing.Lock()
	for _, l := range a.listeners {
		s.Listening = append(s.Listening, l.address)
	}
	if a.console != nil {
		if closed := a.console.closed.Load(); closed != nil {
			s.Console, s.ConsoleClosed = closed.fact, closed.since.UTC()
		}
	}
	a.changing.Unlock()
	h.mu.Lock()
	s.Ledger = h.refusal
	if !h.asked.IsZero() {
		s.Ledger = "it has not answered since " + h.asked.UTC().Format(time.DateTime+" UTC")
	}
	h.mu.Unlock()
	var err error
	if s.Free, err = fsx.Free(setup.cfg.DataDir); err != nil && s.Ledger == "" {
		s.Ledger = err.Error()
	}
	s.Partners = make([]status.Partner, 0, len(setup.boxes))
	for _, b := range setup.boxes {
		s.Partners = append(s.Partners, h.partner(ctx, b))
	}
	s.Untold = h.untold(ctx, setup.cfg)
	return s
}

func (h *health) partner(ctx context.Context, b *box) status.Partner {
	name := b.partner.Name
	folder, hangs := h.probes[name].status(h.a.now())
	s := status.Partner{Name: name, Files: folder.files, Ready: folder.ready, OldestReady: folder.oldest.UTC(), Free: folder.free, Fault: folder.fault, Hangs: hangs, Volume: folder.volume}
	if t := h.a.tenant(name); t != nil {
		t.worker.mu.Lock()
		s.Restarts, s.Restarted, s.Polled = t.worker.restarts, t.worker.restarted, t.worker.polled
		t.worker.mu.Unlock()
	}
	// Without an answer of the ledger the status says that, and nothing of transfers.
	_ = h.a.ledger.View(ctx, func(tx *ledger.Tx) error {
		load, err := tx.Load(name)
		if err != nil {
			return err
		}
		s.Open, s.Held, s.Oldest, s.LastFiled, s.LastReceived = load.Open, load.Held, load.Oldest, load.LastFiled, load.LastReceived
		if t, err := tx.LastOf(name, ledger.StandSent); err == nil {
			s.LastSent = t.Filed
		}
		if t, err := tx.Trouble(name); err == nil {
			s.Trouble = &t
		}
		if err := owedHooks(tx, &s); err != nil {
			return err
		}
		if p, err := tx.Pause(name); err == nil {
			s.Pause = &p
		}
		return nil
	})
	s.Silent = h.silent(ctx, b, &s)
	return s
}

// hooksLooked is how many of the owed hooks that are due first are looked at for one that
// fails.
const hooksLooked = 20

// owedHooks fills in what hooks are owed, and whether some fail.
func owedHooks(tx *ledger.Tx, s *status.Partner) (err error) {
	if s.Hooks, err = tx.OpenHooks(s.Name); err != nil || s.Hooks == 0 {
		return err
	}
	open, err := tx.NextHooks(s.Name, hooksLooked)
	for _, h := range open {
		if h.Tries > 0 && (s.HookFails == "" || h.Since.Before(s.HookFailsAt)) {
			s.HookFails, s.HookFailsAt = fmt.Sprintf("%s %q for %s: %s", h.Kind, h.Name, h.Subject, h.Reason), h.Since
		}
	}
	return err
}

// When a certificate that expires is told: in days before, the first time and then again.
var expirySteps = []int{config.ExpiryWarns, 14, config.ExpiryAlarms, 1, 0}

// expiryFirst is how long before its end one is told of.
const expiryFirst = config.ExpiryWarns * 24 * time.Hour

// tell records what is new: alarms when they begin and when they are over, and expiring
// certificates at each step.
func (h *health) tell(ctx context.Context, s *status.Status) error {
	var events []ledger.Event
	now := map[string]status.Problem{}
	for _, p := range s.Problems {
		// What has an event of its own where it is found out is not told twice.
		if p.Level != ledger.Alarm || p.Code == status.CodeExpiry || p.Code == status.CodePaused || p.Code == status.CodeFolder || p.Code == status.CodeRestart || p.Code == status.CodeConfig {
			continue
		}
		if p.Code == status.CodeLedger && h.a.ledger.Trouble() != nil {
			continue // watchLedger tells of it
		}
		key := p.Partner + " " + p.Code
		now[key] = p
		if _, known := h.raised[key]; !known {
			h.a.log.Error("a problem", "partner", p.Partner, "text", p.Text, "hint", p.Hint)
			events = append(events, ledger.Event{At: s.At, Level: ledger.Alarm, Partner: p.Partner, Code: p.Code, Text: p.Text, Hint: p.Hint})
		}
	}
	for key, p := range h.raised {
		if _, still := now[key]; !still {
			h.a.log.Info("a problem is over", "partner", p.Partner, "text", p.Text)
			events = append(events, ledger.Event{At: s.At, Level: ledger.Info, Partner: p.Partner, Code: p.Code + "-over", Text: "over: " + p.Text})
		}
	}
	if s.Ledger != "" {
		// It is told when the ledger answers, but logged now, and once.
		if p, ok := now[" "+status.CodeLedger]; ok {
			h.raised[" "+status.CodeLedger] = p
		}
		return nil
	}
	err := h.a.ledger.Update(ctx, func(tx *ledger.Tx) error {
		var err error
		for _, e := range events {
			err = errors.Join(err, tx.AddEvent(e))
		}
		return err
	})
	if err != nil {
		return err
	}
	h.raised = now
	return h.tellExpiries(ctx, s.At)
}

// tellExpiries tells of each certificate once per step, also across restarts.
func (h *health) tellExpiries(ctx context.Context, at time.Time) error {
	for _, e := range h.a.setup().cfg.Expiring(at, expiryFirst) {
		step := expiryStep(e, at)
		told := ""
		err := h.a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { told, err = tx.Told("expiry " + e.ID()); return err })
		if err != nil {
			return err
		}
		if told == strconv.Itoa(step) {
			continue
		}
		level, text := ledger.Warning, e.Text(at)
		if step <= config.ExpiryAlarms {
			level = ledger.Alarm
		}
		h.a.log.Warn("certificate", "partner", e.Partner, "text", text, "hint", e.Hint)
		err = h.a.ledger.Update(ctx, func(tx *ledger.Tx) error {
			return errors.Join(tx.Tell("expiry "+e.ID(), strconv.Itoa(step)),
				tx.AddEvent(ledger.Event{At: at, Level: level, Partner: e.Partner, Code: status.CodeExpiry, Text: text, Hint: e.Hint}))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expiryStep is the last step that a certificate has passed: 30, 14, 7, 1 or 0 days.
func expiryStep(e config.Expiry, at time.Time) int {
	step := expirySteps[0]
	for _, days := range expirySteps {
		if e.At.Sub(at) <= time.Duration(days)*24*time.Hour {
			step = days
		}
	}
	return step
}
