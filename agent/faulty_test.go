package agent

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

// crowd is an agent's config with many partners, who are served by a few servers.
type crowd struct {
	t   *testing.T
	dir string
	cfg *config.Config

	mu    sync.Mutex
	came  map[string]int // content, by digest: how often it was delivered
	order []string       // contents as they came
}

// newCrowd makes a config with partners by name, each at a server.
func newCrowd(t *testing.T, servers map[string]testpartner.Plan, partners map[string]string) (*crowd, map[string]*testpartner.Partner) {
	t.Helper()
	c := &crowd{t: t, dir: t.TempDir(), came: map[string]int{}}
	ids := crashtest.Identities()
	for i, name := range []string{"us", "them"} {
		if err := keys.WriteCertificates(filepath.Join(c.dir, name+".pem"), []*x509.Certificate{ids[i].Certificate}); err != nil {
			t.Fatal(err)
		}
	}
	if err := keys.WritePrivate(filepath.Join(c.dir, "us.key"), crashtest.Signer(ids[0], cms.SHA256).Key); err != nil {
		t.Fatal(err)
	}
	running := map[string]*testpartner.Partner{}
	for name, plan := range servers {
		p, err := testpartner.Start(testpartner.Options{Own: ids[1], Sender: ids[0].Certificate, Stranger: ids[2], Plan: plan, Deliver: c.deliver})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := keys.WriteCertificates(filepath.Join(c.dir, name+".server.pem"), []*x509.Certificate{p.Authority().Certificate}); err != nil {
			t.Fatal(err)
		}
		running[name] = p
	}
	var text strings.Builder
	text.WriteString("data_dir: data\nstations:\n  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}\npartners:\n")
	for name, server := range partners {
		fmt.Fprintf(&text, "  %s: {as2_id: %s, station: us, url: %q, certificates: them.pem, server_certificates: %s.server.pem, naming: {quiet: 0s}, send: {parallel: 2}, outbox: {bundle: never}}\n",
			name, strings.ToUpper(name), running[server].URL(), server)
	}
	file := filepath.Join(c.dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.cfg, err = config.Load(file, time.Now()); err != nil {
		t.Fatal(err)
	}
	return c, running
}

// deliver counts on the side of the partners.
func (c *crowd) deliver(_ string, content []byte) {
	sum := sha256.Sum256(content)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came[hex.EncodeToString(sum[:])]++
	c.order = append(c.order, string(content))
}

// drop drops n documents for a partner, each with a content of its own.
func (c *crowd) drop(partner string, n int) {
	c.t.Helper()
	outbox := filepath.Join(c.dir, "data", "partners", partner, "outbox")
	eventually(c.t, outbox, func() bool { _, err := os.Stat(outbox); return err == nil })
	for i := range n {
		name := fmt.Sprintf("%s-%d.xml", partner, i)
		if err := os.WriteFile(filepath.Join(outbox, name+".part"), []byte("<Invoice>"+name+"</Invoice>"), 0o600); err != nil {
			c.t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(outbox, name+".part"), filepath.Join(outbox, name)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// sent counts documents that are filed under sent with a receipt.
func (c *crowd) sent(partners string) int {
	found, err := filepath.Glob(filepath.Join(c.dir, "data", "partners", partners, "sent", "*", "*", "receipt.mdn"))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(found)
}

// once checks that the partners have got so many documents, each of them once.
func (c *crowd) once(n int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for sum, times := range c.came {
		if times != 1 {
			c.t.Errorf("%s was delivered %d times", sum, times)
		}
	}
	if len(c.came) != n {
		c.t.Errorf("%d documents were delivered, want %d", len(c.came), n)
	}
}

// run starts the agent; stop ends it and returns when it has ended.
func (c *crowd) run() (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, c.cfg, Options{Log: slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelError})), Version: "test"})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
}

// inspect looks at the ledger, and at what as2drop check says.
func (c *crowd) inspect(f func(tx *ledger.Tx) error) {
	c.t.Helper()
	i, err := Inspect(c.t.Context(), c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	defer i.Close()
	if findings, err := i.Check(c.t.Context()); err != nil || len(findings) > 0 {
		c.t.Errorf("check: %+v, %v", findings, err)
	}
	if err := i.Ledger().View(c.t.Context(), f); err != nil {
		c.t.Error(err)
	}
}

// Of 50 partners 10 hang with all that may be under way to them, and one answers a byte a
// second. The others' documents arrive meanwhile, all of them: those who hang are released
// only then.
func TestHangingPartnersDelayNobody(t *testing.T) {
	partners := map[string]string{"slow": "drips"}
	for i := range 40 {
		partners[fmt.Sprintf("good%d", i)] = "good"
	}
	for i := range 10 {
		partners[fmt.Sprintf("dead%d", i)] = "hangs"
	}
	c, servers := newCrowd(t, map[string]testpartner.Plan{"good": nil, "hangs": testpartner.Script(testpartner.Hang), "drips": testpartner.Script(testpartner.DripAnswer(time.Second))}, partners)
	stop := c.run()
	defer stop()
	const each = 4
	c.drop("slow", each)
	for i := range 10 {
		c.drop(fmt.Sprintf("dead%d", i), each)
	}
	if err := servers["hangs"].AwaitHanging(t.Context(), 10*2); err != nil { // two at a time each
		t.Fatal(err)
	}
	if err := servers["drips"].Await(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		c.drop(fmt.Sprintf("good%d", i), each)
	}
	eventually(t, "all documents of the 40 are in sent", func() bool { return c.sent("good*") == 40*each })
	if n := c.sent("dead*") + c.sent("slow"); n > 0 || servers["hangs"].Hanging() != 20 {
		t.Errorf("%d receipts came before anybody was released, %d hang", n, servers["hangs"].Hanging())
	}
	servers["hangs"].Release()
	servers["drips"].Release()
	eventually(t, "all documents are in sent", func() bool { return c.sent("*") == 51*each })
	stop()
	c.once(51 * each)
	for name, posts := range map[string]int{"good": 40 * each, "hangs": 10 * each, "drips": each} {
		if n := len(servers[name].Visits()); n != posts || len(servers[name].Complaints()) > 0 {
			t.Errorf("%s: %d visits, want %d; complaints %q", name, n, posts, servers[name].Complaints())
		}
	}
	c.inspect(func(*ledger.Tx) error { return nil })
}

// Asked to stop while partners hang, the agent does not wait for them: their timeouts are
// minutes. What was under way is on record as our own stop, which does not count; where
// the partner may have the message it says so. The next run posts the same messages.
func TestStopWhilePartnersHang(t *testing.T) {
	c, servers := newCrowd(t, map[string]testpartner.Plan{
		"hangs": testpartner.Script(testpartner.Hang), "mute": testpartner.Script(testpartner.Mute), "drips": testpartner.Script(testpartner.DripAnswer(time.Hour)),
	}, map[string]string{"hangs": "hangs", "mute": "mute", "drips": "drips"})
	stop := c.run()
	defer stop()
	for name, s := range servers {
		c.drop(name, 2)
		if name != "drips" {
			if err := s.AwaitHanging(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Await(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	c.inspect(func(tx *ledger.Tx) error {
		for name, outcome := range map[string]ledger.Outcome{"hangs": ledger.OutcomeUnknown, "drips": ledger.OutcomeUnknown, "mute": ledger.OutcomeNotSent} {
			open, err := tx.OpenTransfers(name)
			if err != nil || len(open) != 2 {
				t.Errorf("%s: %d are open, %v", name, len(open), err)
			}
			for _, transfer := range open {
				attempts, err := tx.Attempts(transfer.ID)
				if err != nil || len(attempts) != 1 || attempts[0].Outcome != outcome || attempts[0].Counted || attempts[0].Closed.IsZero() {
					t.Errorf("%s: %+v, %v", name, attempts, err)
				}
				if transfer.State != ledger.StateSealed || transfer.Attempts != 0 || transfer.Unknown != (outcome == ledger.OutcomeUnknown) {
					t.Errorf("%s: %s, %d counted, the partner may have it: %v", name, transfer.State, transfer.Attempts, transfer.Unknown)
				}
			}
		}
		return nil
	})

	for _, s := range servers {
		s.Follow(testpartner.Script(testpartner.Well))
	}
	again := c.run()
	defer again()
	eventually(t, "all documents are in sent", func() bool { return c.sent("*") == 6 })
	again()
	c.once(6)
	for name, s := range servers {
		if len(s.Complaints()) > 0 {
			t.Errorf("%s complains: %q", name, s.Complaints())
		}
	}
	c.inspect(func(*ledger.Tx) error { return nil })
}
