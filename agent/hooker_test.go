package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// withHooks gives the loopback partner hooks.
func withHooks(t *testing.T, cfg *config.Config, hooks string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "naming: {quiet: 0s}}", "naming: {quiet: 0s}, hooks: "+hooks+"}", 1)
	if err := os.WriteFile(cfg.Path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err = config.Load(cfg.Path, time.Now()); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A service that does not answer delays nobody: documents are sent and received meanwhile,
// and no more is asked of it at once than is configured.
func TestAHookThatHangsDelaysNobody(t *testing.T) {
	var now, most, all atomic.Int64
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		all.Add(1)
		<-hang
	}))
	t.Cleanup(s.Close)
	cfg, dir := setUp(t, nil)
	cfg = withHooks(t, cfg, `{after_sent: {name: slow, url: "`+s.URL+`"}, after_received: {name: slow, url: "`+s.URL+`"}, parallel: 3}`)
	start(t, cfg)
	for _, name := range []string{"A.xml", "B.xml", "C.xml", "D.xml"} {
		drop(t, dir, "loopback", name)
	}
	partner := filepath.Join(dir, "data", "partners", "loopback")
	eventually(t, "all four are sent and received, and three hooks are asked", func() bool {
		sent, _ := filepath.Glob(filepath.Join(partner, "sent", "*", "*", "receipt.mdn"))
		received, _ := filepath.Glob(filepath.Join(partner, "inbox", "*.xml"))
		return len(sent) == 4 && len(received) == 4 && now.Load() >= 3
	})
	close(hang)
	eventually(t, "each of the eight hooks was told", func() bool { return all.Load() == 8 })
	if most.Load() != 3 {
		t.Errorf("%d were asked at once", most.Load())
	}
	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() // nothing was written
	eventually(t, "nothing is owed any more", func() bool {
		n := -1
		err := i.Ledger().View(t.Context(), func(tx *ledger.Tx) (err error) { n, err = tx.OpenHooks("loopback"); return err })
		return err == nil && n == 0
	})
}

// Hooks that were owed when they were in the config are closed by an agent that knows none.
func TestOwedHooksOfAnotherConfig(t *testing.T) {
	cfg, _ := setUp(t, nil)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(LedgerPath(cfg.DataDir), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		return tx.OweHook("loopback", ledger.HookAfterSent, "gone", "t1", later)
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	eventually(t, "it is closed", func() bool {
		var h ledger.OwedHook
		err := l.View(t.Context(), func(tx *ledger.Tx) (err error) { h, err = tx.Hook("t1", ledger.HookAfterSent, "gone"); return err })
		return err == nil && h.Outcome == ledger.HookGone
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
