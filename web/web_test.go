package web

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/agenda"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

const password = "four words make one"

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// place is a console with what it stands on.
type place struct {
	t      *testing.T
	server *httptest.Server
	cfg    config.Config
	users  string
	tokens string
	clock  *clock
	views  *canned
	ledger *ledger.Ledger
	log    bytes.Buffer
}

func newPlace(t *testing.T, configure func(*config.Console)) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, users: filepath.Join(dir, "users"), tokens: filepath.Join(dir, "tokens"), clock: &clock{now: time.Date(2026, 11, 26, 9, 12, 3, 0, time.UTC)}}
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.ledger = l
	p.views = &canned{Reader: &views.Reader{Ledger: l}, now: p.clock.now}
	p.cfg = config.Config{Location: time.UTC, Partners: []*config.Partner{{Name: "acme"}}, Console: config.Console{Address: "127.0.0.1:8481", Idle: 30 * time.Minute, Session: 12 * time.Hour}}
	if configure != nil {
		configure(&p.cfg.Console)
	}
	s := New(Options{Views: p.views, Ledger: l, Config: func() *config.Config { return &p.cfg }, Status: func() *status.Status { return p.views.status() },
		Accounts: accounts.Open(p.users, p.tokens), Log: slog.New(slog.NewTextHandler(&p.log, nil)), Now: p.clock.get, Version: "1.2.3",
		API: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(rw, "%s asks for %s", accounts.From(r.Context()).By(), r.URL.Path)
		}),
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "as2drop_up 1") })})
	if len(p.cfg.Console.Certificates) > 0 {
		p.server = httptest.NewTLSServer(s)
	} else {
		p.server = httptest.NewServer(s)
	}
	t.Cleanup(p.server.Close)
	return p
}

func (p *place) user(name string, role accounts.Role) {
	p.t.Helper()
	if err := accounts.AddUser(p.users, name, role, password); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) remove(name string) {
	p.t.Helper()
	if err := accounts.RemoveUser(p.users, name); err != nil {
		p.t.Fatal(err)
	}
}

// browser keeps cookies and follows redirects.
type browser struct {
	*place
	client *http.Client
}

func (p *place) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.server.Client()
	return &browser{p, &http.Client{Transport: c.Transport, Jar: jar}}
}

// page is what an answer was.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, change ...func(*http.Request)) answer {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, b.server.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, f := range change {
		f(r)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, string(text)}
}

func (b *browser) get(path string, change ...func(*http.Request)) answer {
	b.t.Helper()
	return b.do("GET", path, nil, change...)
}

func (b *browser) signIn(name, password string) answer {
	b.t.Helper()
	return b.do("POST", "/sign-in", url.Values{"name": {name}, "password": {password}, "next": {"/health"}})
}

var formSecret = regexp.MustCompile(`name="form" value="([A-Za-z0-9_-]{43})"`)

// form is the secret of the session.
func (b *browser) form() string {
	b.t.Helper()
	m := formSecret.FindStringSubmatch(b.get("/").body)
	if m == nil {
		b.t.Fatal("no form has a secret")
	}
	return m[1]
}

func (p *place) expect(a answer, status int, texts ...string) {
	p.t.Helper()
	if a.StatusCode != status {
		p.t.Errorf("%s: status %d, want %d: %.300s", a.Request.URL, a.StatusCode, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			p.t.Errorf("%s: %q is missing in %s", a.Request.URL, text, a.body)
		}
	}
}

// wishes are those on record.
func (p *place) wishes() (all []ledger.Wish) {
	p.t.Helper()
	if err := p.ledger.View(p.t.Context(), func(tx *ledger.Tx) (err error) { all, err = tx.OpenWishes(); return err }); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// grant grants the next wish, as the agent would.
func (p *place) grant(result string) {
	p.t.Helper()
	tick := time.NewTicker(grantPoll)
	defer tick.Stop()
	for {
		open := p.wishes()
		if len(open) == 0 {
			<-tick.C // the form is on its way
			continue
		}
		if err := p.ledger.Update(p.t.Context(), func(tx *ledger.Tx) error { return tx.FinishWish(open[0], p.clock.get(), result) }); err != nil {
			p.t.Error(err)
		}
		return
	}
}

// tls certificates of httptest are for example.com.
func exampleCertificate(t *testing.T) *x509.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.Certificate()
}

// canned answers as a reader would whose agent has one transfer of each kind. What a reader
// makes of a real ledger is tested with views, and the two together in internal/browsertest.
type canned struct {
	*views.Reader // of events and wishes
	now           time.Time
	fail          error
	last          views.Search
	came          views.IncomingSearch // the last one
}

func (c *canned) slots(n int, step time.Duration) (all []views.Slot) {
	for i := range n {
		all = append(all, views.Slot{From: c.now.Add(-time.Duration(n-i) * step), Sent: int64(i % 7), Failed: int64(i % 11 / 10)})
	}
	return all
}

func (c *canned) partner() views.PartnerOverview {
	return views.PartnerOverview{Name: "acme", State: "failing", Words: "3 attempts in a row failed", Since: c.now.Add(-time.Hour), InOutbox: 2, InFlight: 1, Held: 1, SentToday: 12345, FailedToday: 1, LastSent: c.now.Add(-90 * time.Minute),
		Hours: c.slots(24, time.Hour), Days: c.slots(30, 24*time.Hour)}
}

func (c *canned) Overview(context.Context, time.Time) (views.Overview, error) {
	return views.Overview{At: c.now, Running: true, Partners: []views.PartnerOverview{c.partner()}, Problems: c.status().Problems, Hours: c.slots(24, time.Hour), Days: c.slots(30, 24*time.Hour)}, c.fail
}

func (c *canned) PartnerOverview(_ context.Context, name string, _ time.Time) (views.PartnerOverview, error) {
	if name != "acme" {
		return views.PartnerOverview{}, ledger.ErrNotFound
	}
	return c.partner(), c.fail
}

func (c *canned) transfer() views.Transfer {
	return views.Transfer{ID: "01failed", Partner: "acme", Document: "<script>INV&1</script>.xml", Files: 3, Bytes: 1234567, Stand: ledger.StandFailed, Words: "failed", Why: "the partner's receipt says <b>no</b>", ToDo: "ask acme",
		Created: c.now.Add(-time.Hour), Actions: []views.Action{ledger.WishRetry, ledger.WishDismiss}, Progress: &views.Progress{Sent: 250, Total: 1000, Since: c.now}}
}

func (c *canned) Transfers(_ context.Context, s views.Search, _ time.Time) (views.Page[views.Transfer], error) {
	c.last = s
	return views.Page[views.Transfer]{Items: []views.Transfer{c.transfer()}, Next: "01failed"}, c.fail
}

func (c *canned) Transfer(_ context.Context, id string, _ time.Time) (views.Message, error) {
	if id != "01failed" {
		return views.Message{}, ledger.ErrNotFound
	}
	return views.Message{Transfer: c.transfer(), Station: "main", Members: []views.File{{Name: "INV&1.xml", Role: "document", Bytes: 12, SHA256: strings.Repeat("ab", 32)}},
		Receipt:  &views.Receipt{Disposition: "automatic-action/MDN-sent-automatically; processed/error: x", Text: "</pre><script>alert(1)</script>"},
		Timeline: []views.Moment{{At: c.now, What: "verdict", Level: ledger.Alarm, Text: "rejected", Hint: "ask", By: "anna (console)"}}, Attempted: []ledger.Attempt{{N: 1, Opened: c.now, URL: "https://acme.example", Text: "no"}},
		Removed: []ledger.Removal{{What: ledger.ThingFailed, Rule: "failed: 90d", Begun: c.now, Done: c.now, Missing: true}},
		Wishes:  []ledger.Wish{{Kind: ledger.WishRetry, By: "anna (console)", At: c.now}}}, c.fail
}

func (c *canned) Incoming(_ context.Context, s views.IncomingSearch, _ time.Time) (views.Page[views.Incoming], error) {
	c.came = s
	return views.Page[views.Incoming]{Items: []views.Incoming{{ID: "01in", Kind: views.KindRefused, Partner: "acme", From: "ACME", Words: "refused", Why: "not signed", At: c.now}}}, c.fail
}

func (c *canned) IncomingMessage(_ context.Context, id string, _ time.Time) (views.IncomingMessage, error) {
	if id != "01in" {
		return views.IncomingMessage{}, ledger.ErrNotFound
	}
	return views.IncomingMessage{Incoming: views.Incoming{ID: "01in", Kind: views.KindStored, From: "ACME", Held: true, Words: "held", At: c.now, Actions: []views.Action{ledger.WishRelease}}}, c.fail
}

func (c *canned) Parties(time.Time) views.Parties {
	cert := views.Certificate{Use: []string{"verify"}, Subject: "CN=acme", SHA256: strings.Repeat("cd", 32), NotAfter: c.now.AddDate(0, 0, 5), Level: "alarm", Words: "expires in 5 days"}
	return views.Parties{Partners: []views.Partner{{Name: "acme", AS2: "ACME", Certificates: []views.Certificate{cert}}}, Stations: []views.Station{{Name: "main", AS2: "US", Certificates: []views.Certificate{cert}}}}
}

func (c *canned) Partner(name string, now time.Time) (views.Partner, error) {
	if name != "acme" {
		return views.Partner{}, ledger.ErrNotFound
	}
	return c.Parties(now).Partners[0], nil
}

func (c *canned) Schedule(_ context.Context, partner string, from time.Time, _ int) (views.Schedule, error) {
	if partner != "" && partner != "acme" {
		return views.Schedule{}, ledger.ErrNotFound
	}
	return views.Schedule{Items: []views.Planned{{Item: agenda.Item{At: from, Partner: "acme", What: "the window opens"}, Local: "Fri 06:00"}}, LeftOut: []string{"acme"}}, c.fail
}

func (c *canned) status() *status.Status {
	return &status.Status{At: c.now, Started: c.now.Add(-time.Hour), Version: "1.2.3", Partners: []status.Partner{{Name: "acme", State: "failing", Free: 1 << 34}}, Problems: []status.Problem{{Level: ledger.Alarm, Partner: "acme", Code: "x", Text: "3 attempts failed", Hint: "look"}}}
}
