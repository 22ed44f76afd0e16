package agent

import (
	"context"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// alarmer has people told of what is wrong.
type alarmer struct {
	a *running

	rounds  sync.Mutex // one round at a time; guards what follows
	desk    *alarms.Desk
	of      *setup // that the desk was made for
	pending alarms.Pending
	event   int64     // the last one that was gathered
	status  time.Time // when that was taken that was gathered last
	next    time.Time // when to plan at the latest; zero = never
	idle    bool      // it is on record that nobody is told
	// without are receivers who were told that the ledger takes nothing, with when they may be
	// told again.
	without map[string]time.Time

	mu   sync.Mutex
	busy map[string]bool // receivers to whom something is being sent
}

// alarmsEvery is how often it is looked whether there is something new to tell.
const alarmsEvery = time.Second

func newAlarmer(a *running) *alarmer {
	return &alarmer{a: a, pending: alarms.Pending{}, busy: map[string]bool{}, without: map[string]time.Time{}}
}

func (k *alarmer) run(ctx context.Context) {
	tick := time.NewTicker(alarmsEvery)
	defer tick.Stop()
	for {
		k.complain(ctx, k.round(ctx, false))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *alarmer) complain(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !ofLedger(err) {
		k.a.log.Error("alarms", "error", err)
	}
}

// round gathers what is new, plans whom to tell of it, and has told what is owed. With hurry
// nobody waits for more news.
func (k *alarmer) round(ctx context.Context, hurry bool) error {
	k.rounds.Lock()
	defer k.rounds.Unlock()
	s := k.a.health.latest.Load()
	if s == nil {
		return nil // nobody has looked yet
	}
	if setup := k.a.setup(); setup != k.of {
		desk, err := AlarmDesk(setup.cfg, k.a.ledger, k.a.log, k.a.options.Version, k.a.now)
		if err != nil {
			return err
		}
		k.desk, k.of, k.next = desk, setup, k.a.now()
	}
	if len(k.desk.Receivers) == 0 {
		return k.rest(ctx)
	}
	k.idle = false
	if s.Ledger != "" || k.a.ledger.Trouble() != nil {
		k.tellWithout(ctx, s)
		return nil
	}
	news, err := k.gather(ctx, s)
	if err != nil {
		return err
	}
	if now := k.a.now(); news || hurry || !k.next.IsZero() && !now.Before(k.next) {
		if k.next, err = k.desk.Plan(ctx, k.pending, hurry); err != nil {
			return err
		}
	}
	return k.deliver(ctx)
}

// rest notes once that nobody is told.
func (k *alarmer) rest(ctx context.Context) error {
	if k.idle {
		return nil
	}
	err := k.desk.Idle(ctx)
	k.idle = err == nil
	return err
}

// gather takes in what is new, if anything is.
func (k *alarmer) gather(ctx context.Context, s *status.Status) (news bool, err error) {
	var last int64
	err = k.a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { last, err = tx.LastEvent(); return err })
	if err != nil || last == k.event && s.At.Equal(k.status) {
		return false, err
	}
	conditions := make([]alarms.Condition, len(s.Problems))
	for i, p := range s.Problems {
		conditions[i] = alarms.Condition{Level: p.Level, Partner: p.Partner, Code: p.Code, Subject: p.Subject, Since: p.Since, Text: p.Text, Hint: p.Hint}
	}
	for more := true; more; {
		if more, err = k.desk.Gather(ctx, conditions, s.At); err != nil {
			return false, err
		}
	}
	k.event, k.status = last, s.At
	return true, nil
}

// deliver begins to send what is owed and due. One receiver that hangs keeps no other.
func (k *alarmer) deliver(ctx context.Context) error {
	owed, err := k.desk.Owed(ctx)
	if err != nil {
		return err
	}
	for name, due := range owed {
		if due.After(k.a.now()) || !k.begin(name) {
			continue
		}
		desk := k.desk
		k.a.group.Go(func() {
			defer k.end(name)
			k.send(ctx, desk, name)
		})
	}
	return nil
}

func (k *alarmer) send(ctx context.Context, desk *alarms.Desk, name string) {
	var err error
	if p, ok := guarded(func() { err = desk.Deliver(ctx, name) }); !ok {
		err = p.error()
	}
	k.complain(ctx, err)
}

// begin takes a receiver, unless somebody has it.
func (k *alarmer) begin(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[name] {
		return false
	}
	k.busy[name] = true
	return true
}

// end gives a receiver back; what has waited for that is planned in the next round.
func (k *alarmer) end(name string) {
	k.mu.Lock()
	delete(k.busy, name)
	k.mu.Unlock()
	k.rounds.Lock()
	defer k.rounds.Unlock()
	k.next = k.a.now()
}

// flush tells at once what there is to tell, and waits for it: the agent is about to end
// because nothing else is left to do.
func (k *alarmer) flush(ctx context.Context) {
	if len(k.a.setup().cfg.Alarms.Receivers) == 0 {
		return
	}
	k.a.health.look(ctx)
	k.complain(ctx, k.round(ctx, true))
	k.await(ctx)
}

// lastWordsFor is how long an agent that must end waits until that is told.
const lastWordsFor = 15 * time.Second

// lastWords tells that the ledger is lost, and waits for it: an agent that is started anew
// may not come so far.
func (k *alarmer) lastWords(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWordsFor)
	defer cancel()
	k.complain(ctx, k.round(ctx, false))
	k.await(ctx)
}

// await waits until nothing is being sent.
func (k *alarmer) await(ctx context.Context) {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for k.sending() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *alarmer) sending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.busy) > 0
}

// withoutRetry is when somebody is tried again who could not be told without the ledger.
const withoutRetry = time.Minute

// tellWithout tells of a ledger that takes nothing. Nothing of it can be recorded, so it is
// told again by an agent that was started anew; when the ledger takes commits again, its
// event tells the rest.
func (k *alarmer) tellWithout(ctx context.Context, s *status.Status) {
	text, hint := s.Ledger, ""
	if f := k.a.ledger.Trouble(); f != nil {
		text, hint = f.Fact, f.Hint()
	}
	if text == "" {
		return
	}
	c := alarms.Condition{Level: ledger.Alarm, Code: status.CodeLedger, Since: s.At, Text: "nothing is accepted or sent: the ledger takes nothing: " + text, Hint: hint}
	for i := range k.desk.Receivers {
		r := &k.desk.Receivers[i]
		if now := k.a.now(); len(r.Partners) > 0 || now.Before(k.without[r.Name]) || !r.Hours.Open(now) || !k.begin(r.Name) {
			continue
		}
		desk := k.desk
		k.a.group.Go(func() {
			defer k.end(r.Name)
			wait := desk.Policy.UpdateInterval
			var err error
			if p, ok := guarded(func() { err = desk.TellWithout(ctx, r, c) }); !ok {
				err = p.error()
			}
			if err != nil {
				k.a.log.Error("alarms", "receiver", r.Name, "error", err)
				wait = 0
			}
			k.rounds.Lock()
			defer k.rounds.Unlock()
			k.without[r.Name] = k.a.now().Add(max(wait, withoutRetry))
		})
	}
}
