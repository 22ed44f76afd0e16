package outbox

import (
	"bytes"
	"fmt"
	"html"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// judgeStatus classes an HTTP status that came without a receipt. A refusal says nothing
// about an earlier attempt that may have reached the partner: then the transfer is given
// up, so that it keeps its Message-ID.
func judgeStatus(a *as2.Answer, before bool, p Policy) event {
	e := event{kind: failed, reason: strings.TrimSpace(fmt.Sprintf("HTTP %d %s", a.Status, http.StatusText(a.Status)))}
	switch {
	case a.Status >= 300 && a.Status < 400:
		return redirected(e, a)
	case wayStatus[a.Status] != "":
		e.kind, e.hint = paused, wayStatus[a.Status]
		e.reason += challenge(a.Header)
	case transientStatus[a.Status]:
		e.rest = a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable
		// Load balancers say 503 also when the server behind them has the message and was too
		// slow, and agents (ours too) when they have it and cannot publish it yet.
		e.unknown = a.Status == http.StatusServiceUnavailable
		e.hint = "the partner's server is busy, nothing is wrong here"
		e.retryAfter = min(a.RetryAfter, p.longest())
		e.reason += asked(a, e.retryAfter)
	case a.Status >= 500:
		e.unknown, e.hint = true, "the partner's server, or a gateway before it, has a fault: if it lasts, tell the partner"
		e.retryAfter = min(a.RetryAfter, p.longest())
		e.reason += asked(a, e.retryAfter)
	case a.Status >= 400:
		e.kind, e.verdict, e.hint = settled, ledger.VerdictRejected, finalHint(a.Status)
		if before {
			e.verdict = ledger.VerdictGaveUp
			e.reason += "; an earlier attempt may have reached the partner"
		}
	default:
		e.unknown, e.hint = true, "this is no answer to a message; ask the partner what stands before his AS2 server"
	}
	if says := words(a); says != "" {
		e.reason += "; the answer is " + says
	}
	return e
}

// transientStatus are those that ask to come again. All but 503 say that nothing was taken.
var transientStatus = map[int]bool{
	http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true, http.StatusServiceUnavailable: true,
}

// wayStatus are faults of the way to the partner, with what to do: they would come for
// every message of his.
var wayStatus = map[int]string{
	http.StatusUnauthorized:      "the partner's server wants a user and password, or others than we sent: agree on them with him, set client.basic or client.bearer_file, then: as2drop release PARTNER",
	http.StatusForbidden:         "the partner's server does not let us in: ask him whether he expects our IP address, a client certificate, or other credentials, then: as2drop release PARTNER",
	http.StatusProxyAuthRequired: "a proxy on the way wants a user and password: set client.proxy_login, then: as2drop release PARTNER",
	http.StatusNotFound:          "nothing is behind this address at the partner's server: compare url with what he gave you, letter by letter, or ask whether his AS2 server runs; then: as2drop release PARTNER",
}

// finalHint is what to do where the server refuses the request itself.
func finalHint(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "the message is too large for the partner's server, or for a gateway before it: ask him to raise the limit, or send it in smaller parts"
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return "what answers does not take AS2 messages: compare url with what the partner gave you"
	}
	return "the partner's server refuses the request itself: ask him why, with the time and the Message-ID"
}

// redirected is a server that points elsewhere. Nobody follows it: credentials and
// documents would go where somebody else says.
func redirected(e event, a *as2.Answer) event {
	e.kind = paused
	target := a.Header.Get("Location")
	if u, err := url.Parse(target); err == nil {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, "" // secrets of a login, and no part of an address
		target = u.String()
	}
	if target == "" {
		e.reason += ", and it does not say where to"
		e.hint = "ask the partner for the address of his AS2 server and set url, then: as2drop release PARTNER"
		return e
	}
	e.reason += fmt.Sprintf(": the partner's server points to %q", target)
	e.hint = "redirects are not followed. Ask the partner whether that is his new address; if it is, put it into url, then: as2drop release PARTNER"
	return e
}

// challenge is how a server wants to know who we are: the schemes, without more.
func challenge(h http.Header) string {
	var schemes []string
	for _, v := range append(h.Values("WWW-Authenticate"), h.Values("Proxy-Authenticate")...) {
		scheme, _, _ := strings.Cut(strings.TrimSpace(v), " ")
		schemes = append(schemes, fmt.Sprintf("%q", scheme))
	}
	if len(schemes) == 0 {
		return ""
	}
	return "; it asks for " + strings.Join(schemes, ", ")
}

// asked is the wait that the partner asked for.
func asked(a *as2.Answer, granted time.Duration) string {
	switch {
	case a.RetryAfter == 0:
		return ""
	case granted < a.RetryAfter:
		return fmt.Sprintf("; the partner asks for a longer wait than retry.max, and gets that: %v", granted)
	}
	return fmt.Sprintf("; the partner asks for a wait of %v", granted)
}

const (
	maxLooked       = 16 << 10 // bytes of an answer that are looked at for words
	maxWords        = 200      // characters that are told
	maxReceiptWords = 500      // of what a receipt says to people
)

var (
	title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)
	tag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// words are what an answer without receipt says to people; empty = nothing that they
// could read.
func words(a *as2.Answer) string {
	body := a.Body[:min(len(a.Body), maxLooked)]
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")) // a bad one is none
	text := string(bytes.ToValidUTF8(body, nil))
	start := strings.ToLower(strings.TrimSpace(text[:min(len(text), 512)]))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return ""
	case kind == "text/html" || kind == "application/xhtml+xml" || strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html"):
		if m := title.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("an HTML page with the title %q", plain(html.UnescapeString(m[1]), maxWords))
		}
		return fmt.Sprintf("an HTML page: %q", plain(html.UnescapeString(tag.ReplaceAllString(text, " ")), maxWords))
	case kind == "" || strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml"):
		if text = plain(text, maxWords); text != "" {
			return fmt.Sprintf("%q", text)
		}
	}
	return ""
}

// plain is text on one line, without what does not print, cut to what people read.
func plain(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "..."
	}
	return text
}
