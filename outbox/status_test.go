package outbox

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// What strangers answer is told on one line, short, and without what does not print.
func TestWords(t *testing.T) {
	for name, c := range map[string]struct{ contentType, body, want string }{
		"nothing":                  {"text/html", " \r\n", ""},
		"a page with a title":      {"text/html; charset=utf-8", "<html><head><TITLE lang=en>\n Log in\u2026 &lt;here&gt;\n</title>", `an HTML page with the title "Log in… <here>"`},
		"a page without title":     {"text/html", "<html><body><h1>Oops</h1><p>Ask&nbsp;us</p>", `an HTML page: "Oops Ask us"`},
		"a page that does not say": {"", "<!DOCTYPE html><title>x</title>", `an HTML page with the title "x"`},
		"text":                     {"text/plain", "no\r\n  such\tthing\x00\x1b[31m", `"no such thing [31m"`},
		"no type":                  {"", "busy", `"busy"`},
		"a bad type":               {"////", "busy", `"busy"`},
		"JSON":                     {"application/problem+json", `{"detail": "no"}`, `"{\"detail\": \"no\"}"`},
		"not UTF-8":                {"text/plain", "caf\xe9", `"caf"`},
		"something else":           {"application/octet-stream", "abc", ""},
		"nothing that prints":      {"text/plain", "\x00\x01", ""},
		"long":                     {"text/plain", strings.Repeat("ä", 1000), `"` + strings.Repeat("ä", maxWords) + `..."`},
		"a title far away":         {"text/html", strings.Repeat(" ", 2*maxLooked) + "<title>x</title>", ""},
	} {
		if got := words(&as2.Answer{Header: http.Header{"Content-Type": {c.contentType}}, Body: []byte(c.body)}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Where a server points to is told without what it may hold of secrets.
func TestRedirectTarget(t *testing.T) {
	for location, want := range map[string]string{
		"https://user:secret@new.example/as2?token=secret#secret": `"https://new.example/as2"`,
		"/as2/?x=secret":      `"/as2/"`,
		"":                    "does not say where to",
		"://nonsense\x00 %zz": `"`,
	} {
		e := judgeStatus(&as2.Answer{Status: 302, Header: http.Header{"Location": {location}}}, false, Policy{})
		if e.kind != paused || !strings.Contains(e.reason, want) || strings.Contains(e.reason+e.hint, "secret") {
			t.Errorf("%q: %+v", location, e)
		}
	}
}

// A wait that the partner asks for is kept to by all of his transfers, up to the longest
// one, and not after the clock went back.
func TestPartnerIsLeftAlone(t *testing.T) {
	o := New(Deps{}, Partner{Policy: Policy{Max: time.Hour}})
	if until := o.restingUntil(moment); !until.IsZero() {
		t.Error(until)
	}
	o.leaveAlone(moment.Add(30 * time.Minute))
	o.leaveAlone(moment.Add(time.Minute)) // a shorter one changes nothing
	for at, want := range map[time.Duration]bool{0: true, 29 * time.Minute: true, 30 * time.Minute: false, -29 * time.Minute: true, -31 * time.Minute: false} {
		if got := !o.restingUntil(moment.Add(at)).IsZero(); got != want {
			t.Errorf("after %v he is left alone: %v", at, got)
		}
	}
}

// A restart does not forget the wait that the partner asked for: neither for the document
// that was answered nor for one that nobody has posted yet.
func TestPartnerIsLeftAloneAfterARestart(t *testing.T) {
	w, o := begin(t, accept)
	answers := []*as2.Answer{{Status: 503, Header: http.Header{}, RetryAfter: 30 * time.Minute}}
	o.Post = postFunc(func() (*as2.Answer, error) { return answers[0], nil })
	carry(t, o, scan(t, o).Claimed[0])
	w.write("outbox/INV-2.xml", "<Invoice>2</Invoice>")
	next := w.outbox(o.Ledger)
	must(next.Recover(context.Background()))
	w.now = moment.Add(time.Minute)
	id := scan(t, next).Claimed[0]
	if tr := carry(t, next, id); tr.Posts != 0 || !tr.Due.Equal(moment.Add(30*time.Minute)) {
		t.Errorf("%d posts, due %v", tr.Posts, tr.Due)
	}
	w.now = moment.Add(30 * time.Minute)
	if tr := carry(t, next, id); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s: %s", tr.State, tr.Reason)
	}
}
