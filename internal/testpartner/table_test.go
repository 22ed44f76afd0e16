//go:build linux

package testpartner_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

// class is what a fault is to a transfer.
type class string

const (
	fine      class = "no fault"  // the receipt counts
	transient class = "transient" // the partner does not have it: tried again, counts
	unknown   class = "unknown"   // the partner may have it: the same again, counts
	waiting   class = "waiting"   // the partner took it, the receipt is to come
	pausing   class = "pausing"   // nobody gets through to the partner: he is paused, nothing counts
	final     class = "final"     // trying again would change nothing
	held      class = "held"      // somebody has to look
)

// row is one fault: it happens, and then all is well.
type row struct {
	does  string // what the partner does, for people
	steps []step // the fault; one more POST follows that goes well
	class class
	says  []string // among what the operator reads
	wait  time.Duration

	verdict   ledger.Verdict // in the end; empty = accepted
	ends      class          // held, where it does not end with a verdict
	rest      bool           // the partner's other documents wait too
	big       bool           // the message fits no buffer on the way
	async     bool           // the receipt is asked for on a connection of its own
	early     bool           // it comes before the answer, which counts no attempt then
	receipts  int            // that the partner posts
	event     string         // code of one that there must be
	repeated  bool           // the partner says "duplicate" to what he knows
	noReceipt bool           // none is asked for
}

// section is a heading of the page with its rows.
type section struct {
	title string
	rows  []row
}

func does(b testpartner.Behaviour) []step { return []step{{Behaviour: b}} }

// table is everything that a partner can do wrong. Where wait is zero a transient or
// unknown fault is followed by the first wait, and a pause by its first probe.
func table(t *testing.T) []section {
	return []section{
		{"He is not there", absent(t)},
		{"The connection", connection()},
		{"TLS", secured(t)},
		{"HTTP: come again", again()},
		{"HTTP: wrong address, wrong credentials", wrongWay()},
		{"HTTP: no", refusals()},
		{"Receipts", receipts()},
		{"Receipts on a connection of their own", later()},
	}
}

func absent(t *testing.T) []row {
	nobody, err := testpartner.Nobody()
	if err != nil {
		t.Fatal(err)
	}
	hole, end, err := testpartner.BlackHole()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return []row{
		{does: "nobody listens", steps: []step{{url: nobody}}, class: transient, says: []string{"not sent: no connection to 127.0.0.1:", "connection refused", "firewall"}},
		{does: "his host swallows every attempt to connect", steps: []step{{url: hole}}, class: transient, says: []string{"not sent: 127.0.0.1:", "did not answer within 2s"}},
		{does: "his name is not in the DNS", steps: []step{{url: testpartner.NoSuchName}}, class: transient, says: []string{`not sent: the DNS`, `"partner.invalid"`, "spelt right"}},
	}
}

func connection() []row {
	return []row{
		{does: "answers late, within timeouts.answer", steps: does(testpartner.Late(50 * time.Millisecond)), class: fine},
		{does: "takes the message and never answers", steps: does(testpartner.Hang), class: unknown, says: []string{"the partner may have it", "no complete answer within the time allowed of 2s", "timeouts.answer"}},
		{does: "never reads the message", steps: does(testpartner.HangUnread), big: true, class: unknown, says: []string{"the message does not get through: nothing moved for 2s"}},
		{does: "reads a byte a second", steps: does(testpartner.DripRead(time.Second)), big: true, class: unknown, says: []string{"nothing moved for 2s"}},
		{does: "answers a byte a second", steps: does(testpartner.DripAnswer(time.Second)), class: unknown, says: []string{"no complete answer within the time allowed of 2s"}},
		{does: "resets the connection after the header of the request", steps: does(testpartner.ResetBeforeBody), big: true, class: unknown, says: []string{"the partner may have it: the connection broke", "while the message was being sent", "what his log says"}},
		{does: "resets the connection in the middle of the message", steps: does(testpartner.ResetInBody), big: true, class: unknown, says: []string{"the connection broke"}},
		{does: "takes the message and resets the connection", steps: does(testpartner.ResetBeforeAnswer), class: unknown, says: []string{"the connection broke (connection reset by peer) after the message was sent, and no answer came"}},
		{does: "takes the message and closes the connection", steps: does(testpartner.CloseBeforeAnswer), class: unknown, says: []string{"the server closed the connection after the message was sent, and no answer came"}},
		{does: "resets the connection in the middle of the receipt", steps: does(testpartner.ResetInAnswer), class: unknown, says: []string{"the connection broke (connection reset by peer) in the middle of the answer"}},
		{does: "answers without end", steps: does(testpartner.Floods), class: unknown, says: []string{"1 MiB"}},
		{does: "answers twice on the connection", steps: does(testpartner.Twice), class: fine},
	}
}

func secured(t *testing.T) []row {
	authority, err := testpartner.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(s testpartner.Server) *tls.Certificate {
		c, err := authority.Issue(s)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours := func(name string, s testpartner.Server) []step { return does(testpartner.Issues(name, s)) }
	return []row{
		{does: "resets the connection in the TLS handshake", steps: does(testpartner.Refuse), class: transient, says: []string{"not sent: the connection broke (connection reset by peer) during the TLS handshake"}},
		{does: "closes the connection in the TLS handshake", steps: does(testpartner.HangUp), class: transient, says: []string{"not sent: the server closed the connection during the TLS handshake"}},
		{does: "takes the connection and says nothing", steps: does(testpartner.Mute), class: transient, says: []string{"not sent: the server took the connection and did not answer in TLS within 2s"}},
		{does: "shows a certificate of another name", steps: ours("another name", testpartner.Server{Hosts: []string{"www.acme.example", "acme.example"}}), class: pausing,
			says: []string{`it is for "www.acme.example", "acme.example", and not for "127.0.0.1"`, "compare the host in url"}},
		{does: "shows a certificate that expired", steps: ours("expired", testpartner.Server{Until: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)}), class: pausing,
			says: []string{"it expired on 2024-02-29 12:00:00 UTC", "must renew"}},
		{does: "shows a certificate of his own making", steps: does(testpartner.Shows("self-signed", issue(testpartner.Server{CommonName: "www.acme.example", Self: true}))), class: pausing,
			says: []string{"none of those configured", `subject "CN=www.acme.example"`, "SHA-256 ", "let him read the fingerprint to you"}},
		{does: "shows another certificate than yesterday", steps: does(testpartner.Shows("changed overnight", issue(testpartner.Server{CommonName: "www.acme.example"}))), class: pausing,
			says: []string{"none of those configured", `issuer "CN=test authority"`, "server_certificates"}},
		{does: "speaks TLS 1.1 at most", steps: does(testpartner.OldTLS), class: pausing, says: []string{"not sent: the server speaks nothing newer than TLS 1.1", "must allow TLS 1.2 or 1.3"}},
		{does: "speaks plain HTTP on the port of TLS", steps: does(testpartner.PlainHTTP), class: pausing, says: []string{"not sent: the server speaks plain HTTP on this port", "correct url"}},
	}
}

func again() []row {
	busy := func(status int, retryAfter string, r row) row {
		r.does, r.steps, r.class = "Retry-After: "+retryAfter, does(testpartner.Busy(status, retryAfter)), transient
		r.rest = status == 429 || status == 503
		if status == 503 {
			r.class = unknown
		}
		return r
	}
	with := func(r row, does string) row { r.does = does; return r }
	return []row{
		{does: "408", steps: does(testpartner.Status(408)), class: transient, says: []string{"HTTP 408 Request Timeout"}},
		{does: "425", steps: does(testpartner.Status(425)), class: transient, says: []string{"HTTP 425 Too Early"}},
		{does: "429", steps: does(testpartner.Status(429)), class: transient, says: []string{"HTTP 429 Too Many Requests"}},
		{does: "503", steps: does(testpartner.Status(503)), class: unknown, says: []string{"HTTP 503 Service Unavailable"}},
		with(busy(429, "300", row{wait: 5 * time.Minute, says: []string{"the partner asks for a wait of 5m0s"}}), "429 with Retry-After: 300"),
		with(busy(503, "120", row{wait: 2 * time.Minute, says: []string{"the partner asks for a wait of 2m0s"}}), "503 with Retry-After: 120"),
		with(busy(408, "120", row{wait: 2 * time.Minute}), "408 with Retry-After: 120"),
		with(busy(425, "120", row{wait: 2 * time.Minute}), "425 with Retry-After: 120"),
		{does: "503 with Retry-After: a date in ten minutes, by a clock that is a day ahead", steps: does(testpartner.BusyUntil(503, 10*time.Minute)), class: unknown, rest: true, wait: 10 * time.Minute, says: []string{"a wait of 10m0s"}},
		{does: "503 with Retry-After: a date ten years from now", steps: does(testpartner.BusyUntil(503, 87600*time.Hour)), class: unknown, rest: true, wait: time.Hour, says: []string{"longer wait than retry.max, and gets that: 1h0m0s"}},
		with(busy(429, "315360000", row{wait: time.Hour, says: []string{"longer wait than retry.max, and gets that: 1h0m0s"}}), "429 with Retry-After: ten years"),
		with(busy(503, "5", row{says: []string{"a wait of 5s"}}), "503 with Retry-After: 5, shorter than our own wait"),
		{does: "503 with Retry-After: -5", steps: does(testpartner.Busy(503, "-5")), class: unknown},
		{does: "503 with Retry-After: soon", steps: does(testpartner.Busy(503, "soon")), class: unknown},
		{does: "500", steps: does(testpartner.Status(500)), class: unknown, says: []string{"HTTP 500 Internal Server Error"}},
		{does: "502 with a page of a gateway", steps: does(testpartner.Page(502, "502 Bad Gateway")), class: unknown, says: []string{"HTTP 502 Bad Gateway", `an HTML page with the title "502 Bad Gateway"`, "a gateway before it"}},
		{does: "504", steps: does(testpartner.Status(504)), class: unknown, says: []string{"HTTP 504 Gateway Timeout"}},
	}
}

func wrongWay() []row {
	rows := []row{
		{does: "401", steps: does(testpartner.Answers("401", 401, "", as2.Field{Name: "WWW-Authenticate", Value: `Basic realm="AS2"`})), class: pausing, says: []string{"HTTP 401 Unauthorized", `it asks for "Basic"`, "client.basic"}},
		{does: "403", steps: does(testpartner.Answers("403", 403, "Your address is not on our list.\n")), class: pausing, says: []string{"HTTP 403 Forbidden", `"Your address is not on our list."`, "our IP address"}},
		{does: "404", steps: does(testpartner.Page(404, "Not here")), class: pausing, says: []string{"HTTP 404 Not Found", "compare url"}},
		{does: "407", steps: does(testpartner.Status(407)), class: pausing, says: []string{"HTTP 407 Proxy Authentication Required", "client.proxy_login"}},
		{does: "302 without saying where to", steps: does(testpartner.Status(302)), class: pausing, says: []string{"HTTP 302 Found, and it does not say where to"}},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		b := testpartner.Redirects(status, "https://new.acme.invalid/as2?session=secret")
		rows = append(rows, row{does: b.Name[len("HTTP "):] + " to another address", steps: does(b), class: pausing, says: []string{`the partner's server points to "https://new.acme.invalid/as2"`, "put it into url"}})
	}
	return rows
}

func refusals() []row {
	return []row{
		{does: "400", steps: does(testpartner.Answers("400", 400, "AS2-To is unknown")), class: final, verdict: ledger.VerdictRejected, says: []string{"HTTP 400 Bad Request", `"AS2-To is unknown"`, "ask him why"}},
		{does: "413", steps: does(testpartner.Status(413)), class: final, verdict: ledger.VerdictRejected, says: []string{"HTTP 413", "too large", "raise the limit"}},
		{does: "405", steps: does(testpartner.Status(405)), class: final, verdict: ledger.VerdictRejected, says: []string{"HTTP 405", "compare url"}},
	}
}

func receipts() []row {
	return []row{
		{does: "a receipt for another Message-ID", steps: does(testpartner.OtherMessageID), class: unknown, says: []string{"the receipt is for another message", "tell the partner"}},
		{does: "a receipt with another MIC", steps: does(testpartner.OtherMIC), class: final, verdict: ledger.VerdictRejected, says: []string{"the partner received something else", "do not take it for delivered"}},
		{does: "a receipt without MIC", steps: does(testpartner.NoMIC), class: final, verdict: ledger.VerdictRejected, says: []string{"the receipt states no MIC", "ask the partner what he received"}},
		{does: "an unsigned receipt where a signed one was asked for", steps: does(testpartner.Unsigned), class: unknown, says: []string{"the receipt is not signed", "receipt: unsigned"}},
		{does: "a receipt that a stranger signed", steps: does(testpartner.ByStranger), class: unknown, says: []string{"the receipt's signature does not count", "compare the partner's certificate"}},
		{does: "a negative receipt", steps: does(testpartner.Rejects(as2.DecryptionFailed)), class: final, verdict: ledger.VerdictRejected, says: []string{"decryption-failed", "present certificate"}},
		{does: "garbage that calls itself a receipt", steps: does(testpartner.Garbage), class: unknown, says: []string{"HTTP 200 without a receipt"}},
		{does: "a web page with 200", steps: does(testpartner.Page(200, "Log in &amp; go on")), class: unknown, says: []string{`the answer is an HTML page with the title "Log in & go on"`, "url leads to a web page"}},
		{does: "200 with nothing", steps: does(testpartner.TakesEmpty(200)), class: unknown, says: []string{"HTTP 200 without a receipt: the answer is empty", "why no receipt came"}},
		{does: "202 with nothing", steps: does(testpartner.TakesEmpty(202)), class: unknown, says: []string{"HTTP 202 without a receipt"}},
		{does: "no receipt, and then \"duplicate-document\"", steps: does(testpartner.ResetBeforeAnswer), repeated: true, class: unknown, ends: held, says: []string{"no answer came"}},
		{does: "200 before it has read the message, and no receipt was asked for", steps: does(testpartner.Early(200)), big: true, noReceipt: true, class: unknown, verdict: ledger.VerdictNoReceipt, says: []string{"HTTP 200, before the message was out"}},
		{does: "200 with nothing, and no receipt was asked for", steps: does(testpartner.TakesEmpty(200)), noReceipt: true, class: fine, verdict: ledger.VerdictNoReceipt},
	}
}

func later() []row {
	return []row{
		{does: "posts the receipt as agreed", steps: does(testpartner.Well), async: true, receipts: 1, class: fine},
		{does: "posts the receipt before it answers the message", steps: does(testpartner.ReceiptFirst), async: true, early: true, receipts: 1, class: fine},
		{does: "posts the same receipt twice", steps: does(testpartner.ReceiptTwice), async: true, receipts: 2, class: fine, event: "receipt-repeated"},
		{does: "posts a second receipt that contradicts the first", steps: does(testpartner.Contradicts), async: true, receipts: 2, class: fine, event: "receipt-contradicts"},
		{does: "posts a receipt that a stranger signed", steps: does(testpartner.ByStranger), async: true, receipts: 1, class: waiting, event: "receipt-refused", wait: time.Hour},
		{does: "takes the message and posts no receipt", steps: does(testpartner.NeverReceipt), async: true, class: waiting, wait: time.Hour, says: []string{"the receipt is to come to"}},
		{does: "answers with a web page where nothing was expected", steps: does(testpartner.Page(200, "Log in")), async: true, class: waiting, wait: time.Hour, says: []string{`an HTML page with the title "Log in"`}},
	}
}
