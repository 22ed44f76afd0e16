package alarms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) // a Thursday

// letters is a channel into a list.
type letters struct {
	got    []string // subjects
	ids    []string
	last   *Message
	broken error
}

func (l *letters) What() string { return "a list" }

func (l *letters) Send(_ context.Context, m *Message, told func(Step)) error {
	told(Step{"list", "it is there"})
	if l.broken != nil {
		l.ids = append(l.ids, m.ID)
		return l.broken
	}
	l.got, l.ids, l.last = append(l.got, m.Subject), append(l.ids, m.ID), m
	return nil
}

// place is a desk with its ledger and a clock that stands still.
type place struct {
	*Desk
	t       *testing.T
	now     time.Time
	pending Pending
	next    time.Time
	log     bytes.Buffer
	n       int
}

func newPlace(t *testing.T, receivers ...Receiver) *place {
	t.Helper()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &place{t: t, now: noon, pending: Pending{}}
	p.Desk = &Desk{Ledger: l, Now: func() time.Time { return p.now }, Rand: seq(0), Name: "edi", Version: "test", Zone: time.UTC, Receivers: receivers,
		Policy: Policy{GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, UpdateInterval: time.Hour, Repeat: 24 * time.Hour}}
	p.Log = slog.New(slog.NewTextHandler(&p.log, nil))
	p.round() // what was before is nobody's business
	return p
}

// seq is a source of bytes that differ.
type seq byte

func (s seq) Read(b []byte) (int, error) {
	n := time.Now().UnixNano()
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return len(b), nil
}

func (p *place) update(f func(tx *ledger.Tx) error) {
	p.t.Helper()
	if err := p.Ledger.Update(p.t.Context(), f); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) event(level ledger.Level, partner, code, subject, text string) {
	p.t.Helper()
	p.update(func(tx *ledger.Tx) error {
		return tx.AddEvent(ledger.Event{At: p.now, Level: level, Partner: partner, Code: code, Subject: subject, Text: text, Hint: "look"})
	})
}

// failed is a transfer that failed.
func (p *place) failed(id, key, retryOf string) {
	p.t.Helper()
	p.n++
	p.update(func(tx *ledger.Tx) error {
		return tx.InsertTransfer(&ledger.Transfer{ID: id, Partner: "acme", Key: key, Document: key + ".xml", State: ledger.StateFiled, Verdict: ledger.VerdictRejected, MessageID: fmt.Sprintf("<%d@us>", p.n), RetryOf: retryOf, Created: p.now})
	})
	p.event(ledger.Alarm, "acme", "failed", id, key+".xml: rejected: no")
}

// round does what the agent does once a second: with what is wrong at that moment.
func (p *place) round(now ...Condition) {
	p.t.Helper()
	for more := true; more; {
		var err error
		if more, err = p.Gather(p.t.Context(), now, p.now); err != nil {
			p.t.Fatal(err)
		}
	}
	var err error
	if p.next, err = p.Plan(p.t.Context(), p.pending, false); err != nil {
		p.t.Fatal(err)
	}
	p.deliver()
}

func (p *place) deliver() {
	p.t.Helper()
	owed, err := p.Owed(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for name, due := range owed {
		if !due.After(p.now) {
			if err := p.Deliver(p.t.Context(), name); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// after lets time go by, with a round at its end.
func (p *place) after(d time.Duration, now ...Condition) {
	p.t.Helper()
	p.now = p.now.Add(d)
	p.round(now...)
}

func (p *place) want(l *letters, subjects ...string) {
	p.t.Helper()
	if fmt.Sprintf("%q", l.got) != fmt.Sprintf("%q", subjects) {
		p.t.Fatalf("told %q\nwant %q", l.got, subjects)
	}
}

func paused(partner string) Condition {
	return Condition{Level: ledger.Alarm, Partner: partner, Code: status.CodePaused, Since: noon, Text: "nothing is sent: HTTP 401", Hint: "as2drop release " + partner}
}

// A storm of failed transfers is one message with a count and the first few of them; what
// comes later is another one after a while; and when something has become of all of them,
// that is told in the same thread.
func TestStorm(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	for i := range 500 {
		p.failed(fmt.Sprintf("t%03d", i), fmt.Sprintf("INV-%d", i), "")
	}
	p.round()
	p.want(office)
	if !p.next.Equal(noon.Add(30 * time.Second)) {
		t.Errorf("decides again at %v", p.next)
	}
	p.failed("t500", "INV-500", "")
	p.after(30 * time.Second)
	first := "[as2drop edi] ALARM: acme: 501 transfers failed"
	p.want(office, first)
	for _, part := range []string{"t000 INV-0.xml: rejected: no", "and 496 more", "as2drop retry t000", "since   Thu 2026-11-26 12:00:00 UTC"} {
		if !strings.Contains(office.last.Text, part) {
			t.Errorf("no %q in\n%s", part, office.last.Text)
		}
	}
	if strings.Contains(office.last.Text, "INV-5.xml") || len(office.last.JSON) > 10_000 {
		t.Errorf("it is long:\n%s", office.last.JSON)
	}
	thread := office.last.ID
	p.failed("t501", "INV-501", "")
	p.after(time.Second)
	p.after(time.Hour - 2*time.Second)
	p.want(office, first)
	p.after(time.Second)
	p.want(office, first, "[as2drop edi] ALARM: acme: 502 transfers failed")
	// 400 are sent again as new transfers, one by one with its document dropped anew, one is
	// dismissed, and the rest under the same identifier.
	for i := range 502 {
		id := fmt.Sprintf("t%03d", i)
		switch {
		case i < 400:
			p.update(func(tx *ledger.Tx) error {
				return tx.InsertTransfer(&ledger.Transfer{ID: "u" + id, Partner: "acme", Key: "new", State: ledger.StateFiled, Verdict: ledger.VerdictAccepted, MessageID: "<u" + id + ">", RetryOf: id})
			})
			id = "u" + id
		case i == 400:
			p.update(func(tx *ledger.Tx) error {
				return tx.InsertTransfer(&ledger.Transfer{ID: "v" + id, Partner: "acme", Key: "INV-400", State: ledger.StateFiled, Verdict: ledger.VerdictAccepted, MessageID: "<v" + id + ">"})
			})
			id = "v" + id
		case i == 401:
			p.event(ledger.Info, "acme", "operator-dismiss", id, "dismissed")
			continue
		}
		if i == 501 {
			p.after(10 * time.Minute)
			p.want(office, first, "[as2drop edi] ALARM: acme: 502 transfers failed")
		}
		p.event(ledger.Info, "acme", "sent", id, "accepted")
	}
	p.after(time.Second)
	p.want(office, first, "[as2drop edi] ALARM: acme: 502 transfers failed", "[as2drop edi] over: acme: 502 transfers failed")
	if len(office.last.Threads) != 1 || office.last.Threads[0] != thread {
		t.Errorf("the all-clear refers to %v, the alarm was %s", office.last.Threads, thread)
	}
	p.after(48 * time.Hour)
	p.want(office, first, "[as2drop edi] ALARM: acme: 502 transfers failed", "[as2drop edi] over: acme: 502 transfers failed")
}

// A transfer that is sent again and fails again is another failure of the same alarm.
func TestRetryFails(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.failed("t1", "INV-1", "")
	p.after(time.Second)
	p.after(time.Minute)
	p.failed("t2", "INV-1", "t1")
	p.after(2 * time.Hour)
	p.want(office, "[as2drop edi] ALARM: acme: a transfer failed: INV-1.xml: rejected: no", "[as2drop edi] ALARM: acme: 2 transfers failed")
	if !strings.Contains(office.last.Text, "open    1 of 2") {
		t.Error(office.last.Text)
	}
	p.event(ledger.Info, "acme", "sent", "t2", "accepted")
	p.after(10 * time.Minute)
	if len(office.got) != 3 || !strings.Contains(office.got[2], "over") {
		t.Errorf("%q", office.got)
	}
}

// What lasts is told once, and again after a day, until it is over, also by an agent that
// was started anew in between.
func TestLasting(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	c := paused("acme")
	p.event(ledger.Alarm, "acme", status.CodePaused, "", "nothing is sent to acme: HTTP 401")
	p.round(c)
	p.after(30*time.Second, c)
	raised := "[as2drop edi] ALARM: acme: nothing is sent: HTTP 401"
	p.want(office, raised)
	p.pending = Pending{} // a restart
	for range 23 {
		p.after(time.Hour, c)
	}
	p.want(office, raised)
	p.after(time.Hour, c)
	p.want(office, raised, "[as2drop edi] still ALARM: acme: nothing is sent: HTTP 401")
	p.after(time.Hour)
	p.want(office, raised, "[as2drop edi] still ALARM: acme: nothing is sent: HTTP 401", "[as2drop edi] over: acme: nothing is sent: HTTP 401")
	p.after(time.Second)
	p.update(func(tx *ledger.Tx) error {
		live, err := tx.LiveAlarms()
		if len(live) > 0 {
			t.Errorf("still live: %+v", live)
		}
		return err
	})
	p.after(keepFor + time.Hour)
	p.update(func(tx *ledger.Tx) error {
		past, err := tx.PastAlarms(10)
		if len(past) > 0 {
			t.Errorf("kept for ever: %+v", past)
		}
		return err
	})
}

// What is over before anybody was told is told all the same.
func TestOverBeforeItWasTold(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.round(paused("acme"))
	p.after(10 * time.Second)
	p.after(30 * time.Second)
	p.want(office, "[as2drop edi] over: acme: nothing is sent: HTTP 401")
	if !strings.Contains(office.last.Text, "WAS     acme") {
		t.Error(office.last.Text)
	}
}

// An event may be committed while the conditions are being looked at: they do not end what
// it began.
func TestEventBesideTheConditions(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.event(ledger.Alarm, "acme", status.CodePaused, "", "nothing is sent to acme: HTTP 401")
	p.after(time.Second)
	p.after(time.Second)
	p.after(15*time.Second, paused("acme"))
	p.after(30*time.Second, paused("acme"))
	p.want(office, "[as2drop edi] ALARM: acme: nothing is sent: HTTP 401")
}

// What happened and does not last has no all-clear; more of the same is told later, with a
// count.
func TestNotice(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.event(ledger.Alarm, "acme", "receipt-gave-up", "r1", "no receipt was posted")
	p.round()
	p.after(30 * time.Second)
	p.event(ledger.Alarm, "acme", "receipt-gave-up", "r2", "no receipt was posted either")
	p.after(time.Minute)
	p.after(time.Hour)
	p.after(3 * time.Hour)
	p.after(30 * time.Hour)
	p.want(office, "[as2drop edi] ALARM: acme: no receipt was posted", "[as2drop edi] ALARM: acme: 2 times receipt-gave-up, last: no receipt was posted either")
}

// Whom does what concern: by level, by partner; and who cannot be told is not told of that.
func TestWhoIsTold(t *testing.T) {
	all, some, acme, deaf := &letters{}, &letters{}, &letters{}, &letters{}
	p := newPlace(t, Receiver{Name: "all", Level: ledger.Warning, Channel: all}, Receiver{Name: "some", Level: ledger.Alarm, Channel: some},
		Receiver{Name: "acme", Level: ledger.Alarm, Partners: []string{"acme"}, Channel: acme}, Receiver{Name: "deaf", Level: ledger.Alarm, Channel: deaf})
	now := []Condition{
		{Level: ledger.Warning, Partner: "beta", Code: status.CodeHeld, Text: "3 transfers are held"},
		{Level: ledger.Warning, Partner: "acme", Code: status.CodeExpiry, Text: "expires in 14 days"},
		{Level: ledger.Alarm, Code: status.CodeSpace, Text: "the disk is full"},
		{Level: ledger.Alarm, Code: status.CodeUntold, Subject: "deaf", Text: "alarms do not reach deaf"},
	}
	p.event(ledger.Alarm, "", status.CodeUntold, "", "alarms do not reach deaf")
	p.round(now...)
	p.after(30*time.Second, now...)
	p.want(all, "[as2drop edi] ALARM: alarms do not reach deaf, and 3 more")
	p.want(some, "[as2drop edi] ALARM: alarms do not reach deaf, and 2 more")
	p.want(acme, "[as2drop edi] ALARM: acme: expires in 14 days")
	p.want(deaf, "[as2drop edi] ALARM: the disk is full, and 1 more")
	// What becomes a mere warning, and then is over, is told to whom it was told before.
	p.after(10*time.Minute, Condition{Level: ledger.Warning, Code: status.CodeSpace, Text: "the disk is nearly full"}, now[1], now[0])
	p.after(10*time.Minute, now[0], now[1])
	p.want(some, "[as2drop edi] ALARM: alarms do not reach deaf, and 2 more", "[as2drop edi] over: alarms do not reach deaf", "[as2drop edi] over: the disk is nearly full")
}

// A certificate is told of at each of its steps.
func TestSteps(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	c := Condition{Level: ledger.Warning, Partner: "acme", Code: status.CodeExpiry, Text: "expires in 30 days"}
	p.round(c)
	p.event(ledger.Warning, "acme", status.CodeExpiry, "", "expires in 30 days")
	p.after(time.Minute, c)
	p.after(2*time.Hour, c)
	p.want(office, "[as2drop edi] ALARM: acme: expires in 30 days")
	c.Text = "expires in 14 days"
	p.event(ledger.Warning, "acme", status.CodeExpiry, "", c.Text)
	p.after(time.Second, c)
	p.want(office, "[as2drop edi] ALARM: acme: expires in 30 days", "[as2drop edi] ALARM: acme: expires in 14 days")
	// As long as there is time it is not told each day; in the last week it is.
	p.after(5*24*time.Hour, c)
	p.want(office, "[as2drop edi] ALARM: acme: expires in 30 days", "[as2drop edi] ALARM: acme: expires in 14 days")
	urgent := Condition{Level: ledger.Alarm, Partner: "acme", Code: status.CodeExpiry, Text: "expires in 7 days"}
	p.after(time.Second, urgent, c)
	p.after(24*time.Hour, urgent, c)
	if len(office.got) < 3 || !strings.Contains(office.got[2], "still ALARM") {
		t.Errorf("%q", office.got)
	}
}

// An alarm that lasts does not end because somebody says so; one about what happened does,
// once.
func TestDone(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.failed("t1", "INV-1", "")
	p.round(paused("acme"))
	p.after(time.Minute, paused("acme"))
	var live []ledger.RaisedAlarm
	p.update(func(tx *ledger.Tx) (err error) { live, err = tx.LiveAlarms(); return err })
	if len(live) != 2 {
		t.Fatalf("%+v", live)
	}
	for _, a := range live {
		_, err := Done(t.Context(), p.Ledger, a.ID, "ann", p.now)
		if lasts := a.Code == status.CodePaused; errors.Is(err, ErrLasts) != lasts || err != nil && !lasts {
			t.Errorf("%s: %v", a.Code, err)
		}
		if _, err := Done(t.Context(), p.Ledger, a.ID, "ann", p.now); err == nil {
			t.Errorf("%s is done twice", a.Code)
		}
	}
	if _, err := Done(t.Context(), p.Ledger, "nothing", "ann", p.now); !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
	p.after(time.Hour, paused("acme"))
	if !strings.Contains(office.last.Text, "ann says that it was dealt with") || strings.Contains(office.last.Text, "401") {
		t.Error(office.last.Text)
	}
}
