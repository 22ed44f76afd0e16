package agent

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// wall is the clock of a test agent: it goes like the real one, but for an offset.
type wall struct{ offset atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *wall) set(t time.Time) { w.offset.Store(int64(time.Until(t))) }

// startAt runs an agent by the clock of a test.
func startAt(t *testing.T, cfg *config.Config, clock *wall) *running {
	t.Helper()
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w, err := openWorld(t.Context(), cfg, log, "test")
	if err != nil {
		t.Fatal(err)
	}
	w.now = clock.now
	w.current.Store(w.newSetup(t.Context(), cfg, w.setup(), w.partnerFolder))
	a := newRunning(t.Context(), w, Options{Log: log})
	a.start()
	t.Cleanup(func() {
		a.stop()
		a.end(time.Second)
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// edited is a config with one text in place of another.
func edited(t *testing.T, cfg *config.Config, old, with string) *config.Config {
	t.Helper()
	if !strings.Contains(cfg.Text, old) {
		t.Fatalf("%q is not in the config", old)
	}
	if err := os.WriteFile(cfg.Path, []byte(strings.Replace(cfg.Text, old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := config.Load(cfg.Path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// saturday is the next one at noon, UTC.
func saturday() time.Time {
	day := time.Now().UTC().Truncate(24 * time.Hour)
	return day.AddDate(0, 0, int(time.Saturday-day.Weekday())).Add(12 * time.Hour)
}

// open is the only transfer of a partner that is not done.
func open(t *testing.T, a *running, partner string) (tr ledger.Transfer) {
	t.Helper()
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		ts, err := tx.OpenTransfers(partner)
		if len(ts) == 1 {
			tr = ts[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// An agent that runs keeps its send window, and notices when the clock jumps: forward,
// and the window is open; far ahead, and a retry is made too soon; back, and what was
// set by the wrong clock is brought back.
func TestRunningAgentAndTheClock(t *testing.T) {
	var posts atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	cfg, dir := setUp(t, map[string]string{"acme": s.URL})
	cfg = edited(t, cfg, "allow_http: true,", `allow_http: true, time_zone: UTC, outbox: {window: "Mon-Fri 6-22"}, retry: {first: 1m},`)
	clock := &wall{}
	sat := saturday()
	clock.set(sat)
	a := startAt(t, cfg, clock)
	drop(t, dir, "acme", "INV-1.xml")
	monday := sat.AddDate(0, 0, 2).Truncate(24 * time.Hour).Add(6 * time.Hour)
	eventually(t, "it is sealed, and due on Monday", func() bool {
		tr := open(t, a, "acme")
		return tr.State == ledger.StateSealed && tr.Due.Equal(monday)
	})
	if n := posts.Load(); n != 0 {
		t.Errorf("%d posts while the window is closed", n)
	}
	attempts := func(n int) func() bool {
		return func() bool {
			tr := open(t, a, "acme")
			return tr.Attempts == n && tr.State == ledger.StateSealed
		}
	}
	jump(t, a, clock, monday.Add(time.Hour), "the clock went forward by 4")
	eventually(t, "it is tried when the clock says Monday", attempts(1))
	ahead := monday.AddDate(0, 0, 7*20)
	jump(t, a, clock, ahead, "the clock went forward by 33")
	// Longer than it was to be tried for: this is the last attempt, and it was made.
	eventually(t, "it is tried once more", func() bool {
		var ts []ledger.Transfer
		err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { ts, err = tx.RecentTransfers("acme", time.Time{}, 2); return err })
		if err != nil {
			t.Fatal(err)
		}
		return len(ts) == 1 && ts[0].State == ledger.StateFiled && ts[0].Attempts == 2 && ts[0].Verdict == ledger.VerdictGaveUp
	})
	drop(t, dir, "acme", "INV-2.xml")
	eventually(t, "another is tried by the wrong clock", attempts(1))
	jump(t, a, clock, monday.Add(2*time.Hour), "the clock was put back by 33")
	eventually(t, "its next moment is brought back", func() bool {
		wait := open(t, a, "acme").Due.Sub(clock.now())
		return wait < 2*time.Minute && wait > 0
	})
	if n := posts.Load(); n != 3 {
		t.Errorf("%d posts", n)
	}
}

// jump sets the clock, and waits until the agent tells of it.
func jump(t *testing.T, a *running, clock *wall, to time.Time, says string) {
	t.Helper()
	clock.set(to)
	eventually(t, says, func() bool {
		var events []ledger.Event
		err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents("", 50); return err })
		if err != nil {
			t.Fatal(err)
		}
		// What it leads to may be told already.
		return slices.ContainsFunc(events, func(e ledger.Event) bool { return e.Code == "clock" && strings.HasPrefix(e.Text, says) })
	})
}

// A running agent leaves files in the outbox until they are picked up, and wakes for it.
func TestRunningAgentAndPickups(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(s.Close)
	cfg, dir := setUp(t, map[string]string{"acme": s.URL})
	cfg = edited(t, cfg, "allow_http: true,", `allow_http: true, time_zone: UTC, outbox: {poll: 1h, pickup: "Mon-Fri at 6"},`)
	clock := &wall{}
	sat := saturday()
	clock.set(sat)
	a := startAt(t, cfg, clock)
	drop(t, dir, "acme", "INV-1.xml")
	// It was seen, and left: the moment is noted.
	monday := sat.AddDate(0, 0, 2).Truncate(24 * time.Hour).Add(6 * time.Hour)
	eventually(t, "the pick-up is noted", func() bool {
		var next ledger.Pickup
		err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { next, err = tx.Pickup("acme"); return err })
		return err == nil && next.Due.Equal(monday)
	})
	if tr := open(t, a, "acme"); tr.ID != "" {
		t.Errorf("%s was claimed on a Saturday", tr.Document)
	}
	// Two seconds before the moment: nothing but the time makes the worker look again.
	jump(t, a, clock, monday.Add(-2*time.Second), "the clock went forward by 4")
	if tr := open(t, a, "acme"); tr.ID != "" && clock.now().Before(monday) {
		t.Errorf("%s was claimed before its time", tr.Document)
	}
	eventually(t, "it is picked up", func() bool { return open(t, a, "acme").Posts == 1 })
}

// A jump is told once, also by who looks again after a fault.
func TestClocksJumpOnce(t *testing.T) {
	begun := time.Now()
	seen := &clocks{begun.Round(0), begun}
	if jump := seen.look(time.Now().Add(-time.Hour)).Round(time.Minute); jump != -time.Hour {
		t.Errorf("jumped by %v", jump)
	}
	if jump := seen.look(time.Now().Add(-time.Hour)).Round(time.Minute); jump != 0 {
		t.Errorf("jumped once more by %v", jump)
	}
}
