//go:build linux

package testpartner_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

const shopConfig = `data_dir: data
stations:
  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}
partners:
  acme:
    as2_id: ACME
    station: us
    url: https://acme.invalid/as2
    certificates: acme.pem
    naming: {quiet: 0s}
    retry: {attempts: 4, first: 1m, max: 1h, factor: 2, jitter: 0, give_up_after: 24h}
`

// folderOf makes a config with keys, and a data folder that an agent has run on.
func folderOf(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ids := crashtest.Identities()
	for i, name := range []string{"us", "acme"} {
		if err := keys.WriteCertificates(filepath.Join(dir, name+".pem"), []*x509.Certificate{ids[i].Certificate}); err != nil {
			t.Fatal(err)
		}
	}
	key := crashtest.Signer(ids[0], cms.SHA256).Key
	if err := errors.Join(keys.WritePrivate(filepath.Join(dir, "us.key"), key), os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(shopConfig), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := agent.Run(t.Context(), loaded(t, dir), agent.Options{Log: slog.New(slog.DiscardHandler), Version: "test", UntilIdle: true}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func loaded(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "config.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// shop is an outbox with the real client and a real partner, and a clock of its own: time
// passes only where it is told to.
type shop struct {
	t       *testing.T
	dir     string
	steps   []step
	partner *testpartner.Partner
	ledger  *ledger.Ledger
	folder  fsx.FS
	box     *outbox.Outbox
	seen    *outbox.Observer

	quick, patient *as2.Client
	posts, visits  int // POSTs that were tried, and those of them that went to the partner

	stepping sync.Mutex

	mu    sync.Mutex
	clock time.Time
	early bool // receipts may come before their POST has returned; otherwise they wait for it
}

// step is how one POST fares.
type step struct {
	testpartner.Behaviour
	url string // in place of the partner's
}

// patience is how long the client waits for behaviours that never end, and for partners
// that are not there.
const patience = 2 * time.Second

func openShop(t *testing.T, template string, r row, steps []step) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), steps: steps, clock: time.Now(), seen: outbox.NewObserver(), early: r.early}
	if err := os.CopyFS(s.dir, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	cfg := loaded(t, s.dir)
	ids := crashtest.Identities()
	var err error
	s.partner, err = testpartner.Start(testpartner.Options{Own: ids[1], Sender: ids[0].Certificate, Stranger: ids[2], Repeated: r.repeated, Plan: visitsOf(steps)})
	if err != nil {
		t.Fatal(err)
	}
	if s.ledger, err = ledger.Open(agent.LedgerPath(cfg.DataDir), ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	p := cfg.Partners[0]
	if s.folder, err = fsx.OpenRoot(p.Folder); err != nil {
		t.Fatal(err)
	}
	o := as2.ClientOptions{ServerCertificates: []*x509.Certificate{s.partner.Authority().Certificate}, User: "us", Password: "secret"}
	s.patient = as2.NewClient(o)
	o.Connect, o.Stall, o.Answer = patience, patience, patience
	s.quick = as2.NewClient(o)
	request := as2.ReceiptRequest{Wanted: !r.noReceipt, Signed: true, Digests: []cms.Digest{cms.SHA256}}
	if r.async {
		request.Async = s.takeReceipts()
	}
	s.box = outbox.New(outbox.Deps{Ledger: s.ledger, Now: s.now, Rand: rand.Reader, Post: s, Process: "test", UserAgent: "test"}, outbox.Partner{
		Name: p.Name, AS2ID: p.AS2ID, Station: p.Station.Name, StationAS2ID: p.Station.AS2ID, URL: s.partner.URL(), Folder: s.folder, Rules: p.Rules, LateWindow: p.LateWindow,
		Bundle: outbox.BundleAlways, Sign: func(time.Time) *cms.Signer { return crashtest.Signer(ids[0], cms.SHA256) }, Cipher: p.Send.Cipher,
		EncryptTo: func(time.Time) *cms.Recipient { return &cms.Recipient{Certificate: ids[1].Certificate} }, Own: ids[0].Certificate, Identities: []cms.Identity{ids[0]},
		Certificates: []*x509.Certificate{ids[1].Certificate}, Trust: cms.Pinned(ids[1].Certificate), Receipt: request, EvidenceUpTo: 64 << 20,
		Policy: outbox.Policy{Attempts: p.Retry.Attempts, First: p.Retry.First, Max: p.Retry.Max, Factor: p.Retry.Factor, GiveUpAfter: p.Retry.GiveUpAfter, ReceiptWait: time.Hour},
	})
	t.Cleanup(func() {
		if err := errors.Join(s.partner.Close(), s.folder.Close(), s.ledger.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *shop) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *shop) pass(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.clock) {
		s.clock = until
	}
}

// inOrder has the receipts to come wait for their POST to return.
func (s *shop) inOrder() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.early = false
}

// step is the one of the POST under way; the last one goes on for ever.
func (s *shop) step() step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps[min(max(s.posts, 1), len(s.steps))-1]
}

// Post is the real client. It is impatient only where patience would be in vain, so that
// a busy machine changes nothing.
func (s *shop) Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	s.mu.Lock()
	s.posts++
	s.mu.Unlock()
	client, step := s.patient, s.step()
	if step.url != "" {
		return s.quick.Post(ctx, step.url, header, length, body)
	}
	if step.Endless {
		client = s.quick
	}
	answer, err := client.Post(ctx, url, header, length, body)
	s.visits++
	if err := s.partner.Await(s.t.Context(), s.visits); err != nil {
		s.t.Error(err)
	}
	return answer, err
}

// visitsOf are the steps that the partner sees.
func visitsOf(steps []step) testpartner.Plan {
	var seen []testpartner.Behaviour
	for _, s := range steps {
		if s.url == "" {
			seen = append(seen, s.Behaviour)
		}
	}
	return testpartner.Script(seen...)
}

// takeReceipts serves the URL that receipts are posted to.
func (s *shop) takeReceipts() (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: &as2.Handler{Receipts: s, Log: slog.New(slog.DiscardHandler)}}
	go server.Serve(l)
	s.t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// ReceiveReceipt is what the agent does with a receipt.
func (s *shop) ReceiveReceipt(ctx context.Context, m *as2.Message) as2.Reply {
	s.mu.Lock()
	early := s.early
	s.mu.Unlock()
	if !early {
		s.stepping.Lock()
		defer s.stepping.Unlock()
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return as2.Unavailable("it did not come whole", time.Minute)
	}
	var t ledger.Transfer
	id, err := as2.ReceiptFor(m.Header, body)
	if err == nil {
		err = s.ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.TransferByMessageID(id); return err })
	}
	if err != nil {
		return as2.Reply{Status: http.StatusBadRequest}
	}
	reply, err := s.box.ReceiveReceipt(ctx, t.ID, m.Header, body, "192.0.2.1:443")
	if err != nil {
		s.t.Error(err)
	}
	return reply
}

func (s *shop) drop(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "data", "partners", "acme", "outbox", name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// work does all that is to be done at this moment.
func (s *shop) work() {
	s.t.Helper()
	ctx := s.t.Context()
	if _, err := s.box.Scan(ctx, s.seen); err != nil {
		s.t.Fatal(err)
	}
	for _, t := range s.open() {
		s.carryOn(t.ID)
		if _, err := s.partner.AwaitReceipts(ctx); err != nil {
			s.t.Fatal(err)
		}
		s.carryOn(t.ID)
	}
}

// carryOn steps a transfer until nothing is to be done for it at this moment.
func (s *shop) carryOn(id string) {
	s.t.Helper()
	s.stepping.Lock()
	defer s.stepping.Unlock()
	for again, n := true, 0; again; n++ {
		var err error
		if again, err = s.box.Step(s.t.Context(), id); err != nil || n > 50 {
			s.t.Fatal(n, err)
		}
	}
}

func (s *shop) open() (open []ledger.Transfer) {
	s.t.Helper()
	err := s.ledger.View(s.t.Context(), func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers("acme"); return err })
	if err != nil {
		s.t.Fatal(err)
	}
	return open
}

// workUntil lets time pass until something is so. Nothing is due any more, or far too
// much happened: that is an end too.
func (s *shop) workUntil(so func() bool) {
	s.t.Helper()
	for range 60 {
		s.work()
		if so() {
			return
		}
		var due time.Time
		for _, t := range s.open() {
			if t.Hold == "" && (due.IsZero() || t.Due.Before(due)) {
				due = t.Due
			}
		}
		if due.IsZero() {
			return
		}
		s.pass(due)
	}
	s.t.Error("it does not come to an end")
}

// found is how a document stands.
type found struct {
	ledger.Transfer
	attempts []ledger.Attempt
	pause    ledger.Pause // of the partner; zero = none
	events   []ledger.Event
}

func (f found) String() string {
	return fmt.Sprintf("%s, verdict %q, hold %q, %d posts, %d counted, unknown %v, pause %+v, attempts %+v", f.State, f.Verdict, f.Hold, f.Posts, f.Attempts, f.Unknown, f.pause, f.attempts)
}

func (s *shop) find(key string) (f found) {
	s.t.Helper()
	err := s.ledger.View(s.t.Context(), func(tx *ledger.Tx) error {
		ts, err := tx.FindTransfers(key)
		if err != nil || len(ts) != 1 {
			return errors.Join(err, fmt.Errorf("%s: %d transfers", key, len(ts)))
		}
		f.Transfer = ts[0]
		if f.attempts, err = tx.Attempts(f.ID); err != nil {
			return err
		}
		if f.events, err = tx.EventsOf(f.ID); err != nil {
			return err
		}
		f.pause, err = tx.Pause("acme")
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// check is what as2drop check says.
func (s *shop) check() {
	s.t.Helper()
	i, err := agent.Inspect(s.t.Context(), loaded(s.t, s.dir))
	if err != nil {
		s.t.Fatal(err)
	}
	defer i.Close()
	findings, err := i.Check(s.t.Context())
	if err != nil || len(findings) > 0 {
		s.t.Errorf("check: %+v, %v", findings, err)
	}
}

// in lists what matches in the partner's folder.
func (s *shop) in(pattern string) []string {
	s.t.Helper()
	list, err := filepath.Glob(filepath.Join(s.dir, "data", "partners", "acme", pattern))
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}
