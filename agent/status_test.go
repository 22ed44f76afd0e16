package agent

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestConclude(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	trouble := func(n int) *ledger.Trouble {
		return &ledger.Trouble{Since: ago(time.Hour), Count: n, Reason: "no route", Hint: "ask them"}
	}
	for name, c := range map[string]struct {
		partner status.Partner
		status  status.Status
		state   string
		problem string // empty = none
	}{
		"well":                           {status.Partner{Open: 5, Files: 9}, status.Status{}, "ok", ""},
		"a folder that is gone":          {status.Partner{Fault: "is the volume mounted?"}, status.Status{}, "out of order", "alarm: acme: is the volume mounted? (it is looked for again by itself)"},
		"a share that hangs":             {status.Partner{Hangs: ago(time.Minute)}, status.Status{}, "does not answer", "alarm: acme: its folder does not answer, since 2026-11-25 11:59:00 UTC (is its share reachable? nothing of the partner goes on until it answers)"},
		"paused":                         {status.Partner{Open: 1, Pause: &ledger.Pause{Since: ago(time.Hour), Reason: "401", Hint: "correct the password", By: "agent"}}, status.Status{}, "paused", "alarm: acme: nothing is sent: 401, since 2026-11-25 11:00:00 UTC (correct the password)"},
		"paused, and a batch is ready":   {status.Partner{Ready: 1, OldestReady: ago(time.Second), Pause: &ledger.Pause{Since: ago(time.Hour), Reason: "401", By: "agent"}}, status.Status{}, "paused", "alarm: acme: nothing is sent: 401, since 2026-11-25 11:00:00 UTC (as2drop release acme)"},
		"paused, and nothing waits":      {status.Partner{Pause: &ledger.Pause{Since: ago(time.Hour), Reason: "401", Hint: "correct the password", By: "agent"}}, status.Status{}, "paused", "warning: acme: nobody got through, and nothing waits to be sent; the next document tries again: 401, since 2026-11-25 11:00:00 UTC (correct the password)"},
		"paused by somebody":             {status.Partner{Pause: &ledger.Pause{Since: ago(time.Hour), Reason: "stocktaking"}}, status.Status{}, "paused", "alarm: acme: nothing is sent: stocktaking, since 2026-11-25 11:00:00 UTC (as2drop release acme)"},
		"two attempts that failed":       {status.Partner{Trouble: trouble(2)}, status.Status{}, "ok", ""},
		"three":                          {status.Partner{Trouble: trouble(3)}, status.Status{}, "failing", "alarm: acme: 3 attempts in a row failed, last: no route, since 2026-11-25 11:00:00 UTC (ask them)"},
		"a batch that was seen just now": {status.Partner{Ready: 1, OldestReady: ago(14 * time.Minute)}, status.Status{}, "ok", ""},
		"one that nobody takes":          {status.Partner{Ready: 7, OldestReady: ago(16 * time.Minute)}, status.Status{}, "behind", "alarm: acme: 7 complete batches wait in the outbox, the oldest for more than 15m0s, since 2026-11-25 11:44:00 UTC (as2drop ls acme shows what is under way; the log says whether something is stuck)"},
		"held":                           {status.Partner{Open: 2, Held: 1}, status.Status{}, "held", "warning: acme: 1 transfers are held (as2drop ls acme says why)"},
		"a worker that was restarted":    {status.Partner{Restarts: 2, Restarted: ago(time.Minute)}, status.Status{}, "ok", "alarm: acme: its worker ended unexpectedly and was started again, 2 times since the agent started, since 2026-11-25 11:59:00 UTC (report it with the log)"},
		"hooks that are owed":            {status.Partner{Hooks: 3}, status.Status{}, "ok", ""},
		"hooks that fail":                {status.Partner{Hooks: 3, HookFails: "after_sent \"erp\" for t1: exit status 3", HookFailsAt: ago(time.Hour)}, status.Status{}, "ok", "warning: acme: hooks fail, and 3 are owed: after_sent \"erp\" for t1: exit status 3, since 2026-11-25 11:00:00 UTC (they are run again by themselves; as2drop show ID says when)"},
		"a worker, long ago":             {status.Partner{Restarts: 2, Restarted: ago(2 * time.Hour)}, status.Status{}, "ok", ""},
		"a volume that fills up":         {status.Partner{Free: 1 << 40}, status.Status{Free: 300 << 20}, "ok", "warning: /data has 300 MiB free; below 256 MiB nothing is accepted or posted (make room)"},
		"a volume that is full":          {status.Partner{Free: 1 << 40}, status.Status{Free: 200 << 20}, "ok", "alarm: /data has 200 MiB free, less than the reserve of 256 MiB: nothing is accepted or posted (make room; it goes on by itself then)"},
		"a volume of the partner's own":  {status.Partner{Free: 10 << 20}, status.Status{}, "ok", "alarm: acme: acme's folder has 10 MiB free, less than the reserve of 256 MiB: nothing is accepted or posted (make room; it goes on by itself then)"},
		"a ledger that takes nothing":    {status.Partner{}, status.Status{Ledger: "disk full"}, "ok", "alarm: the ledger takes nothing: disk full (nothing is accepted or posted until it does; as2drop check says more)"},
		"a config that was not taken":    {status.Partner{}, status.Status{Refused: "line 3"}, "ok", "alarm: the config was changed and not taken: line 3 (correct it; it is read again by itself)"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config.Config{DataDir: "/data", Reserve: 256 << 20, Partners: []*config.Partner{{Name: "acme", Outbox: config.Outbox{ReadyAlarm: 15 * time.Minute}, Station: &config.Station{}}}}
			s := c.status
			s.At = noon
			if s.Free == 0 {
				s.Free = 1 << 40
			}
			c.partner.Name = "acme"
			if c.partner.Free == 0 {
				c.partner.Free = s.Free
			}
			s.Partners = []status.Partner{c.partner}
			conclude(&s, cfg)
			var got []string
			for _, p := range s.Problems {
				got = append(got, p.String())
			}
			if s.Partners[0].State != c.state || strings.Join(got, "\n") != c.problem {
				t.Errorf("%s: %q\nwant %s: %q", s.Partners[0].State, got, c.state, c.problem)
			}
			if s.Alarm() != strings.HasPrefix(c.problem, "alarm") {
				t.Error("exit code")
			}
		})
	}
}

// A certificate is told at 30, 14, 7 and 1 days and when it is over, once each, also if
// the agent is started again.
func TestExpiringCertificatesAreToldOncePerStep(t *testing.T) {
	a := notStarted(t, nil)
	end := noon.AddDate(0, 0, 40)
	a.setup().cfg.Partners[0].Certificates = []*config.Certificate{{Sign: true, Certificates: []*x509.Certificate{{NotAfter: end, Subject: pkix.Name{CommonName: "old"}, Raw: []byte("x")}}}}
	a.setup().cfg.Partners[0].URL = "" // nothing is encrypted to it
	var told []string
	for day := range 45 {
		at := noon.AddDate(0, 0, day)
		for range 2 {
			if err := newHealth(a).tellExpiries(t.Context(), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		events, err := tx.RecentEvents("loopback", 20)
		for _, e := range events {
			told = append(told, fmt.Sprintf("%s %s", e.Level, e.Text[strings.Index(e.Text, "expire"):]))
		}
		return err
	})
	slices.Reverse(told)
	want := []string{"warning expires in 30 days, on 2027-01-04, and none follows", "warning expires in 14 days, on 2027-01-04, and none follows", "alarm expires in 7 days, on 2027-01-04, and none follows",
		"alarm expires in 1 days, on 2027-01-04, and none follows", "alarm expires in 0 days, on 2027-01-04, and none follows"}
	if err != nil || !slices.Equal(told, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

// notStarted is an agent with everything open and nobody at work.
func notStarted(t *testing.T, others map[string]string) *running {
	t.Helper()
	cfg, _ := setUp(t, others)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w, err := openWorld(t.Context(), cfg, log, "test")
	if err != nil {
		t.Fatal(err)
	}
	a := newRunning(t.Context(), w, Options{Log: log, Version: "test"})
	t.Cleanup(func() {
		a.stop()
		a.group.Wait()
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// ask gets a page of the health address.
func ask(t *testing.T, a *running, page string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + a.told.net.Addr().String() + page)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestHealthTellsTheTruth(t *testing.T) {
	a := notStarted(t, nil)
	cfg := *a.setup().cfg
	cfg.Health.Address = "127.0.0.1:0"
	told, err := a.listenForHealth(&cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.tellHealth(told)
	t.Cleanup(func() { a.tellHealth(nil) })
	expect := func(page string, status int, text string) {
		t.Helper()
		if got, body := ask(t, a, page); got != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %q, want %d with %q", page, got, body, status, text)
		}
	}
	expect("/readyz", 503, "starting")
	expect("/metrics", 200, "as2drop_ledger_commit_failures_total 0\n")
	a.health.look(t.Context())
	expect("/metrics", 200, `as2drop_partner_state{partner="loopback",state="ok"} 1`)
	expect("/healthz", 200, "ok")
	expect("/readyz", 200, "ready\n")

	folder := a.setup().boxes[0].partner.Folder
	giveBack := takeAway(t, folder)
	a.health.look(t.Context())
	expect("/readyz", 503, "no partner's folder is in order")
	expect("/readyz", 503, "is the volume mounted?")
	expect("/healthz", 200, "ok")
	giveBack()
	a.health.look(t.Context())
	expect("/readyz", 200, "ready\n")

	// A status that is not made any more: the agent hangs.
	now := a.now
	a.now = func() time.Time { return now().Add(status.Fresh + time.Second) }
	expect("/healthz", 503, "has not looked after itself")
	expect("/readyz", 503, "has not looked after itself")
	a.now = now
	a.stop()
	expect("/readyz", 503, "stopping")
	if s, err := status.Read(a.dataDir); err != nil || s.Version != "test" || len(s.Partners) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Alarms of the status are events when they begin and when they are over.
func TestAlarmsBeginAndEnd(t *testing.T) {
	a := notStarted(t, nil)
	a.setup().cfg.Reserve = 1 << 62
	a.health.look(t.Context())
	a.health.look(t.Context())
	a.setup().cfg.Reserve = 1
	a.health.look(t.Context())
	var codes []string
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		events, err := tx.RecentEvents("", 10)
		for _, e := range events {
			codes = append(codes, e.Code)
		}
		return err
	})
	if err != nil || fmt.Sprint(codes) != "[space-over space]" {
		t.Error(codes, err)
	}
}

// Who left the config leaves nothing behind that looks at his folder.
func TestProbesGoWithTheirPartner(t *testing.T) {
	a := notStarted(t, map[string]string{"acme": "https://acme.invalid/"})
	a.health.look(t.Context())
	if n := len(a.health.probes); n != 2 {
		t.Fatalf("%d probes", n)
	}
	now := a.setup()
	cfg := *now.cfg
	cfg.Partners = slices.DeleteFunc(slices.Clone(cfg.Partners), func(p *config.Partner) bool { return p.Name == "acme" })
	if !a.replace(now, a.newSetup(t.Context(), &cfg, now, a.partnerFolder)) {
		t.Fatal("the config was not taken")
	}
	a.health.look(t.Context())
	if a.health.probes["acme"] != nil || a.health.probes["loopback"] == nil {
		t.Errorf("%v", a.health.probes)
	}
}

// A batch counts as ready from the moment that it was seen so, whatever the time of its
// files says.
func TestHowLongABatchIsReady(t *testing.T) {
	a := notStarted(t, nil)
	b := a.setup().boxes[0]
	file := filepath.Join(b.partner.Folder, "outbox", "INV-1.xml")
	if err := errors.Join(os.WriteFile(file, []byte("<Invoice/>"), 0o600), os.Chtimes(file, noon, noon.AddDate(-1, 0, 0))); err != nil {
		t.Fatal(err)
	}
	var p probe
	p.ask(t.Context(), b, nil, noon)
	p.ask(t.Context(), b, nil, noon.Add(time.Hour))
	if s, hangs := p.status(noon); s.files != 1 || s.ready != 1 || !s.oldest.Equal(noon) || !hangs.IsZero() || s.fault != "" {
		t.Errorf("%+v, %v", s, hangs)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.ask(t.Context(), b, nil, noon.Add(2*time.Hour))
	if s, _ := p.status(noon); s.files != 0 || s.ready != 0 || !s.oldest.IsZero() {
		t.Errorf("%+v", s)
	}
}

// A worker that panics outside of any transfer shows in the status.
func TestARestartShows(t *testing.T) {
	a := notStarted(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w := newWorker(a, a.setup().boxes[0])
	a.tenants["loopback"] = &tenant{a: a, worker: w, ctx: ctx, stop: stop}
	w.panicked(panicked{Value: "boom"})
	a.health.look(t.Context())
	if s := a.health.latest.Load(); s.Partners[0].Restarts != 1 || len(s.Problems) != 1 || s.Problems[0].Code != status.CodeRestart {
		t.Errorf("%+v", s.Problems)
	}
}

// Who asks is answered because the folder of questions has an event, each time, and not because
// somebody looks every second.
func TestStatusIsAnsweredAtOnce(t *testing.T) {
	a := notStarted(t, nil)
	a.health.every = time.Hour
	a.watch.start()
	t.Cleanup(a.watch.close)
	a.group.Go(func() { a.health.run(a.ctx) })
	eventually(t, "the first status", func() bool { _, err := status.Read(a.dataDir); return err == nil })
	for i := range 3 {
		asked := time.Now()
		if s, err := status.Ask(a.dataDir, time.Minute); err != nil || !s.At.After(asked) {
			t.Fatalf("question %d was asked %v, and there is a status of %v: %v", i, asked, s.At, err)
		}
	}
}
