package web

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
			return
		}
		r.Header.Set(name, value)
	}
}

// everyPage is what a visitor can look at.
var everyPage = []string{"/", "/transfers", "/transfers?q=INV&stand=failed&from=2026-11-01&to=2026-11-26", "/transfers/01failed", "/received", "/received?kind=refused", "/received/01in",
	"/partners", "/partners/acme", "/schedule", "/schedule?partner=acme", "/health", "/events", "/events?level=alarm"}

// Every answer, pages and errors alike, has a policy that lets nothing in from elsewhere,
// and no page has a script, a style or a handler in itself.
func TestPolicy(t *testing.T) {
	p := newPlace(t, nil)
	b := p.browser()
	for _, path := range append(everyPage, "/sign-in", "/nothing", "/transfers/none", "/api/v1/x", "/metrics", "/static/none") {
		a := b.get(path)
		for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		for _, inline := range []string{"<style", "style=", "<script>", "onclick", "onload", "javascript:", "http://", "<b>no</b>"} {
			if strings.Contains(a.body, inline) {
				t.Errorf("%s has %q", path, inline)
			}
		}
	}
	for _, word := range []string{"unsafe", "*", "http", "data:"} {
		if strings.Contains(policy, word) {
			t.Errorf("the policy has %q", word)
		}
	}
	for name := range New(Options{}).static {
		a := b.get("/static/" + name)
		if p.expect(a, 200); !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
}

func TestPagesShowWhatThereIs(t *testing.T) {
	p := newPlace(t, nil)
	b := p.browser()
	for path, texts := range map[string][]string{
		"/":                   {"3 attempts failed", "12\u202f345", "Last 24 hours", "1 h ago", `<a href="/partners/acme">acme</a>`},
		"/transfers":          {"&lt;script&gt;INV&amp;1&lt;/script&gt;.xml", "3 files, 1.2 MB", "25 %", "/transfers?after=01failed", "Older"},
		"/transfers/01failed": {"the partner&#39;s receipt says &lt;b&gt;no&lt;/b&gt;", "ask acme", "anna (console)", "processed/error: x", "https://acme.example", "its folder in failed: was not there any more when retention came on 2026-11-26", "&lt;/pre&gt;&lt;script&gt;"},
		"/received":           {"not signed", `<span class="badge bad">refused</span>`},
		"/received/01in":      {`<span class="badge big warn">held</span>`},
		"/partners":           {"expires in 5 days", "CN=acme", "Nowhere: nothing can be received"},
		"/partners/acme":      {"3 attempts in a row failed", "expires in 5 days"},
		"/schedule":           {"the window opens", "More is open than is listed for acme"},
		"/health":             {"ready", "1.2.3", "17.2 GB"},
		"/events":             {"Nothing happened yet"},
	} {
		p.expect(b.get(path), 200, texts...)
	}
	p.expect(b.get("/transfers/none"), 404, "There is no such transfer")
	p.expect(b.get("/received/none"), 404, "There is no such received message")
	p.expect(b.get("/partners/none"), 404, "There is no such partner")
	p.expect(b.get("/schedule?partner=none"), 404, "There is no such partner")
	p.expect(b.get("/none"), 404, "There is no such page")
	p.expect(b.get("/transfers?from=yesterday"), 200, "The day yesterday is none")
	p.expect(b.get("/transfers?from=2026-11-02&to=2026-11-01"), 200, "The last day is before the first one.")
	p.expect(b.get("/transfers?stand=lost"), 200, "There is no state lost.")
	p.expect(b.get("/received?kind=lost"), 200, "There is no kind lost.")
	b.get("/transfers?q=INV&partner=acme&stand=failed&from=2026-11-01&to=2026-11-02&after=x")
	if s := p.views.last; s.Text != "INV" || s.Partner != "acme" || s.Stand != ledger.StandFailed || s.After != "x" || s.From.Day() != 1 || s.To.Day() != 3 {
		t.Errorf("%+v", s)
	}
	p.views.fail = errors.New("the disk is gone")
	p.expect(b.get("/transfers"), 503, "The ledger does not answer", "the disk is gone")
}

// A page of somebody else cannot have its name point to this machine, and a proxy that
// nobody spoke of cannot show the console to others.
func TestForeignHosts(t *testing.T) {
	own := exampleCertificate(t)
	for _, c := range []struct {
		console config.Console
		host    string
		more    string
		ok      bool
	}{
		{config.Console{Address: "127.0.0.1:8481"}, "127.0.0.1:8481", "", true},
		{config.Console{Address: "127.0.0.1:8481"}, "localhost:8481", "", true},
		{config.Console{Address: "127.0.0.1:8481"}, "LOCALHOST.", "", true},
		{config.Console{Address: "127.0.0.1:8481"}, "[::1]:8481", "", true},
		{config.Console{Address: "127.0.0.1:8481"}, "rebound.attacker.example:8481", "", false},
		{config.Console{Address: "127.0.0.1:8481"}, "127.0.0.1.attacker.example", "", false},
		{config.Console{Address: "127.0.0.1:8481"}, "localhost.attacker.example", "", false},
		{config.Console{Address: "127.0.0.1:8481"}, "127.0.0.1:8481", "X-Forwarded-For", false},
		{config.Console{Address: "127.0.0.1:8481"}, "localhost", "Forwarded", false},
		{config.Console{Address: "127.0.0.1:8481", PublicURL: "https://as2.example", BehindProxy: true}, "as2.example", "X-Forwarded-For", true},
		{config.Console{Address: "127.0.0.1:8481", PublicURL: "https://as2.example", BehindProxy: true}, "other.example", "X-Forwarded-For", false},
		{config.Console{Address: "127.0.0.1:8481"}, "localhost", "X-Forwarded-Host", false},
		{config.Console{Address: "127.0.0.1:8481", PublicURL: "https://as2.example"}, "127.0.0.1:8481", "X-Forwarded-For", false},
		{config.Console{Address: "0.0.0.0:8481", PublicURL: "https://as2.example", BehindProxy: true}, "192.0.2.7:8481", "", false},
		{config.Console{Address: "0.0.0.0:8481", Certificates: []*x509.Certificate{own}}, "example.com:8481", "", true},
		{config.Console{Address: "0.0.0.0:8481", Certificates: []*x509.Certificate{own}}, "192.0.2.7:8481", "", true},
		{config.Console{Address: "0.0.0.0:8481", Certificates: []*x509.Certificate{own}}, "attacker.example", "", false},
	} {
		p := newPlace(t, func(o *config.Console) { *o = c.console })
		p.user("anna", accounts.Operator)
		change := []func(*http.Request){header("Host", c.host)}
		if c.more != "" {
			change = append(change, header(c.more, "192.0.2.9"))
		}
		for _, path := range []string{"/sign-in", "/api/v1/x", "/static/x"} {
			if a := p.browser().get(path, change...); (a.StatusCode != http.StatusMisdirectedRequest) != c.ok {
				t.Errorf("%+v: %s: %d %s", c.console, c.host, a.StatusCode, a.body)
			}
		}
	}
}

// Without users everybody reads and nobody acts; with the first one everybody signs in.
func TestWithoutUsers(t *testing.T) {
	p := newPlace(t, nil)
	b := p.browser()
	for _, path := range everyPage {
		a := b.get(path)
		if p.expect(a, 200, "everybody who can use this machine can read these pages", "as2drop user add NAME --role operator"); strings.Contains(a.body, `method="post"`) {
			t.Errorf("%s has a form", path)
		}
	}
	for _, path := range []string{"/transfers/01failed", "/received/01in", "/partners/acme"} {
		p.expect(b.do("POST", path, url.Values{"action": {"retry"}, "form": {""}}), 403, "Nobody can act here yet")
	}
	p.user("anna", accounts.Operator)
	for _, path := range everyPage {
		if a := b.get(path); a.Request.URL.Path != "/sign-in" || a.Request.URL.Query().Get("next") != path {
			t.Errorf("%s leads to %s", path, a.Request.URL)
		}
	}
	// The last user may go; the console stays closed.
	if err := accounts.RemoveUser(p.users, "anna"); err != nil {
		t.Fatal(err)
	}
	p.expect(b.get("/"), 200, "Sign in")
	// A file that is damaged opens nothing either.
	if err := os.WriteFile(p.users, []byte("damaged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.expect(b.get("/"), 503, "Nobody can sign in at the moment")
	p.expect(b.signIn("anna", password), 503, "Nobody can sign in at the moment")
	if len(p.wishes()) != 0 {
		t.Error("something was wished for")
	}
}

// A console that others reach is closed without users, too.
func TestWithoutUsersBeyondThisMachine(t *testing.T) {
	p := newPlace(t, func(c *config.Console) { c.BehindProxy, c.PublicURL = true, "https://as2.example" })
	a := p.browser().get("/", header("Host", "as2.example"), func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") })
	if a.Request.URL.Path != "/sign-in" {
		t.Errorf("%s: %s", a.Request.URL, a.body)
	}
}

func TestSignIn(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	b := p.browser()
	p.expect(b.signIn("anna", "not the password"), 401, "The name or the password is wrong.", `value="anna"`)
	a := b.signIn("anna", password)
	if p.expect(a, 200, "anna", "operator", "Sign out"); a.Request.URL.Path != "/health" {
		t.Errorf("%s", a.Request.URL)
	}
	p.expect(b.get("/sign-in"), 200, "Overview")
	p.expect(b.do("POST", "/sign-out", url.Values{"form": {"wrong"}}), 200, "Overview") // still in
	p.expect(b.do("POST", "/sign-out", url.Values{"form": {b.form()}}), 200, "Sign in")
	p.expect(b.get("/"), 200, "Sign in")
	if log := p.log.String(); strings.Contains(log, password) || !strings.Contains(log, "signed in") || !strings.Contains(log, "sign-in refused") {
		t.Error(log)
	}
}

func TestWhereSignInLeads(t *testing.T) {
	for next, want := range map[string]string{"/transfers?q=a": "/transfers?q=a", "": "/", "https://evil.example/": "/", "//evil.example/": "/", "///evil.example/": "/", "/\t/evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", "evil": "/", "/a\r\nb": "/", "/sign-out": "/", "javascript:alert(1)": "/", "/%zz": "/"} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestCookies(t *testing.T) {
	own := exampleCertificate(t)
	for _, c := range []struct {
		change func(*config.Console)
		name   string
		secure bool
	}{
		{nil, "as2drop", false},
		{func(c *config.Console) { c.Certificates = []*x509.Certificate{own} }, "__Host-as2drop", true},
	} {
		p := newPlace(t, c.change)
		p.user("anna", accounts.Operator)
		b := p.browser()
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := b.signIn("anna", password)
		if len(a.Cookies()) != 1 {
			t.Fatalf("%d %v", a.StatusCode, a.Header)
		}
		k := a.Cookies()[0]
		if k.Name != c.name || k.Secure != c.secure || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" || !k.Expires.IsZero() || len(k.Value) != 43 {
			t.Errorf("%v", k)
		}
	}
}

func TestRateLimit(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	b := p.browser()
	for range 5 {
		p.expect(b.signIn("anna", "not the password"), 401)
	}
	a := b.signIn("anna", password)
	if p.expect(a, 429, "Too many tries failed. Try again in 15 minutes"); a.Header.Get("Retry-After") != "901" {
		t.Errorf("%v", a.Header)
	}
	p.clock.pass(15 * time.Minute)
	p.expect(b.signIn("anna", password), 200, "Health")
}

// What a proxy of ours says counts as the address, what a visitor says does not.
func TestAddressBehindProxy(t *testing.T) {
	p := newPlace(t, func(c *config.Console) { c.BehindProxy, c.PublicURL = true, "https://as2.example" })
	p.user("anna", accounts.Operator)
	b := p.browser()
	for range 5 {
		p.expect(b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {"wrong"}}, header("Host", "as2.example"), header("X-Forwarded-For", "198.51.100.1, 192.0.2.1")), 401)
	}
	p.expect(b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {"wrong"}}, header("Host", "as2.example"), header("X-Forwarded-For", "198.51.100.2, 192.0.2.1")), 429)
	p.expect(b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {"wrong"}}, header("Host", "as2.example"), header("X-Forwarded-For", "192.0.2.2")), 401)
}

// Without a proxy in front nobody says for himself where he comes from.
func TestAddressWithoutProxy(t *testing.T) {
	own := exampleCertificate(t)
	p := newPlace(t, func(c *config.Console) {
		c.Certificates, c.PublicURL = []*x509.Certificate{own}, "https://as2.example"
	})
	p.user("anna", accounts.Operator)
	b := p.browser()
	for n := range 6 {
		want := 401
		if n == 5 {
			want = 429
		}
		p.expect(b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {"wrong"}}, header("Host", "as2.example"), header("X-Forwarded-For", fmt.Sprint("192.0.2.", n))), want)
	}
}

func TestSessionsEnd(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	b := p.browser()
	in := func() bool { return strings.Contains(b.get("/").body, "Sign out") }
	b.signIn("anna", password)
	for range 3 {
		p.clock.pass(29 * time.Minute)
		if !in() {
			t.Fatal("ended while it was used")
		}
	}
	// A page that keeps itself fresh is no use, and is told when it is over.
	for range 3 {
		p.clock.pass(9 * time.Minute)
		p.expect(b.get("/", header(byScript, "1")), 200)
	}
	p.clock.pass(3 * time.Minute)
	p.expect(b.get("/", header(byScript, "1")), 401)
	if in() {
		t.Error("did not end when it was idle")
	}
	b.signIn("anna", password)
	for range 12 * 3 {
		p.clock.pass(20 * time.Minute)
		in()
	}
	if in() {
		t.Error("did not end after twelve hours")
	}
	b.signIn("anna", password)
	form := b.form()
	if err := accounts.SetPassword(p.users, "anna", "another good password"); err != nil {
		t.Fatal(err)
	}
	p.expect(b.do("POST", "/transfers/01failed", url.Values{"form": {form}, "action": {"retry"}}), 401, "Your session has ended")
	if len(p.wishes()) != 0 {
		t.Error("something was wished for")
	}
	// Signing in again ends the session before, and one user has so many at most.
	b.signIn("anna", "another good password")
	for range maxPerUser {
		p.clock.pass(time.Second)
		p.browser().signIn("anna", "another good password")
	}
	if in() {
		t.Error("the oldest session goes on")
	}
}

// Acting takes an operator, the same origin and the secret of the session.
func TestForgedForms(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	p.user("bert", accounts.Viewer)
	b, viewer := p.browser(), p.browser()
	b.signIn("anna", password)
	viewer.signIn("bert", password)
	form := b.form()
	retry := url.Values{"form": {form}, "action": {"retry"}}
	for name, a := range map[string]answer{
		"from another site":   b.do("POST", "/transfers/01failed", retry, header("Sec-Fetch-Site", "cross-site")),
		"from another port":   b.do("POST", "/transfers/01failed", retry, header("Sec-Fetch-Site", "same-site")),
		"from an old browser": b.do("POST", "/transfers/01failed", retry, header("Sec-Fetch-Site", ""), header("Origin", "http://evil.example")),
		"without a secret":    b.do("POST", "/transfers/01failed", url.Values{"action": {"retry"}}),
		"with a wrong one":    b.do("POST", "/transfers/01failed", url.Values{"form": {form[1:] + "x"}, "action": {"retry"}}),
		"with one in the URL": b.do("POST", "/transfers/01failed?form="+form+"&action=retry", url.Values{}),
		"of somebody else":    viewer.do("POST", "/transfers/01failed", retry),
		"by a viewer":         viewer.do("POST", "/transfers/01failed", url.Values{"form": {viewer.form()}, "action": {"retry"}}),
		"about a partner":     viewer.do("POST", "/partners/acme", url.Values{"form": {viewer.form()}, "action": {"hold"}}),
		"sign-in elsewhere":   b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {password}}, header("Sec-Fetch-Site", "cross-site")),
	} {
		if a.StatusCode != 403 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	p.expect(b.do("POST", "/transfers/01failed", url.Values{"form": {form}, "reason": {strings.Repeat("x", maxForm)}}), 400, "The form is longer than it can be")
	p.expect(p.browser().do("POST", "/transfers/01failed", retry), 401)
	if strings.Contains(viewer.get("/transfers/01failed").body, `name="action"`) {
		t.Error("a viewer sees buttons")
	}
	if a := b.get("/transfers/01failed?action=retry&form=" + form); a.StatusCode != 200 {
		t.Errorf("%d", a.StatusCode)
	}
	if w := p.wishes(); len(w) != 0 {
		t.Errorf("%+v", w)
	}
}

func TestActions(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	b := p.browser()
	b.signIn("anna", password)
	form := b.form()
	do := func(path, action, reason string, more ...string) answer {
		f := url.Values{"form": {form}, "action": {action}, "reason": {reason}}
		if len(more) > 0 {
			f.Set("sure", more[0])
		}
		return b.do("POST", path, f)
	}
	for _, c := range []struct {
		path, action string
		want         ledger.Wish
	}{
		{"/transfers/01failed", "retry", ledger.Wish{Kind: ledger.WishRetry, Transfer: "01failed"}},
		{"/transfers/01failed", "dismiss", ledger.Wish{Kind: ledger.WishDismiss, Transfer: "01failed"}},
		{"/received/01in", "release", ledger.Wish{Kind: ledger.WishRelease, Transfer: "01in"}},
		{"/partners/acme", "hold", ledger.Wish{Kind: ledger.WishHold, Partner: "acme"}},
	} {
		if c.action == "dismiss" {
			p.expect(do(c.path, c.action, "no longer"), 200, "It is not tried again", `value="no longer"`)
		}
		done := make(chan ledger.Wish)
		go func() {
			defer close(done)
			for range time.Tick(grantPoll) {
				if open := p.wishes(); len(open) > 0 {
					p.grant("it is done")
					done <- open[0]
					return
				}
			}
		}()
		answered := make(chan answer)
		go func() {
			answered <- do(c.path, c.action, "asked\r\nby <acme> "+strings.Repeat("é", views.MaxReason), "yes")
		}()
		w := <-done
		p.expect(<-answered, 200, "by anna (console): it is done")
		if w.By != "anna (console)" || w.Kind != c.want.Kind || w.Transfer != c.want.Transfer || w.Partner != c.want.Partner || !strings.HasPrefix(w.Reason, "asked by <acme> é") || len([]rune(w.Reason)) != views.MaxReason || !w.At.Equal(p.clock.get()) {
			t.Errorf("%+v", w)
		}
	}
	p.expect(do("/transfers/01failed", "hold", ""), 409, "does not fit any more")
	p.expect(do("/received/01in", "retry", ""), 409, "does not fit any more")
	p.expect(do("/partners/acme", "stop", ""), 400, "cannot be done to a partner")
	p.expect(do("/partners/none", "hold", ""), 404)
	p.expect(do("/transfers/none", "retry", ""), 404)
	p.expect(do("/received/none", "release", ""), 404)
	if w := p.wishes(); len(w) != 0 {
		t.Errorf("%+v", w)
	}
}

// Programs come with tokens; a session is worth nothing there, and a token nothing here.
func TestTokens(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	token, err := accounts.AddToken(p.tokens, "prometheus", accounts.Viewer, time.Time{}, p.clock.get())
	if err != nil {
		t.Fatal(err)
	}
	b := p.browser()
	b.signIn("anna", password)
	for _, path := range []string{"/api/v1/transfers", "/metrics"} {
		p.expect(b.get(path), 401, "as2drop token add makes one")
	}
	b = p.browser()
	shown := header("Authorization", "Bearer "+token)
	p.expect(b.get("/api/v1/transfers", shown), 200, "prometheus (API) asks for /api/v1/transfers")
	p.expect(b.get("/metrics", shown), 200, "as2drop_up 1")
	p.expect(b.get("/", shown), 200, "Sign in")
}

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{0: "just now", -time.Second: "in a moment", 30 * time.Second: "30 s ago", 5 * time.Minute: "5 min ago", -90 * time.Minute: "in 1 h", 50 * time.Hour: "2 days ago"} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_960: "1.0 MB", 1 << 40: "1.1 TB", 1 << 60: "1152921.5 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", -1000: "-1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if percent(1, 0) != 0 || percent(5, 4) != 100 || percent(1, 4) != 25 {
		t.Error("percent")
	}
}
