package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/ledger"
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
	rounds     *sleeper
	transfers  sync.WaitGroup // those that are carried on
	nudges     atomic.Int64   // counted, so that one that comes during a round is not overlooked
	asks       atomic.Int64   // those among them that want a look at the outbox
	idleAt     atomic.Int64   // what nudges was when a round found nothing left to do
	roundBegan atomic.Pointer[time.Time]
	looked     looking
	waiting    waitingFiles
	queue      known
	stuck      atomic.Bool                  // a file waits that the departure of another one may help
	scans      atomic.Int64                 // looks at the outbox
	listed     atomic.Int64                 // entries that they found
	ready      atomic.Pointer[readyBatches] // what is left of the last look; nil = there was none
	files      int                          // entries of the last look
	alarms     map[string]time.Time
	came       func()    // employs those who see to what was received
	cameLooked time.Time // when it was looked last whether there is any

	mu      sync.Mutex
	busy    map[string]bool      // transfers under way, each in a slot
	line    []string             // transfers that were due when the queue was read, and have no slot yet
	resting map[string]time.Time // transfers that failed on a fault of ours, and until when they are let be
	panics  map[string]int
	awaited map[string]bool // keys that files in the outbox wait for
	ended   int             // transfers that are over

	watched   string    // the folder whose file events nudge; of rounds alone, as is the next
	unwatched bool      // it was not there when its events were asked for
	polled    string    // why the outbox is polled; empty = file events are to be had
	restarts  int       // of the worker or a receiver
	restarted time.Time // the last one
}

func newWorker(a *running, b *box) *worker {
	w := &worker{
		a: a, partner: b.partner.Name, log: a.log.With("partner", b.partner.Name), seen: outbox.NewObserver(),
		alarms: map[string]time.Time{}, busy: map[string]bool{}, resting: map[string]time.Time{}, panics: map[string]int{},
	}
	w.rounds = &sleeper{work: w.nextRound, report: w.panicked}
	w.current.Store(b)
	w.idleAt.Store(-1)
	return w
}

// box is the partner as it is configured at the moment.
func (w *worker) box() *box { return w.current.Load() }

// idle reports whether nothing is left to do and nobody has asked to look since.
func (w *worker) idle() bool { return w.idleAt.Load() == w.nudges.Load() }

// nudge has the worker see to its transfers soon. It never blocks.
func (w *worker) nudge() {
	w.nudges.Add(1)
	w.rounds.rouse()
}

// look has the worker look at the outbox soon. It never blocks.
func (w *worker) look() {
	w.asks.Add(1)
	w.nudge()
}

// event is called for file events in the outbox. Most files that leave it were taken by
// ourselves.
func (w *worker) event(departed bool) {
	if !departed || w.stuck.Load() {
		w.look()
	}
}

// nextRound is what the worker does each time when it is roused, or has waited for long enough.
func (w *worker) nextRound(ctx context.Context) (wait time.Duration) {
	started, nudges := time.Now(), w.nudges.Load()
	w.roundBegan.Store(&started)
	w.seeToReceived(ctx)
	wait, idle := w.round(ctx)
	w.roundBegan.Store(nil)
	if !idle {
		nudges = -1
	}
	w.idleAt.Store(nudges)
	return wait
}

// end waits for what the worker does, once its context is over.
func (w *worker) end() {
	w.rounds.end()
	w.transfers.Wait()
	w.a.watch.remove(w.watched)
}

// faultWait is how long a worker waits at most after a fault of ours (disk, ledger).
const faultWait = 5 * time.Second

// round looks at the outbox if it is time, starts what is due and says how long to wait.
func (w *worker) round(ctx context.Context) (wait time.Duration, idle bool) {
	b := w.box()
	if err := b.ready(); err != nil {
		w.looked = looking{} // whatever comes back is looked at at once
		return min(pollOf(b.partner), healEvery), w.heal(ctx, b, err)
	}
	err := b.outbox.Timely(ctx)
	if err == nil {
		err = w.lookIfTime(ctx, b)
	}
	if err != nil {
		w.complain(ctx, "scan", err)
	}
	// What was claimed goes on whatever is wrong with the outbox.
	due, open, qerr := w.startDue(ctx, b)
	if qerr != nil {
		w.complain(ctx, "ledger", qerr)
	}
	if err != nil || qerr != nil {
		return min(pollOf(b.partner), faultWait), false
	}
	wait = time.Until(w.nextLook(b))
	if !due.IsZero() {
		wait = min(wait, due.Sub(w.a.now()))
	}
	return wait, !open && w.looked.ready.IsZero() && w.seen.Left() == 0 && !w.seen.Short() && w.looked.asks == w.asks.Load()
}

// nextLook is when the outbox is looked at next: at the moments of its schedules, too.
func (w *worker) nextLook(b *box) time.Time {
	l := &w.looked
	next := l.next(l.asks != w.asks.Load() || w.seen.Short(), w.seen.Left() > 0 && !w.seen.Short(), pollOf(b.partner))
	for _, at := range []time.Time{b.partner.Outbox.Rescan.Next(l.wall), l.pickup} {
		if at.IsZero() {
			continue
		}
		if scheduled := time.Now().Add(at.Sub(w.a.now())); scheduled.Before(next) {
			next = scheduled
		}
	}
	return next
}

// timeToLook reports whether the outbox is looked at now. What another config makes of it
// is not known yet.
func (w *worker) timeToLook() bool {
	b := w.box()
	return b != w.looked.box || !w.nextLook(b).After(time.Now())
}

// lookIfTime looks at the outbox if it is time to.
func (w *worker) lookIfTime(ctx context.Context, b *box) error {
	if !w.timeToLook() {
		return nil
	}
	w.keepWatch() // before the look: whatever comes after it is told of
	done, err := w.a.shared.take(ctx, w.partner)
	if err != nil {
		return nil // the agent ends
	}
	defer done()
	l, ended := &w.looked, w.endedYet()
	*l = looking{box: b, began: time.Now(), wall: w.a.now(), asks: w.asks.Load()}
	w.scans.Add(1)
	defer w.a.collects.lookAt(w.files)()
	report, err := b.outbox.Scan(ctx, w.seen)
	w.tellReady()
	b.outbox.Take(ctx, w.seen)
	l.took = time.Since(l.began)
	w.listed.Add(int64(report.Listed))
	w.files = report.Listed
	if len(report.Claimed) > 0 {
		w.startAlone(ctx, b, report.Claimed)
		w.queue.stale = true
	}
	if err != nil {
		l.saw(faultWait)
		return err
	}
	ready := report.Ready
	if w.unwatched && (ready == 0 || ready > healEvery) {
		ready = healEvery
	}
	l.saw(ready)
	l.pickup = report.Pickup
	keys, stuck := awaited(report.Waiting)
	w.await(keys, ended)
	w.stuck.Store(stuck)
	w.alarmWaiting(ctx, report.Waiting)
	return nil
}

// tellReady makes known what the outbox holds ready.
func (w *worker) tellReady() {
	n, oldest := w.seen.Ready()
	w.ready.Store(&readyBatches{n, oldest})
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

// carryOn steps a transfer until nothing is to be done for it now. What was configured
// anew meanwhile counts from the next step on.
func (w *worker) carryOn(ctx context.Context, id string) {
	p, ok := guarded(func() {
		for ctx.Err() == nil {
			b := w.box()
			if b.fault != nil {
				return // the worker opens it first
			}
			t, again, err := b.outbox.Carry(ctx, id, func() bool { return ctx.Err() == nil && w.box() == b })
			if err != nil {
				w.complain(ctx, "step "+id, err)
				if !w.rest(id) {
					select {
					case <-ctx.Done():
					case <-time.After(faultPause):
					}
				}
				return
			}
			if !again {
				w.tell(ctx, id, t)
				return
			}
		}
	})
	if !ok {
		w.transferPanicked(ctx, id, p)
	}
}

// tell logs what became of a transfer, which is read unless it has an ID. A pause is not
// looked for where one that was sent shows that there is none, and none was known.
func (w *worker) tell(ctx context.Context, id string, t ledger.Transfer) {
	var err error
	if known := t.ID != ""; !known || !t.Verdict.Sent() || w.knowsPause() {
		var pause ledger.Pause
		err = w.a.ledger.View(context.WithoutCancel(ctx), func(tx *ledger.Tx) (err error) {
			if !known {
				if t, err = tx.Transfer(id); err != nil {
					return err
				}
			}
			if pause, err = tx.Pause(w.partner); errors.Is(err, ledger.ErrNotFound) {
				return nil
			}
			return err
		})
		if err == nil {
			w.tellPause(pause)
		}
	}
	if err == nil {
		w.over(t)
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

// knowsPause reports whether it was told that nothing is sent to the partner.
func (w *worker) knowsPause() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.alarms["pause"].IsZero()
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
func (w *worker) transferPanicked(ctx context.Context, id string, p panicked) {
	w.mu.Lock()
	w.panics[id]++
	n := w.panics[id]
	w.mu.Unlock()
	w.log.Error("a transfer made its worker panic", "transfer", id, "times", n, "panic", p.Value, "stack", p.Stack)
	err := w.a.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		row, err := tx.Transfer(id)
		if err != nil {
			return err
		}
		e := ledger.Event{At: w.a.now().UTC(), Level: ledger.Alarm, Partner: w.partner, Subject: id, Code: "panic", Text: row.Document + ": the worker panicked on it: " + p.Value}
		if n < maxPanics {
			return tx.AddEvent(e)
		}
		row.Hold, row.HoldBy = "quarantined: the worker panicked on it three times, last with: "+p.Value, "agent"
		e.Hint = "report it with the log; the files are in .work/" + id
		return errors.Join(tx.AddEvent(e), tx.SaveTransfer(&row))
	})
	if err != nil {
		w.complain(ctx, "panic "+id, err)
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
	if what == causeSpace || what == causeReadOnly {
		if volume := volumeOf(w.box().folder); volume != "" {
			w.a.volumes.met(volumeFault{volume, what}, w.partner, err.Error(), hint)
			return
		}
	}
	if quiet {
		return
	}
	if eerr := w.a.event(ctx, ledger.Alarm, w.partner, "fault", err.Error(), hint); eerr != nil && !ofLedger(eerr) {
		w.log.Error("ledger", "error", eerr)
	}
}
