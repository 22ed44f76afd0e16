package outbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// The clock goes wrong in both directions while a transfer is on its way: an attempt
// comes sooner or later than it should, and everything else holds.
func TestClockThatJumps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	office := func(p *Policy) { p.Window = window(t, "Mon-Fri 6-22") }
	for name, c := range map[string]struct {
		shape   func(*Policy)
		ahead   time.Duration // of the clock while the first attempt is made
		after   time.Duration // when the next comes, once the clock is right
		restart bool          // the agent is started again before that
	}{
		"ahead by a year":                 {nil, year, time.Minute, false},
		"ahead by a year, and a restart":  {nil, year, time.Minute, true},
		"ahead by an hour":                {nil, time.Hour, time.Minute, false},
		"ahead by an hour, and a restart": {nil, time.Hour, time.Minute, true},
		"ahead, into the night":           {office, 14 * time.Hour, 4 * time.Hour, false},                                                     // at 02:00 it is 4 hours to the window
		"ahead, by a schedule":            {func(p *Policy) { p.Schedule = moments(t, "daily at 2") }, 25 * time.Hour, 14 * time.Hour, false}, // at its next moment
		"ahead, by a long schedule": {func(p *Policy) { // on the first of this month, not of a later one
			p.Schedule, p.GiveUpAfter = moments(t, "0 2 1 * *"), 60*24*time.Hour
		}, 10 * 24 * time.Hour, 7*24*time.Hour + 14*time.Hour, true},
		"behind by a year":                {nil, -year, -1, false},
		"behind by a year, and a restart": {nil, -year, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, busy, accept)
			if c.shape != nil {
				c.shape(&o.p.Policy)
			}
			right := w.now
			must(o.Timely(context.Background()))
			w.now = right.Add(c.ahead)
			must(o.Timely(context.Background()))
			id := scan(t, o).Claimed[0]
			tr := carry(t, o, id)
			if tr.Posts == 0 { // closed by the wrong clock
				if c.ahead != 14*time.Hour {
					t.Fatalf("nothing was posted: %+v", tr)
				}
			} else if tr.Attempts != 1 {
				t.Fatalf("%d attempts", tr.Attempts)
			}
			w.now = right
			if c.restart {
				policy := o.p.Policy
				o = w.outbox(o.Ledger)
				o.p.Policy = policy
				must(o.Recover(context.Background()))
			}
			must(o.Timely(context.Background()))
			tr = row(t, o, id)
			switch got := tr.Due.Sub(right); {
			case c.after > 0 && got != c.after, c.after < 0 && got > 0:
				t.Errorf("due in %v", got)
			}
			if longest := o.p.Policy.later(right, o.p.Policy.GiveUpAfter); tr.Deadline.After(longest) {
				t.Errorf("gives up %v, not after %v", tr.Deadline, longest)
			}
			if tr = live(t, w, o, id); tr.Verdict != ledger.VerdictAccepted {
				t.Errorf("%q: %s", tr.Verdict, tr.Reason)
			}
			total := 0
			for _, n := range w.partner.delivered {
				total += n
			}
			if total != 1 {
				t.Errorf("delivered %d times", total)
			}
			clean(t, o)
		})
	}
}

// While nothing happens to the clock nothing is written, and small corrections of it
// are none of our business.
func TestClockThatIsRight(t *testing.T) {
	w, o := begin(t, busy, accept)
	id := scan(t, o).Claimed[0]
	before := carry(t, o, id)
	for _, step := range []time.Duration{0, 10 * time.Second, -30 * time.Second, -20 * time.Second, 5 * time.Second} {
		w.now = w.now.Add(step)
		must(o.Timely(context.Background()))
	}
	if after := row(t, o, id); after.Version != before.Version {
		t.Errorf("it was written: due %v, before %v", after.Due, before.Due)
	}
	// Many small ones are a large one.
	for range 4 {
		w.now = w.now.Add(-50 * time.Second)
		must(o.Timely(context.Background()))
	}
	if after := row(t, o, id); after.Version == before.Version || after.Due.After(w.now.Add(2*time.Minute)) {
		t.Errorf("due %v, now %v", after.Due, w.now)
	}
}

// A fault of the ledger while the clock is put right: the next look does it.
func TestClockAndLedgerFail(t *testing.T) {
	w, o := begin(t, busy, accept)
	w.now = moment.Add(48 * time.Hour)
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	must(o.Timely(context.Background()))
	w.now = moment
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := o.Timely(stopped); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	must(o.Timely(context.Background()))
	if tr := row(t, o, id); tr.Due.Sub(moment) != time.Minute {
		t.Errorf("due %v", tr.Due)
	}
}

// A transfer that waits for its receipt waits as long as agreed, whatever the clock
// said when it was posted.
func TestClockThatJumpsWhileWaiting(t *testing.T) {
	w := newWorld(withhold, accept)
	w.async = true
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o := w.outbox(l)
	w.box = o
	w.now = moment.Add(1000 * time.Hour)
	id := scan(t, o).Claimed[0]
	if tr := carry(t, o, id); tr.State != ledger.StateWaiting || tr.Due.Sub(w.now) != 30*time.Minute {
		t.Fatalf("%s, due %v", tr.State, tr.Due)
	}
	must(o.Timely(context.Background()))
	w.now = moment.Add(time.Minute)
	must(o.Timely(context.Background()))
	tr := row(t, o, id)
	if tr.State != ledger.StateWaiting || tr.Due.Sub(w.now) != 30*time.Minute {
		t.Errorf("%s, due %v", tr.State, tr.Due)
	}
	// The receipt is late, and the message goes out again.
	w.now = tr.Due
	if tr = carry(t, o, id); tr.State != ledger.StateSealed || tr.Attempts != 1 || !tr.Unknown {
		t.Errorf("%s, %d attempts: %s", tr.State, tr.Attempts, tr.Reason)
	}
}

// A pause that was set by a clock that was ahead ends when its partner is probed.
func TestClockAndPause(t *testing.T) {
	w, o := begin(t, accept)
	w.now = moment.Add(1000 * time.Hour)
	o.Post = postFunc(func() (*as2.Answer, error) { return &as2.Answer{Status: 403}, nil })
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	must(o.Timely(context.Background()))
	w.now, o.Post = moment, w
	tr := live(t, w, o, id)
	if tr.Verdict != ledger.VerdictAccepted || w.now.Sub(moment) > 3*time.Hour {
		t.Errorf("%q after %v", tr.Verdict, w.now.Sub(moment))
	}
}

func TestTimely(t *testing.T) {
	p := Policy{First: time.Minute, Max: time.Hour, Factor: 2, GiveUpAfter: 24 * time.Hour, ReceiptWait: 2 * time.Hour}
	at := func(d time.Duration) time.Time { return moment.Add(d) }
	for name, c := range map[string]struct {
		t        ledger.Transfer
		due      time.Duration
		deadline time.Duration
	}{
		"right":                     {ledger.Transfer{State: ledger.StateSealed, Due: at(time.Hour), DueSet: at(-time.Minute), Deadline: at(time.Hour)}, time.Hour, time.Hour},
		"due already":               {ledger.Transfer{State: ledger.StateSealed, Due: at(0), DueSet: at(time.Hour), Deadline: at(time.Hour)}, 0, time.Hour},
		"set a little ahead":        {ledger.Transfer{State: ledger.StateSealed, Due: at(2 * time.Minute), DueSet: at(time.Minute), Deadline: at(time.Hour)}, 2 * time.Minute, time.Hour},
		"set ahead":                 {ledger.Transfer{State: ledger.StateSealed, Due: at(3 * time.Minute), DueSet: at(2 * time.Minute), Deadline: at(time.Hour)}, time.Minute, time.Hour},
		"not known when it was set": {ledger.Transfer{State: ledger.StateSealed, Due: at(3 * time.Hour), Deadline: at(time.Hour)}, 0, time.Hour},
		"waits for its receipt":     {ledger.Transfer{State: ledger.StateWaiting, Due: at(3 * time.Hour), Deadline: at(time.Hour)}, 3 * time.Hour, time.Hour},
		"the deadline":              {ledger.Transfer{State: ledger.StateSealed, Due: at(0), Deadline: at(100 * time.Hour)}, 0, 24 * time.Hour},
	} {
		tr := c.t
		why := timely(&tr, moment, p)
		if tr.Due.Sub(moment) != c.due || tr.Deadline.Sub(moment) != c.deadline || (why != "") != (fmt.Sprint(tr) != fmt.Sprint(c.t)) {
			t.Errorf("%s: due in %v, deadline in %v: %s", name, tr.Due.Sub(moment), tr.Deadline.Sub(moment), why)
		}
	}
}
