package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// The events are those of everybody, unless a partner is asked for.
func TestEventsOfEverybody(t *testing.T) {
	p := newPlace(t, nil)
	err := p.ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(tx.AddEvent(ledger.Event{At: p.clock.get(), Level: ledger.Info, Text: "the config was taken"}),
			tx.AddEvent(ledger.Event{At: p.clock.get(), Level: ledger.Alarm, Partner: "acme", Text: "INV-1 was rejected"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	b := p.browser()
	p.expect(b.get("/events"), 200, "the config was taken", "INV-1 was rejected")
	p.expect(b.get("/events?level=alarm"), 200, "INV-1 was rejected")
	for path, missing := range map[string]string{"/events?partner=acme": "the config was taken", "/events?level=alarm": "the config was taken", "/events?partner=beta": "INV-1"} {
		if a := b.get(path); strings.Contains(a.body, missing) {
			t.Errorf("%s has %q", path, missing)
		}
	}
}

// shown is the cookie that a browser shows, for one that does not forget it.
func (b *browser) shown() func(*http.Request) {
	b.t.Helper()
	u, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	cookies := b.client.Jar.Cookies(u)
	if len(cookies) != 1 {
		b.t.Fatalf("%v", cookies)
	}
	return func(r *http.Request) { r.AddCookie(cookies[0]) }
}

// A session ends where it is kept, whatever the browser remembers: when somebody signs out or
// signs in again, and when the user is removed or has another role.
func TestEndedSessionsAreWorthNothing(t *testing.T) {
	for name, end := range map[string]func(b *browser){
		"signed out":    func(b *browser) { b.do("POST", "/sign-out", url.Values{"form": {b.form()}}) },
		"signed in":     func(b *browser) { b.signIn("anna", password) },
		"removed":       func(b *browser) { b.remove("anna") },
		"another role":  func(b *browser) { b.remove("anna"); b.user("anna", accounts.Viewer) },
		"removed, back": func(b *browser) { b.remove("anna"); b.user("anna", accounts.Operator) },
		"role by hand": func(b *browser) {
			text, err := os.ReadFile(b.users)
			if err == nil {
				err = os.WriteFile(b.users, bytes.Replace(text, []byte("anna operator"), []byte("anna viewer"), 1), 0o600)
			}
			if err != nil {
				b.t.Fatal(err)
			}
		},
	} {
		p := newPlace(t, nil)
		p.user("anna", accounts.Operator)
		b := p.browser()
		b.signIn("anna", password)
		cookie := b.shown()
		p.expect(p.browser().get("/", cookie), 200, "Sign out")
		form := b.form()
		end(b)
		a := p.browser().do("POST", "/transfers/01failed", url.Values{"form": {form}, "action": {"retry"}}, cookie)
		if a.StatusCode != 401 || strings.Contains(p.browser().get("/", cookie).body, "Sign out") {
			t.Errorf("%s: the session goes on: %d", name, a.StatusCode)
		}
		if w := p.wishes(); len(w) != 0 {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// What became of a wish is told on the page of what it was about, and nowhere else.
func TestOutcomeIsOfTheSubject(t *testing.T) {
	p := newPlace(t, nil)
	err := p.ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(tx.AddWish(ledger.Wish{ID: "w1", Kind: ledger.WishRetry, Transfer: "01failed", By: "anna (console)"}),
			tx.AddWish(ledger.Wish{ID: "w2", Kind: ledger.WishRetry, Transfer: "02other", By: "anna (console)"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	b := p.browser()
	p.expect(b.get("/transfers/01failed?done=w1"), 200, "Retry by anna (console) is noted")
	if a := b.get("/transfers/01failed?done=w2"); strings.Contains(a.body, "is noted") {
		t.Error("the outcome is of another transfer")
	}
}

// The log cannot be filled by those who may not come in.
func TestLogOfWhatStrangersType(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	p.expect(p.browser().signIn(strings.Repeat("é", 5_000), "wrong"), 401)
	if log := p.log.String(); len(log) > 1000 || !strings.Contains(log, "sign-in refused") {
		t.Errorf("%d bytes: %.300s", len(log), log)
	}
}

// Who leaves a page before it is there is no fault of the ledger.
func TestWhoLeavesIsNoFault(t *testing.T) {
	p := newPlace(t, nil)
	for fail, logged := range map[error]bool{context.Canceled: false, errors.New("the disk is gone"): true} {
		p.log.Reset()
		p.views.fail = fmt.Errorf("ledger: %w", fail)
		p.browser().get("/transfers")
		if got := strings.Contains(p.log.String(), "the ledger did not answer"); got != logged {
			t.Errorf("%v: %s", fail, p.log.String())
		}
	}
}

// What was typed is looked for in every list: where there are no names it is a Message-ID.
func TestReceivedAreSearched(t *testing.T) {
	p := newPlace(t, nil)
	for kind, want := range map[string]views.IncomingSearch{
		"": {Text: "<m1@them>"}, views.KindReceived: {Text: "<m1@them>"}, views.KindRefused: {MessageID: "<m1@them>"}, views.KindStored: {MessageID: "<m1@them>"},
	} {
		p.browser().get("/received?q=%3Cm1@them%3E&kind=" + kind)
		if p.views.came.Text != want.Text || p.views.came.MessageID != want.MessageID {
			t.Errorf("%q: %+v", kind, p.views.came)
		}
	}
}

// Nobody who makes a link, or a form, has people led elsewhere by signing in.
func TestSignInLeadsNowhereElse(t *testing.T) {
	p := newPlace(t, nil)
	p.user("anna", accounts.Operator)
	const evil = "https://evil.example/"
	b := p.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if a := b.get("/sign-in?next=" + url.QueryEscape(evil)); strings.Contains(a.body, "evil.example") {
		t.Error("the form leads elsewhere")
	}
	if a := b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {"wrong"}, "next": {evil}}); strings.Contains(a.body, "evil.example") {
		t.Error("the form leads elsewhere after a mistake")
	}
	for name, a := range map[string]answer{
		"who signs in": b.do("POST", "/sign-in", url.Values{"name": {"anna"}, "password": {password}, "next": {evil}}),
		"who is in":    b.get("/sign-in?next=" + url.QueryEscape(evil)),
	} {
		if to := a.Header.Get("Location"); a.StatusCode != 303 || to != "/" {
			t.Errorf("%s is led to %q: %d", name, to, a.StatusCode)
		}
	}
}

// Sessions are bounded, whoever signs in.
func TestManySessions(t *testing.T) {
	s := newSessions()
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	first := ""
	for n := range maxSessions + 1 {
		key := s.begin(accounts.Identity{Name: fmt.Sprint("user", n)}, accounts.Stamp{}, now.Add(time.Duration(n)*time.Millisecond))
		if n == 0 {
			first = key
		}
	}
	if _, ok := s.find(first, now, time.Hour, time.Hour, false); ok || len(s.all) != maxSessions {
		t.Errorf("%d sessions; the oldest goes on: %v", len(s.all), ok)
	}
	if same("", "") {
		t.Error("no secret is the secret of a session")
	}
}
