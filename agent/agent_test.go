package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

func TestSuperviseStartsAgainAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var starts []time.Duration
		var told []string
		supervise(ctx, func(ctx context.Context) {
			starts = append(starts, time.Since(began))
			if len(starts) < 4 {
				panic(fmt.Sprint("boom ", len(starts)))
			}
			stop()
		}, func(p panicked) { told = append(told, p.Value) })
		if fmt.Sprint(starts) != "[0s 1s 3s 7s]" || len(told) != 3 || told[2] != "boom 3" {
			t.Errorf("started at %v, told %q", starts, told)
		}
	})
}

func TestTwoAgentsOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	l, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockData(dir); err == nil || !strings.Contains(err.Error(), "another as2drop runs") {
		t.Errorf("a second agent: %v", err)
	}
	if !Running(dir) {
		t.Error("nobody runs")
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if Running(dir) {
		t.Error("somebody still runs")
	}
}

// setUp is a station with partners: ourselves over loopback, and others by URL.
func setUp(t *testing.T, others map[string]string) (*config.Config, string) {
	t.Helper()
	dir := t.TempDir()
	for _, r := range []keys.Request{{Name: "self"}, {Name: "tls", Hosts: []string{"127.0.0.1"}}} {
		r.Bits, r.Now = 2048, time.Now()
		if err := keys.Make(r, filepath.Join(dir, r.Name+".pem"), filepath.Join(dir, r.Name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	text := fmt.Sprintf(`data_dir: data
listen: [{address: %q, certificate: tls.pem, key: tls.key}]
stations:
  self: {as2_id: SELF, keys: [{certificate: self.pem, key: self.key}]}
partners:
  loopback: {as2_id: SELF, station: self, url: "https://%s/as2", certificates: self.pem, server_certificates: tls.pem, naming: {quiet: 0s}}
`, address, address)
	for name, url := range others {
		text += fmt.Sprintf("  %s: {as2_id: %s, station: self, url: %q, allow_http: true, certificates: self.pem, naming: {quiet: 0s}}\n", name, strings.ToUpper(name), url)
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return cfg, dir
}

// eventually waits until something is so, as long as the test may take.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it did not come about: %s", what)
		}
	}
}

// start runs an agent until the test ends.
func start(t *testing.T, cfg *config.Config) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	listening, ended := make(chan bool), make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test", Listening: func([]string) { close(listening) }})
	}()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func drop(t *testing.T, dir, partner, name string) {
	t.Helper()
	outbox := filepath.Join(dir, "data", "partners", partner, "outbox")
	eventually(t, outbox, func() bool { _, err := os.Stat(outbox); return err == nil })
	part := filepath.Join(outbox, name+".part")
	if err := os.WriteFile(part, []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, filepath.Join(outbox, name)); err != nil {
		t.Fatal(err)
	}
}

// A partner that never answers delays nobody else, and a wish reaches a running agent.
func TestAHangingPartnerDelaysNobody(t *testing.T) {
	hang := make(chan struct{})
	posts := make(chan bool, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts <- true
		<-hang
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hang) })
	cfg, dir := setUp(t, map[string]string{"dead": s.URL})
	start(t, cfg)
	for i := range 5 {
		drop(t, dir, "dead", fmt.Sprintf("D-%d.xml", i))
	}
	<-posts
	for i := range 20 {
		drop(t, dir, "loopback", fmt.Sprintf("L-%d.xml", i))
	}
	eventually(t, "20 are in sent", func() bool {
		sent, _ := filepath.Glob(filepath.Join(dir, "data", "partners", "loopback", "sent", "*", "L-*", "receipt.mdn"))
		return len(sent) == 20
	})

	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	w := ledger.Wish{ID: "w1", Kind: ledger.WishHold, Partner: "loopback", By: "me", Reason: "test", At: time.Now()}
	if err := i.Ledger().Update(t.Context(), func(tx *ledger.Tx) error { return tx.AddWish(w) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the wish is granted", func() bool {
		err := i.Ledger().View(t.Context(), func(tx *ledger.Tx) (err error) { w, err = tx.Wish("w1"); return err })
		return err == nil && !w.Done.IsZero()
	})
	if !strings.Contains(w.Result, "nothing is sent to loopback") {
		t.Error(w.Result)
	}
}

// panicking is a hook that cannot stand one document.
func panicking(_ context.Context, q outbox.Question) (outbox.Answer, string, error) {
	if q.Transfer.Document == "BAD.xml" {
		panic("cannot stand it")
	}
	return outbox.Answer{}, "", nil
}

// A transfer that makes its worker panic is held after three times; the others go on.
func TestQuarantine(t *testing.T) {
	cfg, dir := setUp(t, nil)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := openWorld(t.Context(), cfg, log, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := w.setup().boxes[0]
	p := outboxPartner(cfg, b.partner, b.folder)
	p.BeforeSend = []outbox.BeforeSend{{Name: "fragile", Ask: panicking}}
	b.outbox = outbox.New(outbox.Deps{Ledger: w.ledger, Now: w.now, Rand: w.rand, Post: client(b.partner), Process: "p", UserAgent: "test"}, p)
	a := newRunning(t.Context(), w, Options{Log: log})
	if a.listeners, err = w.listen(cfg, nil); err != nil {
		t.Fatal(err)
	}
	a.serve(a.listeners)
	drop(t, dir, "loopback", "BAD.xml")
	drop(t, dir, "loopback", "GOOD.xml")
	a.start()
	t.Cleanup(func() {
		a.stop()
		a.end(time.Second)
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	var held ledger.Transfer
	eventually(t, "BAD.xml is held and GOOD.xml sent", func() bool {
		sent, _ := filepath.Glob(filepath.Join(dir, "data", "partners", "loopback", "sent", "*", "GOOD.*"))
		err := w.ledger.View(t.Context(), func(tx *ledger.Tx) error {
			ts, err := tx.FindTransfers("BAD")
			if len(ts) == 1 {
				held = ts[0]
			}
			return err
		})
		return err == nil && held.Hold != "" && len(sent) == 1
	})
	if !strings.Contains(held.Hold, "quarantined") || !strings.Contains(held.Hold, "cannot stand it") || held.State != ledger.StateClaimed {
		t.Errorf("%s, held: %s", held.State, held.Hold)
	}
	err = w.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		n := 0
		events, err := tx.EventsOf(held.ID)
		for _, e := range events {
			if e.Code == "panic" {
				n++
			}
		}
		if n != maxPanics {
			t.Errorf("%d panics on record", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// An older copy of the ledger does not send what the newer one has sent already.
func TestOlderLedgerIsRefused(t *testing.T) {
	cfg, dir := setUp(t, nil)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	run := func() {
		t.Helper()
		if err := Run(t.Context(), cfg, Options{Log: log, Version: "test", UntilIdle: true}); err != nil {
			t.Fatal(err)
		}
	}
	run()
	backup, err := os.ReadFile(LedgerPath(cfg.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	run()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(LedgerPath(cfg.DataDir) + suffix)
	}
	if err := os.WriteFile(LedgerPath(cfg.DataDir), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "loopback", "INV-1.xml")
	run()
	if _, err := os.Stat(filepath.Join(dir, "data", "partners", "loopback", "outbox", "INV-1.xml")); err != nil {
		t.Errorf("the partner was not left alone: %v", err)
	}
}

// So is one that was copied as a file while the agent ran, however young it is.
func TestYoungCopyOfARunningLedgerIsRefused(t *testing.T) {
	cfg, dir := setUp(t, nil)
	h := &host{}
	a, end := h.on(t, cfg)
	files := map[string][]byte{LedgerPath(cfg.DataDir): nil, LedgerPath(cfg.DataDir) + "-wal": nil}
	drop(t, dir, "loopback", "INV-1.xml")
	eventually(t, "INV-1.xml is sent", func() bool { return sentBy(dir, "loopback", "INV-1.*") == 1 && a.idle() })
	for name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	drop(t, dir, "loopback", "INV-2.xml")
	eventually(t, "INV-2.xml is sent", func() bool { return sentBy(dir, "loopback", "INV-2.*") == 1 && a.idle() })
	end()
	os.Remove(LedgerPath(cfg.DataDir) + "-shm") // it may be gone
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, _ = h.on(t, cfg)
	if err := a.ready("loopback"); err == nil || !strings.Contains(err.Error(), "an older copy of it was put back") {
		t.Errorf("the partner was not left alone: %v", err)
	}
}
