package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
	"github.com/as2drop/as2drop/outbox"
)

// maxPanics is how often a transfer may make its worker panic before it is held.
const maxPanics = 3

// worker carries one partner's transfers on.
type worker struct {
	a          *running
	partner    string
	current    atomic.Pointer[box]
	log        *slog.Logger
	seen       *outbox.Observer
	wake       chan struct{}
	nudges     atomic.Int64 // counted, so that one that comes during a round is not overlooked
	idleAt     atomic.Int64 // what nudges was when a round found nothing left to do
	roundBegan atomic.Pointer[time.Time]
	alarms     map[string]time.Time

	mu     sync.Mutex
	busy   map[string]bool // transfers under way, each in a slot
	panics map[string]int

	polled    string    // why the outbox is polled; empty = file events are to be had
	restarts  int       // of the worker or a receiver
	restarted time.Time // the last one
}

func newWorker(a *running, b *box) *worker {
	w := &worker{
		a: a, partner: b.partner.Name, log: a.log.With("partner", b.partner.Name), seen: outbox.NewObserver(), wake: make(chan struct{}, 1),
		alarms: map[string]time.Time{}, busy: map[string]bool{}, panics: map[string]int{},
	}
	w.current.Store(b)
	w.idleAt.Store(-1)
	return w
}

// box is the partner as it is configured at the moment.
func (w *worker) box() *box { return w.current.Load() }

// idle reports whether nothing is left to do and nobody has asked to look since.
func (w *worker) idle() bool { return w.idleAt.Load() == w.nudges.Load() }

// nudge makes the worker look again soon. It never blocks.
func (w *worker) nudge() {
	w.nudges.Add(1)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// scanShare bounds the time spent on scans while files keep coming: after a scan the
// worker waits this many times as long as it took.
const scanShare = 3

// run is the worker's life. Everything it knows it reads anew each round.
func (w *worker) run(ctx context.Context) {
	var transfers sync.WaitGroup
	defer transfers.Wait()
	watched := ""
	defer func() { w.a.watch.remove(watched) }()
	for ctx.Err() == nil {
		watched = w.keepWatch(watched)
		started, nudges := time.Now(), w.nudges.Load()
		w.roundBegan.Store(&started)
		wait, idle := w.round(ctx, &transfers)
		w.roundBegan.Store(nil)
		if !idle {
			nudges = -1
		}
		w.idleAt.Store(nudges)
		took := time.Since(started)
		w.sleep(ctx, scanShare*took, wait)
	}
}

// sleep waits for a nudge, but at least for the pause and at most until wait is over.
func (w *worker) sleep(ctx context.Context, pause, wait time.Duration) {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
		return
	case <-w.wake:
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(pause, time.Second)):
	}
}

// round looks at the outbox, starts what is due and says how long to wait.
func (w *worker) round(ctx context.Context, transfers *sync.WaitGroup) (wait time.Duration, idle bool) {
	b := w.box()
	p := b.partner
	wait = pollOf(p)
	if next := p.Outbox.Rescan.Next(w.a.now()); !next.IsZero() {
		wait = min(wait, next.Sub(w.a.now()))
	}
	if err := b.ready(); err != nil {
		return min(wait, healEvery), w.heal(ctx, b, err)
	}
	if err := b.outbox.Timely(ctx); err != nil && ctx.Err() == nil {
		w.complain(ctx, "ledger", err)
		return min(wait, 5*time.Second), false
	}
	report, err := b.outbox.Scan(ctx, w.seen)
	if err != nil && ctx.Err() == nil {
		w.complain(ctx, "scan", err)
		return min(wait, 5*time.Second), false
	}
	w.alarmWaiting(ctx, report.Waiting)
	if report.Ready > 0 {
		wait = min(wait, report.Ready)
	}
	if !report.Pickup.IsZero() {
		wait = min(wait, max(report.Pickup.Sub(w.a.now()), 0))
	}
	free, err := w.startDue(ctx, transfers)
	if err != nil && ctx.Err() == nil {
		w.complain(ctx, "ledger", err)
		return min(wait, 5*time.Second), false
	}
	due, open, err := w.nextDue(ctx)
	if err != nil {
		return min(wait, 5*time.Second), false
	}
	if free && !due.IsZero() {
		wait = min(wait, due.Sub(w.a.now()))
	}
	return wait, open == 0 && report.Ready == 0 && len(report.Claimed) == 0
}

// healEvery is how often a folder that is not there, or not in order, is looked for.
const healEvery = 5 * time.Second

// heal says what is wrong with the partner's folder, and opens it anew where that may
// help. It reports whether nothing more can be done for it.
func (w *worker) heal(ctx context.Context, b *box, err error) (idle bool) {
	if b.fault != nil || errors.Is(err, errReplaced) {
		if err = w.a.reopen(ctx, w.partner); err == nil {
			return false // installing the box has nudged us
		}
	}
	w.complain(ctx, "folder", err)
	return b.fault != nil
}

// nextDue is the next moment that no transfer under way will see to, and how many
// transfers are left that time alone carries on.
func (w *worker) nextDue(ctx context.Context) (due time.Time, open int, err error) {
	err = w.a.ledger.View(ctx, func(tx *ledger.Tx) error {
		ts, err := tx.OpenTransfers(w.partner)
		if err != nil {
			return err
		}
		pause, err := tx.Pause(w.partner)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		untilReleased := err == nil && pause.Until.IsZero()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, t := range ts {
			// One that waits for its turn is carried on when those before it are settled.
			if t.Rests() && t.State != ledger.StateSettled || untilReleased && t.State == ledger.StateSealed && !w.busy[t.ID] {
				continue
			}
			open++
			if !w.busy[t.ID] && (due.IsZero() || t.Due.Before(due)) {
				due = t.Due
			}
		}
		return nil
	})
	return due, open, err
}

// startDue starts due transfers while there are slots; free says whether one is left.
func (w *worker) startDue(ctx context.Context, transfers *sync.WaitGroup) (free bool, err error) {
	var due []ledger.Transfer
	limit := w.box().partner.Send.Parallel + w.underway() + 16
	err = w.a.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		due, err = tx.DueTransfers(w.partner, w.a.now(), limit)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, t := range due {
		begun, full := w.begin(t.ID)
		if full {
			return false, nil
		}
		if !begun {
			continue
		}
		transfers.Go(func() {
			defer func() { w.end(t.ID); w.nudge() }()
			w.carryOn(ctx, t)
		})
	}
	return true, nil
}

// begin takes a slot for a transfer, unless it has one or none is left.
func (w *worker) begin(id string) (begun, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[id] {
		return false, false
	}
	if len(w.busy) >= w.box().partner.Send.Parallel {
		return false, true
	}
	w.busy[id] = true
	return true, false
}

// underway is how many transfers have a slot.
func (w *worker) underway() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.busy)
}

func (w *worker) end(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, id)
}

// faultPause is how long a transfer rests after a fault of ours (disk, ledger).
const faultPause = 5 * time.Second

// carryOn steps a transfer until nothing is to be done for it now.
func (w *worker) carryOn(ctx context.Context, t ledger.Transfer) {
	p, ok := guarded(func() {
		for ctx.Err() == nil {
			b := w.box()
			if b.fault != nil {
				return // the worker opens it first
			}
			again, err := b.outbox.Step(ctx, t.ID)
			if err != nil {
				w.complain(ctx, "step "+t.ID, err)
				select {
				case <-ctx.Done():
				case <-time.After(faultPause):
				}
				return
			}
			if !again {
				w.tell(ctx, t.ID)
				return
			}
		}
	})
	if !ok {
		w.transferPanicked(ctx, t, p)
	}
}

// tell logs what became of a transfer.
func (w *worker) tell(ctx context.Context, id string) {
	var t ledger.Transfer
	var pause ledger.Pause
	err := w.a.ledger.View(context.WithoutCancel(ctx), func(tx *ledger.Tx) (err error) {
		if t, err = tx.Transfer(id); err != nil {
			return err
		}
		if pause, err = tx.Pause(w.partner); errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		return err
	})
	if err == nil {
		w.tellPause(pause)
	}
	log := w.log.With("transfer", id, "document", t.Document)
	switch {
	case err != nil:
		w.complain(ctx, "tell "+id, err)
	case t.State == ledger.StateFiled && t.Verdict.Sent():
		log.Info("sent", "verdict", t.Verdict, "folder", t.FilePath)
	case t.State == ledger.StateFiled:
		log.Error("failed", "verdict", t.Verdict, "reason", t.Reason, "next", t.Next, "folder", t.FilePath)
	case t.State == ledger.StateUndone:
		log.Warn("put back into the outbox", "reason", t.Reason)
	case t.Hold != "":
		log.Error("held", "reason", t.Hold, "next", t.Next)
	case t.State == ledger.StateWaiting:
		log.Info("posted; the receipt is to come", "until", t.Due)
	case t.Reason != "":
		log.Warn("will be tried again", "reason", t.Reason, "next", t.Next, "attempts", t.Attempts, "due", t.Due)
	}
}

// tellPause logs that nothing is sent to the partner any more, and that it goes on: once,
// and not for each of his transfers.
func (w *worker) tellPause(p ledger.Pause) {
	w.mu.Lock()
	known := w.alarms["pause"]
	w.alarms["pause"] = p.Since
	w.mu.Unlock()
	switch {
	case p.Since.Equal(known):
	case p.Since.IsZero():
		w.log.Info("sending to the partner goes on")
	case p.By == "agent":
		w.log.Error("nothing is sent to the partner", "reason", p.Reason, "next", p.Hint, "until", p.Until)
	default:
		w.log.Info("nothing is sent to the partner, by an operator", "reason", p.Reason, "by", p.By)
	}
}

// transferPanicked counts; the third time the transfer is held.
func (w *worker) transferPanicked(ctx context.Context, t ledger.Transfer, p panicked) {
	w.mu.Lock()
	w.panics[t.ID]++
	n := w.panics[t.ID]
	w.mu.Unlock()
	w.log.Error("a transfer made its worker panic", "transfer", t.ID, "document", t.Document, "times", n, "panic", p.Value, "stack", p.Stack)
	err := w.a.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		e := ledger.Event{At: w.a.now().UTC(), Level: ledger.Alarm, Partner: t.Partner, Subject: t.ID, Code: "panic", Text: t.Document + ": the worker panicked on it: " + p.Value}
		if n < maxPanics {
			return tx.AddEvent(e)
		}
		row, err := tx.Transfer(t.ID)
		if err != nil {
			return err
		}
		row.Hold, row.HoldBy = "quarantined: the worker panicked on it three times, last with: "+p.Value, "agent"
		e.Hint = "report it with the log; the files are in .work/" + t.ID
		return errors.Join(tx.AddEvent(e), tx.SaveTransfer(&row))
	})
	if err != nil {
		w.complain(ctx, "panic "+t.ID, err)
	}
}

// panicked is told of panics outside of any transfer.
func (w *worker) panicked(p panicked) {
	w.mu.Lock()
	w.restarts++
	w.restarted = w.a.now()
	w.mu.Unlock()
	w.log.Error("the worker panicked and is started again", "panic", p.Value, "stack", p.Stack)
	if err := w.a.event(w.a.ctx, ledger.Alarm, w.partner, "panic", "the worker panicked and was started again: "+p.Value, "report it with the log"); err != nil {
		w.log.Error("ledger", "error", err)
	}
}

// complainEvery is how often the same trouble is logged again, and alarmEvery how often it
// is an event of its own.
const (
	complainEvery = time.Minute
	alarmEvery    = time.Hour
)

// complain logs a fault of ours and records it, each the first time and then once in a
// while.
func (w *worker) complain(ctx context.Context, what string, err error) {
	if ctx.Err() != nil || ofLedger(err) {
		return // watchLedger tells of a ledger in trouble, for all
	}
	what, hint := w.cause(what, err)
	w.mu.Lock()
	last, told := w.alarms[what]
	now := w.a.now()
	if told && now.Sub(last) < complainEvery {
		w.mu.Unlock()
		return
	}
	w.alarms[what] = now
	last, told = w.alarms["event "+what]
	quiet := told && now.Sub(last) < alarmEvery
	if !quiet {
		w.alarms["event "+what] = now
	}
	w.mu.Unlock()
	w.log.Error("will be tried again", "step", what, "error", err, "hint", hint)
	if quiet {
		return
	}
	if eerr := w.a.event(ctx, ledger.Alarm, w.partner, "fault", err.Error(), hint); eerr != nil && !ofLedger(eerr) {
		w.log.Error("ledger", "error", eerr)
	}
}

// alarmWaiting raises an alarm for files that time alone will not help, and for those
// that have waited too long.
func (w *worker) alarmWaiting(ctx context.Context, waiting []naming.Waiting) {
	now := w.a.now()
	still := map[string]bool{}
	for _, f := range waiting {
		if f.Reason == naming.WaitIgnored || f.Reason == outbox.WaitPickup {
			continue
		}
		key := "file " + f.Name + " " + string(f.Reason)
		still[key] = true
		w.mu.Lock()
		since, known := w.alarms[key]
		if !known {
			since = now
			w.alarms[key] = now
		}
		raised := since.IsZero()
		ring := !raised && (f.Alarm || now.Sub(since) >= w.box().partner.Outbox.WaitingAlarm)
		if ring {
			w.alarms[key] = time.Time{}
		}
		w.mu.Unlock()
		if !ring {
			continue
		}
		w.log.Warn("a file waits", "file", f.Name, "reason", f.Reason, "text", f.Text)
		if err := w.a.event(ctx, ledger.Alarm, w.partner, "file-waits", f.Name+" waits: "+f.Text, "as2drop ls shows all that waits"); err != nil && !ofLedger(err) {
			w.log.Error("ledger", "error", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.alarms {
		if len(key) > 5 && key[:5] == "file " && !still[key] {
			delete(w.alarms, key)
		}
	}
}
