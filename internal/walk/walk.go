// Package walk goes the way of a message to a partner, step by step: the name of the host, a
// connection, TLS, HTTP, a test message, its receipt. Each Step says what was seen; the one
// that fails says the cause and the remedy, and the walk ends there.
//
// It uses the client that posts real messages, and a trial of package outbox, which seals and
// judges like one of them, so that a walk that comes to its end means something. It sends
// nothing but the test message, and no message at all if it is to end before that.
package walk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
	"github.com/as2drop/as2drop/outbox"
)

// Names of the steps, in their order.
const (
	DNS     = "dns"
	TCP     = "tcp"
	TLS     = "tls"
	HTTP    = "http"
	Message = "message"
	Receipt = "receipt"
)

// Steps are all of them.
var Steps = []string{DNS, TCP, TLS, HTTP, Message, Receipt}

// State of a step.
type State string

const (
	OK      State = "ok"
	Failed  State = "failed"
	Skipped State = "skipped"
)

// Step is what was seen.
type Step struct {
	Name     string   `json:"step"`
	State    State    `json:"state"`
	Saw      []string `json:"saw"`
	Warnings []string `json:"warnings"`
	Cause    string   `json:"cause,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Options say where to go.
type Options struct {
	URL    string
	Client *as2.Client
	Has    Has
	Until  string // the last step; empty = all
	Now    func() time.Time
	Trial  func() (*outbox.Trial, error)                       // makes the test message; asked when it is needed
	Await  func(context.Context, *outbox.Trial) error          // waits for a receipt on a connection of its own
	Tell   func(Step)                                          // is told of each step when it is over
	Lookup func(context.Context, string) ([]net.IPAddr, error) // nil = that of the system
}

// Has is what we bring along.
type Has struct {
	Identity    *x509.Certificate // client certificate; nil = none
	Pinned      int               // number of server certificates that are configured
	Credentials string            // such as basic authentication; empty = none
	Connect     time.Duration
}

// walker is one walk.
type walker struct {
	Options
	url   *url.URL
	host  string // that is connected to: the server, or the proxy
	port  string
	proxy bool
	steps []Step
	trial *outbox.Trial
}

// Walk goes as far as it comes. Passed tells whether that is as far as was wanted. The error
// is a fault of ours.
func Walk(ctx context.Context, o Options) (steps []Step, trial *outbox.Trial, passed bool, err error) {
	w := &walker{Options: o}
	if w.url, err = url.Parse(o.URL); err != nil {
		return nil, nil, false, err
	}
	if err := w.way(); err != nil {
		return nil, nil, false, err
	}
	for _, name := range Steps {
		s := Step{Name: name, State: OK, Saw: []string{}, Warnings: []string{}}
		err := map[string]func(context.Context, *Step) error{DNS: w.dns, TCP: w.tcp, TLS: w.tls, HTTP: w.http, Message: w.message, Receipt: w.receipt}[name](ctx, &s)
		if err != nil {
			return w.steps, w.trial, false, err
		}
		w.steps = append(w.steps, s)
		if o.Tell != nil {
			o.Tell(s)
		}
		if s.State == Failed {
			return w.steps, w.trial, false, nil
		}
		if name == o.Until {
			break
		}
	}
	return w.steps, w.trial, true, nil
}

func (s *Step) saw(format string, args ...any) { s.Saw = append(s.Saw, fmt.Sprintf(format, args...)) }
func (s *Step) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

func (s *Step) fail(cause, remedy string) error {
	s.State, s.Cause, s.Remedy = Failed, cause, remedy
	return nil
}

// way finds out whom a connection is made to.
func (w *walker) way() error {
	proxy, err := w.Client.Way(w.URL)
	if err != nil {
		return err
	}
	to := w.url
	if proxy != nil {
		to, w.proxy = proxy, true
	}
	w.host, w.port = to.Hostname(), to.Port()
	if w.port == "" {
		w.port = map[string]string{"https": "443"}[to.Scheme]
		if w.port == "" {
			w.port = "80"
		}
	}
	return nil
}

// whom names what is connected to.
func (w *walker) whom() string {
	if w.proxy {
		return "the proxy " + w.host
	}
	return w.host
}

func (w *walker) dns(ctx context.Context, s *Step) error {
	if ip := net.ParseIP(w.host); ip != nil {
		s.saw("%s is an address: there is no name to look up", w.whom())
		return nil
	}
	lookup := w.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupIPAddr
	}
	ctx, stop := context.WithTimeout(ctx, w.connect())
	defer stop()
	found, err := lookup(ctx, w.host)
	var fault *net.DNSError
	switch {
	case errors.As(err, &fault) && fault.IsNotFound:
		return s.fail(fmt.Sprintf("the DNS knows no host %q", w.host), "look whether the host in url is spelt right, and ask the partner for the URL; a name that only an inner DNS knows must be known to the DNS of this machine")
	case err != nil:
		return s.fail(fmt.Sprintf("the DNS does not say where %q is: %v", w.host, err), "this machine's DNS does not work: look at its network settings")
	}
	var texts []string
	for _, a := range found {
		texts = append(texts, a.String())
	}
	s.saw("%s is %s", w.whom(), strings.Join(texts, ", "))
	return nil
}

func (w *walker) connect() time.Duration {
	if w.Has.Connect > 0 {
		return w.Has.Connect
	}
	return 30 * time.Second
}

func (w *walker) tcp(ctx context.Context, s *Step) error {
	address := net.JoinHostPort(w.host, w.port)
	conn, err := (&net.Dialer{Timeout: w.connect()}).DialContext(ctx, "tcp", address)
	if err != nil {
		var wait net.Error
		if errors.As(err, &wait) && wait.Timeout() {
			return s.fail(fmt.Sprintf("%s did not answer within %v", address, w.connect()),
				"a firewall lets nothing through, ours or the partner's: ask for the way to this address and port to be opened, and tell the partner the address that we come from")
		}
		return s.fail(fmt.Sprintf("no connection to %s: %v", address, bottom(err)),
			"nobody listens there: compare host and port of the URL with what the partner gave you, and ask him whether his server runs")
	}
	s.saw("connected to %s, from %s", conn.RemoteAddr(), conn.LocalAddr())
	return conn.Close()
}

func bottom(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (w *walker) tls(ctx context.Context, s *Step) error {
	switch {
	case w.url.Scheme == "http":
		s.warn("plain HTTP: whoever is on the way reads AS2 IDs and file names")
		s.State = Skipped
		return nil
	case w.proxy:
		s.saw("through the proxy: it shows with HTTP")
		s.State = Skipped
		return nil
	}
	h, err := w.Client.Shake(ctx, w.URL)
	if h != nil {
		w.describe(s, h)
	}
	if err != nil {
		var e *as2.PostError
		if errors.As(err, &e) {
			return s.fail(e.Cause.Error(), w.remedyTLS(h, err))
		}
		return err
	}
	switch {
	case h.Asked && w.Has.Identity == nil:
		s.warn("the server asks for a client certificate, and none is configured: if it insists, ask the partner which one he expects and set client.client_certificate")
	case h.Asked:
		s.saw("the server asked for a client certificate and was shown ours: %s", plain.Line(w.Has.Identity.Subject.String()))
	default:
		s.saw("the server did not ask for a client certificate")
		if w.Has.Identity != nil {
			s.warn("a client certificate is configured, and the server did not ask for one")
		}
	}
	return nil
}

// remedyTLS is the usual remedy, or how to come by a certificate that no authority issued.
func (w *walker) remedyTLS(h *as2.Handshake, err error) string {
	if h != nil && len(h.Certificates) > 0 && w.Has.Pinned == 0 && keys.SelfSigned(h.Certificates[0]) {
		return "it is self-signed, which is usual for AS2: let the partner send you its file, compare the fingerprint over the telephone, name it in server_certificates, then test again"
	}
	return outbox.Remedy(err)
}

// describe tells what a server showed.
func (w *walker) describe(s *Step, h *as2.Handshake) {
	if h.Version != "" {
		s.saw("%s", h.Version)
	}
	if len(h.Certificates) == 0 {
		return
	}
	for i, c := range h.Certificates {
		what := "certificate"
		if i > 0 {
			what = "behind it"
		}
		s.saw("%s: %s, issued by %s, valid to %s", what, plain.Line(c.Subject.String()), issuer(c), c.NotAfter.UTC().Format(time.DateOnly))
	}
	leaf := h.Certificates[0]
	s.saw("for %s; SHA-256 %s", hosts(leaf), keys.Fingerprint(leaf))
	if w.Has.Pinned > 0 {
		s.saw("held against server_certificates (%d)", w.Has.Pinned)
	} else {
		s.saw("held against the authorities of this system")
	}
	if days := keys.DaysLeft(leaf, w.Now()); days >= 0 && days <= 30 {
		s.warn("the certificate expires in %d days: tell the partner", days)
	}
}

func issuer(c *x509.Certificate) string {
	if keys.SelfSigned(c) {
		return "itself"
	}
	return plain.Line(c.Issuer.String())
}

func hosts(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no host"
	}
	return plain.Line(strings.Join(names, ", "))
}

func (w *walker) http(ctx context.Context, s *Step) error {
	a, err := w.Client.Knock(ctx, w.URL)
	var e *as2.PostError
	switch {
	case errors.As(err, &e):
		return s.fail(e.Cause.Error(), outbox.Remedy(err))
	case err != nil:
		return err
	}
	s.saw("a GET is answered HTTP %d %s%s", a.Status, http.StatusText(a.Status), server(a))
	if says := outbox.Says(a); says != "" {
		s.saw("the answer is %s", says)
	}
	if w.Has.Credentials != "" {
		s.saw("shown: %s", w.Has.Credentials)
	}
	switch {
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusProxyAuthRequired:
		s.warn("the server does not let a GET through; what counts is the POST of the message")
	case a.Status >= 300 && a.Status < 400:
		s.warn("the server sends a GET on to %q; a message is not sent on: the URL may be an old one", plain.Line(a.Header.Get("Location")))
	case a.Status == http.StatusNotFound:
		s.warn("the server knows no such page; many AS2 servers answer a GET so, but compare the path in url with what the partner gave you")
	case a.Status >= 500 && a.Status != http.StatusNotImplemented:
		s.warn("the server has a fault, or answers a GET so")
	}
	return nil
}

// server is the name that a server gives itself.
func server(a *as2.Answer) string {
	if name := a.Header.Get("Server"); name != "" {
		return fmt.Sprintf(", by %q", plain.Line(name[:min(len(name), 100)]))
	}
	return ""
}

func (w *walker) message(ctx context.Context, s *Step) (err error) {
	if w.trial, err = w.Trial(); err != nil {
		return err
	}
	t := w.trial
	s.saw("AS2-From %s, AS2-To %s, Message-ID %s", as2.Get(t.Sealed.Header, "AS2-From"), as2.Get(t.Sealed.Header, "AS2-To"), t.MessageID)
	s.saw("%s, %d bytes", layers(&t.Sealed), t.Sealed.Length)
	if err := t.Post(ctx); err != nil {
		return err
	}
	if t.Answer == nil && ctx.Err() != nil {
		return s.fail("it was broken off before an answer came", "the partner may have the test message; nobody posts it again by itself")
	}
	if t.Answer == nil {
		return s.fail(t.Reason, t.Hint)
	}
	s.saw("answered HTTP %d %s, %d bytes%s", t.Answer.Status, http.StatusText(t.Answer.Status), len(t.Answer.Body), server(t.Answer))
	// A receipt counts whatever the status was.
	if t.MDN == nil && t.Outcome == outbox.TrialFailed {
		return s.fail(t.Reason, t.Hint)
	}
	return nil
}

// layers says how a message is protected.
func layers(s *as2.Sealed) string {
	var words []string
	for _, l := range []struct {
		is             bool
		yes, otherwise string
	}{{s.Signed, "signed", "not signed"}, {s.Encrypted, "encrypted", "not encrypted"}, {s.Compressed, "compressed", ""}} {
		if word := map[bool]string{true: l.yes, false: l.otherwise}[l.is]; word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

func (w *walker) receipt(ctx context.Context, s *Step) error {
	t := w.trial
	if !t.Sealed.Receipt.Wanted {
		s.saw("none is asked for (send.receipt: none): that the message was taken is all there is to know")
		s.State = Skipped
		return nil
	}
	if t.Outcome == outbox.TrialWaiting {
		s.saw("to come to %s", t.Sealed.Receipt.Async)
		if err := w.Await(ctx, t); err != nil {
			return s.fail(err.Error(), "the partner took the message, and his receipt did not reach us: ask him whether he can reach "+t.Sealed.Receipt.Async+" from where his server stands, look at our firewall, and whether his log names an error for this Message-ID")
		}
	}
	if m := t.MDN; m != nil {
		s.saw("disposition %q", plain.Line(m.DispositionText))
		switch {
		case m.Signed && m.Signer != nil:
			s.saw("signed by %s", plain.Line(m.Signer.Subject.String()))
		case !m.Signed:
			s.saw("not signed")
		}
		if m.MIC != nil {
			s.saw("MIC %s, ours %s", m.MIC, t.Sealed.MICs[0])
		}
	}
	s.Warnings = append(s.Warnings, t.Notes...)
	if t.Outcome != outbox.TrialSent {
		return s.fail(t.Reason, t.Hint)
	}
	return nil
}
