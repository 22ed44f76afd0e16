package outbox

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
)

func window(t *testing.T, text string) schedule.Window {
	t.Helper()
	w, err := schedule.ParseWindow(text, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func moments(t *testing.T, text string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(text, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The moments of retries, by waits that grow, by a list, and by a schedule, within a
// window. The first failure is on a Friday.
func TestAgain(t *testing.T) {
	now := time.Date(2026, 11, 20, 21, 50, 0, 0, time.UTC)
	grow := Policy{First: time.Minute, Max: time.Hour, Factor: 2}
	list := Policy{Delays: []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}, Max: time.Hour}
	quarters := Policy{Schedule: moments(t, "every 15 minutes"), Max: time.Hour}
	office := func(p Policy) Policy { p.Window = window(t, "Mon-Fri 6-22"); return p }
	for name, c := range map[string]struct {
		policy Policy
		n      int
		least  time.Duration
		want   string
	}{
		"first wait":                       {grow, 1, 0, "20 21:51"},
		"third wait":                       {grow, 3, 0, "20 21:54"},
		"the partner asks for more":        {grow, 1, 20 * time.Minute, "20 22:10"},
		"a list, first":                    {list, 1, 0, "20 21:51"},
		"a list, third":                    {list, 3, 0, "20 22:20"},
		"a list goes on":                   {list, 50, 0, "20 22:20"},
		"a list, the partner asks":         {list, 1, 10 * time.Minute, "20 22:00"},
		"a schedule":                       {quarters, 1, 0, "20 22:00"},
		"a schedule, whatever the number":  {quarters, 40, 0, "20 22:00"},
		"a schedule, the partner asks":     {quarters, 1, 11 * time.Minute, "20 22:15"},
		"a schedule, he asks to a moment":  {quarters, 1, 10 * time.Minute, "20 22:00"},
		"in the window":                    {office(grow), 2, 0, "20 21:52"},
		"beyond the window":                {office(grow), 5, 0, "23 06:00"},
		"a list beyond the window":         {office(list), 3, 0, "23 06:00"},
		"a schedule beyond the window":     {office(quarters), 1, 0, "23 06:00"},
		"a schedule that never meets it":   {office(Policy{Schedule: moments(t, "daily at 2")}), 1, 0, "23 06:00"},
		"a schedule that comes much later": {Policy{Schedule: moments(t, "29 2 29 2 *")}, 1, 0, "29 02:29"},
	} {
		if got := c.policy.again(c.n, now, c.least, 0.5).Format("02 15:04"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// posting notes when messages are posted, and may do something meanwhile.
type posting struct {
	*world
	at   []time.Time
	each func()
}

func (p *posting) Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	p.at = append(p.at, p.world.now)
	if p.each != nil {
		p.each()
	}
	return p.world.Post(ctx, url, header, length, body)
}

func (p *posting) times() (s string) {
	for _, at := range p.at {
		s += at.Format("Mon 15:04 ")
	}
	return s
}

// live lets time pass from moment to moment until a transfer is done.
func live(t *testing.T, w *world, o *Outbox, id string) ledger.Transfer {
	t.Helper()
	for range 100 {
		must(o.Timely(context.Background()))
		tr := carry(t, o, id)
		if !tr.State.Open() {
			return tr
		}
		if tr.Hold != "" {
			t.Fatalf("held: %s", tr.Hold)
		}
		w.now = tr.Due
	}
	t.Fatal("it does not come to an end")
	return ledger.Transfer{}
}

// While the window is closed nothing is posted; time in it does not count, so that what
// is dropped on a Friday night is tried on Monday as often as on any other day.
func TestSendWindowHolds(t *testing.T) {
	friday := time.Date(2026, 11, 20, 21, 57, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		at       time.Time
		answers  []answer
		attempts int
		giveUp   time.Duration
		verdict  ledger.Verdict
		want     string
	}{
		"dropped while it is open":         {friday, []answer{accept}, 10, 24 * time.Hour, ledger.VerdictAccepted, "Fri 21:57 "},
		"dropped while it is closed":       {friday.Add(time.Hour), []answer{accept}, 10, 24 * time.Hour, ledger.VerdictAccepted, "Mon 06:00 "},
		"it closes between two tries":      {friday, []answer{busy, busy, busy, accept}, 10, 24 * time.Hour, ledger.VerdictAccepted, "Fri 21:57 Fri 21:58 Mon 06:00 Mon 06:04 "},
		"closed for longer than the time":  {friday.Add(time.Hour), []answer{busy, busy, accept}, 10, time.Hour, ledger.VerdictAccepted, "Mon 06:00 Mon 06:01 Mon 06:03 "},
		"attempts are counted":             {friday.Add(time.Hour), []answer{busy}, 3, 24 * time.Hour, ledger.VerdictGaveUp, "Mon 06:00 Mon 06:01 Mon 06:03 "},
		"open time is counted":             {friday, []answer{busy}, 10, 8 * time.Minute, ledger.VerdictGaveUp, "Fri 21:57 Fri 21:58 Mon 06:00 Mon 06:04 "},
		"open time is counted to the last": {friday, []answer{busy}, 10, 7*time.Minute + time.Millisecond, ledger.VerdictGaveUp, "Fri 21:57 Fri 21:58 Mon 06:00 Mon 06:04 "},
		"and not beyond":                   {friday, []answer{busy}, 10, 7*time.Minute - time.Second, ledger.VerdictGaveUp, "Fri 21:57 Fri 21:58 Mon 06:00 "},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, c.answers...)
			w.now = c.at
			post := &posting{world: w}
			o.Post = post
			o.p.Policy.Window, o.p.Policy.Attempts, o.p.Policy.GiveUpAfter = window(t, "Mon-Fri 6-22"), c.attempts, c.giveUp
			tr := live(t, w, o, scan(t, o).Claimed[0])
			if got := post.times(); got != c.want || tr.Verdict != c.verdict || tr.Posts != len(post.at) {
				t.Errorf("posted at %s(want %s), %q after %d attempts: %s", got, c.want, tr.Verdict, tr.Attempts, tr.Reason)
			}
			clean(t, o)
		})
	}
}

// A message that had to wait for others until the window was closed waits on, whatever
// an operator asks for; he is told.
func TestWindowClosesBeforeAPost(t *testing.T) {
	w, o := begin(t, accept)
	w.now = time.Date(2026, 11, 20, 21, 59, 0, 0, time.UTC)
	post := &posting{world: w}
	o.Post = post
	o.p.Policy.Window = window(t, "Mon-Fri 6-22")
	id := scan(t, o).Claimed[0]
	for row(t, o, id).State != ledger.StateSealed {
		_, err := o.Step(context.Background(), id)
		must(err)
	}
	w.now = w.now.Add(5 * time.Minute)
	if tr := carry(t, o, id); len(post.at) > 0 || tr.Due.Format("Mon 15:04") != "Mon 06:00" {
		t.Errorf("posted at %s; due %v", post.times(), tr.Due)
	}
	tr := row(t, o, id)
	text, err := o.retry(context.Background(), ledger.Wish{Kind: ledger.WishRetry, Transfer: id, By: "me"}, &tr)
	if err != nil || text != "INV-1.xml is posted when the send window opens: Mon 2026-11-23 06:00 UTC" {
		t.Errorf("%q %v", text, err)
	}
	tr = live(t, w, o, id)
	if got := post.times(); got != "Mon 06:00 " || tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("posted at %s, %q", got, tr.Verdict)
	}
	clean(t, o)
}

// The config opens the window while a transfer waits for it: it goes, whether the agent
// was started again for that or not.
func TestWindowThatIsSetWider(t *testing.T) {
	for name, anew := range map[string]func(*Outbox) error{
		"reload":  func(o *Outbox) error { return o.EndHolds(context.Background()) },
		"restart": func(o *Outbox) error { return o.Recover(context.Background()) },
	} {
		w, o := begin(t, accept)
		w.now = time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
		o.p.Policy.Window = window(t, "Mon-Fri 6-22")
		tr := carry(t, o, scan(t, o).Claimed[0])
		for _, c := range []struct{ window, due string }{{"Mon-Fri 8-22", "Mon 06:00"}, {"daily 6-22", "Sat 06:00"}, {"always", "Fri 23:00"}} {
			o.p.Policy.Window = window(t, c.window)
			must(anew(o))
			if tr = row(t, o, tr.ID); tr.Due.Format("Mon 15:04") != c.due {
				t.Errorf("%s: with %s it is due %v", name, c.window, tr.Due)
			}
		}
		if tr = carry(t, o, tr.ID); tr.Verdict != ledger.VerdictAccepted {
			t.Errorf("%s: %s", name, tr.State)
		}
		clean(t, o)
	}
}

// What paused a partner may be gone with another config, or with a new start: he is tried
// again then, and not when the time set for it has come. An operator's pause stays.
func TestPauseAndAnotherConfig(t *testing.T) {
	for name, anew := range map[string]func(*Outbox) error{
		"reload":  func(o *Outbox) error { return o.EndHolds(context.Background()) },
		"restart": func(o *Outbox) error { return o.Recover(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, accept)
			o.p.Policy.First = 6 * time.Hour
			o.p.Policy.Max = 6 * time.Hour
			o.Post = postFunc(func() (*as2.Answer, error) { return &as2.Answer{Status: 401}, nil })
			tr := carry(t, o, scan(t, o).Claimed[0])
			w.now = w.now.Add(time.Hour)
			if tr = carry(t, o, tr.ID); tr.Posts != 1 {
				t.Errorf("%d posts: it was not paused", tr.Posts)
			}
			o.Post = w
			must(anew(o))
			w.now = tr.Due
			if tr = carry(t, o, tr.ID); tr.Verdict != ledger.VerdictAccepted {
				t.Errorf("%s, due %v: %s", tr.State, tr.Due, tr.Reason)
			}
			must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
				return tx.SavePause(ledger.Pause{Partner: "acme", Since: w.now, Until: w.now.Add(time.Hour), By: "me", Reason: "r"})
			}))
			must(anew(o))
			var p ledger.Pause
			must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { p, err = tx.Pause("acme"); return err }))
			if !p.Until.Equal(w.now.Add(time.Hour)) {
				t.Errorf("an operator's pause: %+v", p)
			}
		})
	}
}

// Time paused is pushed over a window that is closed.
func TestPauseBeforeTheWindowCloses(t *testing.T) {
	w, o := begin(t, accept)
	w.now = time.Date(2026, 11, 20, 21, 58, 0, 0, time.UTC)
	o.p.Policy.Window, o.p.Policy.GiveUpAfter = window(t, "Mon-Fri 6-22"), 90*time.Second
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
		return tx.SavePause(ledger.Pause{Partner: "acme", Since: w.now, By: "me", Reason: "r"})
	}))
	tr := carry(t, o, scan(t, o).Claimed[0])
	if got := tr.Deadline.Round(time.Second).Format("Mon 15:04:05"); got != "Mon 06:00:30" || tr.Posts > 0 {
		t.Errorf("gives up %s", got)
	}
}

// A POST that is under way when the window closes is finished, and its answer counts.
func TestWindowClosesDuringAPost(t *testing.T) {
	w, o := begin(t, accept)
	w.now = time.Date(2026, 11, 20, 21, 59, 59, 0, time.UTC)
	o.Post = &posting{world: w, each: func() { w.now = w.now.Add(10 * time.Minute) }}
	o.p.Policy.Window = window(t, "Mon-Fri 6-22")
	tr := live(t, w, o, scan(t, o).Claimed[0])
	if tr.Verdict != ledger.VerdictAccepted || tr.Posts != 1 || w.now.Format("15:04:05") != "22:09:59" {
		t.Errorf("%q at %v, %d posts", tr.Verdict, w.now, tr.Posts)
	}
	clean(t, o)
}

// Retries by a list or by a schedule are counted like the others.
func TestRetriesByListAndSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		shape func(*Policy)
		want  string
	}{
		"list":     {func(p *Policy) { p.Delays = []time.Duration{2 * time.Minute, 5 * time.Minute} }, "Mon 12:00 Mon 12:02 Mon 12:07 Mon 12:12 "},
		"schedule": {func(p *Policy) { p.Schedule = moments(t, "every 15 minutes") }, "Mon 12:00 Mon 12:15 Mon 12:30 Mon 12:45 "},
		"schedule and deadline": {func(p *Policy) {
			p.Schedule, p.GiveUpAfter = moments(t, "every 15 minutes"), 30*time.Minute+time.Millisecond
		}, "Mon 12:00 Mon 12:15 Mon 12:30 "},
		"schedule and window": {func(p *Policy) {
			p.Schedule, p.Window = moments(t, "every hour"), window(t, "Mon-Fri 6-14")
		}, "Mon 12:00 Mon 13:00 Tue 06:00 Tue 07:00 "},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, busy)
			post := &posting{world: w}
			o.Post = post
			o.p.Policy.Attempts = 4
			c.shape(&o.p.Policy)
			tr := live(t, w, o, scan(t, o).Claimed[0])
			if got := post.times(); got != c.want || tr.Verdict != ledger.VerdictGaveUp || tr.Attempts != len(post.at) {
				t.Errorf("posted at %s(want %s), %q after %d attempts", got, c.want, tr.Verdict, tr.Attempts)
			}
		})
	}
}

// A paused partner is probed by the same moments as retries come.
func TestProbesByASchedule(t *testing.T) {
	w, o := begin(t, accept)
	o.p.Policy.Schedule = moments(t, "every 15 minutes")
	refused := &posting{world: w}
	o.Post = postFunc(func() (*as2.Answer, error) {
		refused.at = append(refused.at, w.now)
		if len(refused.at) == 4 {
			o.Post = w
		}
		return &as2.Answer{Status: 401}, nil
	})
	tr := live(t, w, o, scan(t, o).Claimed[0])
	if got := refused.times(); got != "Mon 12:00 Mon 12:15 Mon 12:30 Mon 12:45 " || tr.Verdict != ledger.VerdictAccepted || tr.Attempts != 1 {
		t.Errorf("probed at %s, %q, %d attempts", got, tr.Verdict, tr.Attempts)
	}
}

type postFunc func() (*as2.Answer, error)

func (f postFunc) Post(context.Context, string, []as2.Field, int64, func() (io.ReadCloser, error)) (*as2.Answer, error) {
	return f()
}
