package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// hooker runs the hooks that are owed for one partner, some at the same time. It keeps
// nobody: what is sent and received goes on while a hook hangs.
type hooker struct {
	w      *worker // of the same partner: for what it complains of
	wake   chan struct{}
	nudges atomic.Int64 // as in worker
	idleAt atomic.Int64

	mu   sync.Mutex
	busy map[string]bool // hooks that are being run
}

// hookPoll is how often a hooker looks without being told to.
const hookPoll = 5 * time.Minute

func newHooker(w *worker) *hooker {
	k := &hooker{w: w, wake: make(chan struct{}, 1), busy: map[string]bool{}}
	k.idleAt.Store(-1)
	return k
}

// idle reports whether nothing is owed and nobody has asked to look since.
func (k *hooker) idle() bool { return k.idleAt.Load() == k.nudges.Load() }

// nudge makes the hooker look again soon. It never blocks.
func (k *hooker) nudge() {
	k.nudges.Add(1)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run is the hooker's life. At its end the hooks that are running have their time to end.
func (k *hooker) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		nudges := k.nudges.Load()
		k.idleAt.Store(-1)
		wait, idle := k.round(ctx, &running)
		if idle {
			k.idleAt.Store(nudges)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.wake:
		}
		timer.Stop()
	}
}

// round starts what is due and says how long to wait.
func (k *hooker) round(ctx context.Context, running *sync.WaitGroup) (wait time.Duration, idle bool) {
	b := k.w.box()
	if b.fault != nil {
		return hookPoll, true // whoever opens the folder nudges us
	}
	parallel := b.partner.Hooks.Parallel
	busy := k.underway()
	var owed []ledger.OwedHook
	err := k.w.a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { owed, err = tx.NextHooks(k.w.partner, busy+parallel+1); return err })
	if err != nil {
		k.w.complain(ctx, "hooks", err)
		return faultPause, false
	}
	if len(owed) == 0 {
		return hookPoll, k.underway() == 0
	}
	if err := b.ready(); err != nil {
		return healEvery, false // the paths that they are told lead nowhere; the worker tells of it
	}
	now := k.w.a.now()
	next := hookPoll // whoever ends nudges us
	for _, h := range owed {
		if due := b.hooks.Due(&h, now); due.After(now) {
			next = min(next, due.Sub(now))
			continue
		}
		if key := hookKey(&h); k.begin(key, parallel) {
			running.Go(func() {
				defer func() { k.end(key); k.nudge() }()
				k.runOne(ctx, b, h)
			})
		}
	}
	return next, false
}

func (k *hooker) runOne(ctx context.Context, b *box, h ledger.OwedHook) {
	var err error
	if p, ok := guarded(func() { err = b.hooks.Run(ctx, h.Subject, h.Kind, h.Name) }); !ok {
		err = p.error()
	}
	if err == nil {
		return
	}
	k.w.complain(ctx, "hooks", err)
	select { // it keeps its place, so that a ledger in trouble is not asked all the time
	case <-ctx.Done():
	case <-time.After(faultPause):
	}
}

func hookKey(h *ledger.OwedHook) string {
	return fmt.Sprintf("%s %s %s", h.Subject, h.Kind, h.Name)
}

// begin takes a place for a hook, unless it has one or none is left.
func (k *hooker) begin(key string, places int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[key] || len(k.busy) >= places {
		return false
	}
	k.busy[key] = true
	return true
}

func (k *hooker) underway() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.busy)
}

func (k *hooker) end(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.busy, key)
}

// rerun has the hooks of a transfer or received message run again that were given up.
func (a *running) rerun(ctx context.Context, wish ledger.Wish) error {
	partner := ""
	err := a.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		of, err := tx.HooksOf(wish.Transfer)
		if err != nil {
			return err
		}
		n := 0
		for _, h := range of {
			if h.Open || h.Outcome != ledger.HookGaveUp {
				continue
			}
			n, partner = n+1, h.Partner
			if err := tx.OweHook(h.Partner, h.Kind, h.Name, h.Subject, a.now()); err != nil {
				return err
			}
			e := ledger.Event{At: a.now().UTC(), Level: ledger.Info, Partner: h.Partner, Subject: h.Subject, Code: "operator-rerun", Text: fmt.Sprintf("hook %s %q is run again, by %s", h.Kind, h.Name, wish.By)}
			if err := tx.AddEvent(e); err != nil {
				return err
			}
		}
		result := fmt.Sprintf("%d hooks are run again", n)
		if n == 0 {
			result = "no hook of it was given up; as2drop show tells what became of each"
		}
		return tx.FinishWish(wish, a.now(), result)
	})
	if err == nil && partner != "" {
		a.hooked.wake(partner)
	}
	return err
}
