package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// chat is a service of an operator that keeps what it is told.
type chat struct {
	*httptest.Server
	told chan alarms.Document
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{told: make(chan alarms.Document, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var d alarms.Document
		if err := errors.Join(err, json.Unmarshal(body, &d)); err != nil {
			t.Error(err)
		}
		c.told <- d
	}))
	t.Cleanup(c.Close)
	return c
}

// next is what it is told next.
func (c *chat) next(t *testing.T) alarms.Document {
	t.Helper()
	select {
	case d := <-c.told:
		return d
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody was told")
	}
	return alarms.Document{}
}

// told gives the config of an agent that does not run a receiver.
func withChat(a *running, c *chat) {
	cfg := a.setup().cfg
	cfg.Alarms = config.Alarms{Name: "edi", Repeat: time.Hour, UpdateInterval: time.Hour, Receivers: []*config.Receiver{{Name: "chat", Level: "alarm", Hook: &config.Hook{Name: "chat", URL: c.URL, Timeout: time.Minute}}}}
}

// What the status calls a problem is told when it begins and when it is over; each once.
func TestProblemIsTold(t *testing.T) {
	a, c := notStarted(t, nil), newChat(t)
	withChat(a, c)
	ctx := t.Context()
	pause := func(on bool) {
		err := a.ledger.Update(ctx, func(tx *ledger.Tx) error {
			if on {
				return tx.SavePause(ledger.Pause{Partner: "loopback", Since: noon, Reason: "HTTP 401", By: "operator"})
			}
			return tx.EndPause("loopback")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	a.now = func() time.Time { return now }
	turn := func() {
		a.health.look(ctx)
		if err := a.alarmer.round(ctx, false); err != nil {
			t.Fatal(err)
		}
		a.group.Wait()
		now = now.Add(time.Minute)
	}
	turn() // what was before is not told
	pause(true)
	turn()
	if d := c.next(t); d.Raised != 1 || !strings.Contains(d.Subject, "loopback: nothing is sent: HTTP 401") {
		t.Errorf("%+v", d)
	}
	turn()
	pause(false)
	turn()
	if d := c.next(t); d.Over != 1 || d.Alarms[0].State != "over" {
		t.Errorf("%+v", d)
	}
	turn()
	if len(c.told) > 0 {
		t.Errorf("%+v", <-c.told)
	}
}

// A ledger that takes nothing is told of without it, once an hour.
func TestLedgerThatTakesNothingIsTold(t *testing.T) {
	a, c := notStarted(t, nil), newChat(t)
	withChat(a, c)
	now := time.Now()
	a.now = func() time.Time { return now }
	turn := func() {
		s := &status.Status{At: now, Ledger: "the disk is full"}
		conclude(s, &config.Config{})
		a.health.latest.Store(s)
		if err := a.alarmer.round(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		a.group.Wait()
	}
	turn()
	if d := c.next(t); d.Raised != 1 || !strings.Contains(d.Text, "the ledger takes nothing: the disk is full") {
		t.Errorf("%+v", d)
	}
	now = now.Add(time.Hour - time.Second)
	turn()
	if len(c.told) > 0 {
		t.Errorf("told again: %+v", <-c.told)
	}
	now = now.Add(time.Second)
	turn()
	c.next(t)
}

// broken is a channel with a fault of ours.
type broken struct{}

func (broken) What() string { return "nowhere" }

func (broken) Send(context.Context, *alarms.Message, func(alarms.Step)) error { panic("told") }

// A fault of ours in telling of the ledger ends no agent.
func TestPanicWhileTellingOfTheLedger(t *testing.T) {
	a, c := notStarted(t, nil), newChat(t)
	withChat(a, c)
	s := &status.Status{At: time.Now(), Ledger: "the disk is full"}
	a.health.latest.Store(s)
	if err := a.alarmer.round(t.Context(), false); err != nil { // makes the desk
		t.Fatal(err)
	}
	c.next(t)
	a.group.Wait()
	a.alarmer.desk.Receivers[0].Channel = broken{}
	clear(a.alarmer.without)
	a.alarmer.tellWithout(t.Context(), s)
	a.group.Wait()
	if !time.Now().Before(a.alarmer.without["chat"]) {
		t.Error("it is tried again at once")
	}
}

// An alarm about a volume stays due until it is on record.
func TestVolumeAlarmIsNotLost(t *testing.T) {
	a := notStarted(t, nil)
	a.volumes.met(volumeFault{"1", causeSpace}, "loopback", "full", "make room")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := a.tellVolumes(ctx); err == nil {
		t.Fatal("it was recorded")
	}
	if due := a.volumes.due(a.now()); len(due) != 1 {
		t.Errorf("due: %v", due)
	}
	if err := a.tellVolumes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if due := a.volumes.due(a.now()); len(due) != 0 {
		t.Errorf("told, and still due: %v", due)
	}
}

// Nothing received for longer than is usual is a problem of the status, in words, until
// something comes.
func TestSilenceIsAProblem(t *testing.T) {
	a := notStarted(t, nil)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	a.health.started = now.AddDate(0, 0, -1)
	a.setup().find("loopback").partner.Location = time.UTC
	a.setup().find("loopback").partner.Expect.Grace = time.Hour
	came := func(at time.Time) {
		id := fmt.Sprintf("r%d", at.Unix())
		err := a.ledger.Update(t.Context(), func(tx *ledger.Tx) error {
			return tx.InsertReceived(&ledger.Received{ID: id, Partner: "loopback", From: "A", To: "B", MessageID: id, State: ledger.ReceivedPublished, At: at}, func(s string) string { return s })
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for day := 1; day < 70; day++ {
		came(time.Date(2026, 11, 26-day, 9, 0, 0, 0, time.UTC))
	}
	problem := func() string {
		a.health.look(t.Context())
		for _, p := range a.health.latest.Load().Problems {
			if p.Code == status.CodeNoGot {
				return p.String()
			}
		}
		return ""
	}
	if got := problem(); !strings.HasPrefix(got, "warning: loopback: nothing was received since Wed 2026-11-25 09:00 UTC; in 8 of the last 8 weeks") || !strings.Contains(got, "ask loopback whether they send") {
		t.Error(got)
	}
	// The clock was a year ahead when the agent began, and was put right.
	ahead := now.AddDate(1, 0, 0)
	a.health.started = ahead
	a.health.silences["loopback"] = silence{at: ahead, box: a.setup().find("loopback"), came: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	if got := problem(); !strings.HasPrefix(got, "warning: loopback: nothing was received since") {
		t.Errorf("with a clock that was ahead: %q", got)
	}
	came(now)
	if got := problem(); got != "" {
		t.Error(got)
	}
}
