package agent

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// told collects what an agent tells.
type told struct {
	mu     sync.Mutex
	states []State
	log    strings.Builder
}

func (n *told) notify(s State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.states = append(n.states, s)
}

func (n *told) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

// count is how often a state was told, and how often the log complained.
func (n *told) count(s State) (states, complaints int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, told := range n.states {
		if told == s {
			states++
		}
	}
	return states, strings.Count(n.log.String(), "does not answer itself")
}

func (n *told) all() []State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.states)
}

// The heart beats while the agent answers, and stops while a part that everybody needs is
// stuck.
func TestHeartbeat(t *testing.T) {
	cfg, _ := setUp(t, nil)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	var n told
	log := slog.New(slog.NewTextHandler(&n, nil))
	w, err := openWorld(t.Context(), cfg, log, "test")
	if err != nil {
		t.Fatal(err)
	}
	a := newRunning(t.Context(), w, Options{Log: log, Notify: n.notify, Heartbeat: 50 * time.Millisecond})
	a.start()
	t.Cleanup(func() {
		a.stop()
		a.end(time.Second)
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	beats := func() int { states, _ := n.count(Alive); return states }
	complaints := func() int { _, c := n.count(Alive); return c }
	eventually(t, "it beats", func() bool { return beats() >= 2 })

	a.changing.Lock()
	former := complaints()
	eventually(t, "somebody is missed", func() bool { return complaints() >= former+2 })
	silent := beats()
	eventually(t, "somebody is missed longer", func() bool { return complaints() >= former+4 })
	if beats() != silent {
		t.Error("it beats although nobody gets on")
	}
	a.changing.Unlock()
	eventually(t, "it beats again", func() bool { return beats() > silent })
}

func TestOneThatHangsIsNotAll(t *testing.T) {
	now := time.Now()
	long, lately := now.Add(-time.Hour), now.Add(-time.Second)
	a := &running{tenants: map[string]*tenant{}}
	if a.allHang(now, time.Minute) {
		t.Error("nobody is there, and all hang")
	}
	for _, partner := range []string{"a", "b"} {
		a.tenants[partner] = &tenant{worker: &worker{}}
		a.tenants[partner].worker.roundBegan.Store(&long)
	}
	if !a.allHang(now, time.Minute) {
		t.Error("all hang, and nobody says so")
	}
	a.tenants["b"].worker.roundBegan.Store(&lately)
	if a.allHang(now, time.Minute) {
		t.Error("one has begun lately")
	}
	a.tenants["b"].worker.roundBegan.Store(nil)
	if a.allHang(now, time.Minute) {
		t.Error("one rests between rounds")
	}
}

// What whoever started the agent is told, in its order; a wish for the end ends it, and
// one from before its time does not.
func TestStatesAndStops(t *testing.T) {
	cfg, _ := setUp(t, nil)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(LedgerPath(cfg.DataDir), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := func(l *ledger.Ledger, at time.Time) (id string) {
		t.Helper()
		id, err := ledger.NewID(time.Now(), rand.Reader)
		if err == nil {
			err = l.Update(context.Background(), func(tx *ledger.Tx) error {
				return tx.AddWish(ledger.Wish{ID: id, Kind: ledger.WishStop, By: "test", At: at})
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	old := stop(l, time.Now().Add(-time.Hour))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var n told
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), cfg, Options{Log: slog.New(slog.NewTextHandler(&n, nil)), Notify: n.notify})
	}()
	eventually(t, "it is ready", func() bool { ready, _ := n.count(Ready); return ready > 0 })
	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var w ledger.Wish
	err = i.Ledger().View(t.Context(), func(tx *ledger.Tx) (err error) { w, err = tx.Wish(old); return err })
	if err != nil || !strings.Contains(w.Result, "had ended already") {
		t.Errorf("the old wish: %+v, %v", w, err)
	}
	stop(i.Ledger(), time.Now())
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := n.all(); !slices.Equal(got, []State{Ready, Stopping}) {
		t.Errorf("told %v", got)
	}
}
