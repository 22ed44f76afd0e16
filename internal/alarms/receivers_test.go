package alarms

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// A receiver that does not answer is tried again under the same identifier, keeps nobody
// else, and shows; after an hour it gets one message of what is so then.
func TestReceiverDown(t *testing.T) {
	office, down := &letters{}, &letters{broken: &Failure{"connect", "refused", "is it running?"}}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office}, Receiver{Name: "down", Level: ledger.Alarm, Channel: down})
	p.round(paused("acme"))
	p.after(30*time.Second, paused("acme"))
	p.want(office, "[as2drop edi] ALARM: acme: nothing is sent: HTTP 401")
	p.after(10*time.Second, paused("acme"))
	p.after(5*time.Second, paused("acme")) // not yet again
	if len(down.ids) != 2 || down.ids[0] != down.ids[1] {
		t.Fatalf("tried as %v", down.ids)
	}
	untold := func() (reason string) {
		p.update(func(tx *ledger.Tx) error {
			rows, err := tx.AlarmReceivers()
			for _, r := range rows {
				if !r.Failing.IsZero() {
					reason = r.Name + ": " + r.Reason + " since " + r.Failing.Format(time.TimeOnly)
				}
			}
			return err
		})
		return reason
	}
	if got := untold(); got != "down: connect: refused since 12:00:30" {
		t.Error(got)
	}
	found, err := Check(t.Context(), p.Ledger)
	if err != nil || len(found) != 1 || found[0].Fact != "alarms do not reach down since 2026-11-26 12:00:30 UTC: connect: refused" {
		t.Errorf("%+v, %v", found, err)
	}
	if text := p.log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(text, "is it running?") {
		t.Error(text)
	}
	p.after(time.Hour) // acme goes on
	if len(down.ids) != 3 || down.ids[2] != down.ids[0] {
		t.Fatalf("tried as %v", down.ids)
	}
	p.after(10*time.Minute, paused("beta"))
	down.broken = nil
	p.after(10*time.Minute, paused("beta"))
	if len(down.got) != 1 || down.ids[len(down.ids)-1] == down.ids[0] || !strings.Contains(down.got[0], "beta") || !strings.Contains(down.got[0], "1 over") {
		t.Errorf("%q", down.got)
	}
	if got := untold(); got != "" {
		t.Error(got)
	}
}

// Some of the recipients of a mail are refused: the others have it, and that shows.
func TestPartly(t *testing.T) {
	office := &letters{broken: &Partly{Failure{"recipient", "bob: no such user", "correct it"}}}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.round(paused("acme"))
	p.after(30*time.Second, paused("acme"))
	p.after(10*time.Hour, paused("acme"))
	if len(office.ids) != 1 {
		t.Errorf("sent %d times", len(office.ids))
	}
	p.update(func(tx *ledger.Tx) error {
		rows, err := tx.AlarmReceivers()
		if len(rows) != 1 || rows[0].Owed != nil || rows[0].Reason != "recipient: bob: no such user" || rows[0].Sent.IsZero() {
			t.Errorf("%+v", rows)
		}
		return err
	})
}

// A receiver that left the config is forgotten, and what it was owed is on record.
func TestReceiverGone(t *testing.T) {
	down := &letters{broken: errors.New("gone")}
	p := newPlace(t, Receiver{Name: "down", Level: ledger.Alarm, Channel: down})
	p.round(paused("acme"))
	p.after(time.Minute, paused("acme"))
	p.Receivers = []Receiver{{Name: "office", Level: ledger.Alarm, Channel: &letters{}}}
	p.after(time.Minute, paused("acme"))
	p.update(func(tx *ledger.Tx) error {
		rows, err := tx.AlarmReceivers()
		events, err2 := tx.RecentEvents("", 10)
		if len(rows) != 0 || len(events) != 1 || events[0].Code != "alarm-dropped" {
			t.Errorf("%+v, %+v", rows, events)
		}
		return errors.Join(err, err2)
	})
	// What happens while nobody is told is not told to the next one.
	p.Receivers = nil
	if err := p.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.failed("t1", "INV-1", "")
	office := &letters{}
	p.Receivers = []Receiver{{Name: "office", Level: ledger.Alarm, Channel: office}}
	p.after(time.Minute)
	p.after(time.Minute)
	for _, s := range office.got {
		if strings.Contains(s, "INV-1") {
			t.Errorf("%q", office.got)
		}
	}
}

// When the last receiver leaves the config nothing is left that would be followed by nobody:
// neither what was raised nor what was owed.
func TestLastReceiverGone(t *testing.T) {
	down := &letters{broken: errors.New("gone")}
	p := newPlace(t, Receiver{Name: "down", Level: ledger.Alarm, Channel: down})
	p.failed("t1", "INV-1", "")
	p.round(paused("acme"))
	p.after(time.Minute, paused("acme"))
	if found, err := Check(t.Context(), p.Ledger); err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	p.Receivers = nil
	if err := p.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := Check(t.Context(), p.Ledger); err != nil || len(found) != 0 {
		t.Errorf("check says %+v, %v", found, err)
	}
	p.update(func(tx *ledger.Tx) error {
		live, err := tx.LiveAlarms()
		events, err2 := tx.RecentEvents("", 10)
		if len(live) != 0 || len(events) != 1 || events[0].Code != "alarm-dropped" {
			t.Errorf("%+v, %+v", live, events)
		}
		return errors.Join(err, err2)
	})
}
