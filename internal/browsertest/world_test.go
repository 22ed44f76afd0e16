//go:build browser

package browsertest

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

const password = "four words make one"

// patience is how long anything may take on a machine that has much else to do.
const patience = 3 * time.Minute

// world is an agent with its partners:
//
//	acme      takes everything
//	borealis  refuses the first message with 400, and takes it afterwards
//	cumulus   is never ready: 503
//	delta     reads nothing of what it is sent
//	loopback  is we ourselves, at another station
type world struct {
	t        *testing.T
	dir      string
	url      string
	partners map[string]*testpartner.Partner
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), partners: map[string]*testpartner.Partner{}}
	ids := crashtest.Identities()
	for i, name := range []string{"us", "them"} {
		w.check(keys.WriteCertificates(filepath.Join(w.dir, name+".pem"), []*x509.Certificate{ids[i].Certificate}))
		w.check(keys.WritePrivate(filepath.Join(w.dir, name+".key"), crashtest.Signer(ids[i], cms.SHA256).Key))
	}
	listen := freeAddress(t)
	text := &strings.Builder{}
	fmt.Fprintf(text, `data_dir: data
time_zone: UTC
reserve: 1MiB
listen: [{address: %q, behind_proxy: true}]
console: {address: "127.0.0.1:0"}
stations:
  main: {as2_id: MYCOMPANY, keys: [{certificate: us.pem, key: us.key}]}
  test: {as2_id: MYCOMPANY-TEST, keys: [{certificate: them.pem, key: them.key}]}
partners:
`, listen)
	for _, p := range []struct {
		name string
		plan testpartner.Plan
		more string
	}{
		{"acme", nil, ""},
		{"borealis", testpartner.Script(testpartner.Status(400), testpartner.Well), ""},
		{"cumulus", testpartner.Script(testpartner.Busy(503, "")), "retry: {delays: [1s, 1s, 1s, 1h], give_up_after: 24h}, "},
		{"delta", testpartner.Script(testpartner.HangUnread), "timeouts: {stall: 10m}, outbox: {window: \"Mon-Sun 0-24\"}, "},
	} {
		server, err := testpartner.Start(testpartner.Options{Own: ids[1], Sender: ids[0].Certificate, Stranger: ids[2], Plan: p.plan})
		w.check(err)
		t.Cleanup(func() {
			server.Release()
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		w.partners[p.name] = server
		w.check(keys.WriteCertificates(filepath.Join(w.dir, p.name+".server.pem"), []*x509.Certificate{server.Authority().Certificate}))
		fmt.Fprintf(text, "  %s: {as2_id: %s, station: main, url: %q, certificates: them.pem, server_certificates: %s.server.pem, %snaming: {quiet: 0s}}\n", p.name, strings.ToUpper(p.name), server.URL(), p.name, p.more)
	}
	fmt.Fprintf(text, "  loopback: {as2_id: MYCOMPANY-TEST, station: main, url: \"http://%s/as2\", allow_http: true, certificates: them.pem, naming: {quiet: 0s}}\n", listen)
	text.WriteString("  incoming: {as2_id: MYCOMPANY, station: test, certificates: us.pem}\n")
	w.check(os.WriteFile(filepath.Join(w.dir, "config.yaml"), []byte(text.String()), 0o600))
	w.check(accounts.AddUser(filepath.Join(w.dir, "data", "accounts", "users"), "anna", accounts.Operator, password))
	w.history()
	w.run()
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// history gives the charts a month to show: the counts of it, and nothing else.
func (w *world) history() {
	file := filepath.Join(w.dir, "data", "ledger.db")
	w.check(os.MkdirAll(filepath.Dir(file), 0o700))
	l, err := ledger.Open(file, ledger.Options{})
	w.check(err)
	w.check(l.Close())
	db, err := sql.Open("sqlite", "file:"+file)
	w.check(err)
	defer db.Close()
	now := time.Now().UTC().Truncate(time.Hour)
	for hour := 1; hour < 24*30; hour++ {
		at := now.Add(-time.Duration(hour) * time.Hour)
		busy := int64(at.Hour()*(24-at.Hour())) * int64(7-at.Weekday()) / 24
		for what, n := range map[string]int64{ledger.SlotSent: busy, ledger.SlotFailed: int64(hour % 37 / 35 * 3), ledger.SlotReceived: busy / 3} {
			if n > 0 {
				for _, partner := range []string{"", "acme"} {
					_, err := db.Exec(`INSERT INTO slots (partner, slot, what, n, bytes) VALUES (?,?,?,?,?)`, partner, at.Unix()/900, what, n, n*18_000)
					w.check(err)
				}
			}
		}
	}
}

// opened waits for the line of the log that says where the console is.
type opened struct {
	mu  sync.Mutex
	log bytes.Buffer
	url chan string
}

func (o *opened) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, url, ok := strings.Cut(string(p), "the console is open\" url="); ok {
		o.url <- strings.TrimSpace(url)
	}
	return o.log.Write(p)
}

func (w *world) run() {
	w.t.Helper()
	cfg, err := config.Load(filepath.Join(w.dir, "config.yaml"), time.Now())
	w.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	out := &opened{url: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, cfg, agent.Options{Log: slog.New(slog.NewTextHandler(out, nil)), Version: "1.0.0"})
	}()
	w.t.Cleanup(func() {
		cancel()
		w.partners["delta"].Release()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			out.mu.Lock()
			defer out.mu.Unlock()
			w.t.Logf("%s", out.log.String())
		}
	})
	select {
	case w.url = <-out.url:
	case err := <-ended:
		ended <- err
		w.t.Fatal(err)
	case <-time.After(patience):
		w.t.Fatal("the console does not open")
	}
}

// drop puts files into the outbox of a partner, the document last.
func (w *world) drop(partner string, names ...string) {
	w.t.Helper()
	outbox := filepath.Join(w.dir, "data", "partners", partner, "outbox")
	w.until("the outbox of "+partner, func() bool { _, err := os.Stat(outbox); return err == nil })
	for _, name := range names {
		content := []byte("<Invoice>" + name + "</Invoice>")
		if strings.HasSuffix(name, ".dat") {
			content = make([]byte, 24<<20) // more than connections hold, and no zip makes it smaller
			rand.NewChaCha8([32]byte{}).Read(content)
		} else if !strings.HasSuffix(name, ".xml") {
			content = bytes.Repeat([]byte(name), 900)
		}
		w.check(os.WriteFile(filepath.Join(outbox, name+".part"), content, 0o600))
		w.check(os.Rename(filepath.Join(outbox, name+".part"), filepath.Join(outbox, name)))
	}
}

func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatal(what + " does not come")
		}
	}
}
