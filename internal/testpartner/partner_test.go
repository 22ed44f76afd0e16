package testpartner

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
)

// message is sealed once and posted with net/http: what is seen here is not seen through
// our own client.
type message struct {
	sealed *as2.Sealed
	body   []byte
}

func newMessage(t *testing.T, id, content, async string) message {
	t.Helper()
	ids := crashtest.Identities()
	var b bytes.Buffer
	s, err := as2.Seal(&b, func(w io.Writer) error { _, err := io.WriteString(w, content); return err }, as2.SealOptions{
		From: "US", To: "THEM", MessageID: "<" + id + "@us.invalid>", Date: time.Now(), ContentType: "application/xml",
		Sign: crashtest.Signer(ids[0], cms.SHA256), Cipher: cms.AES128CBC, Recipients: []cms.Recipient{{Certificate: ids[1].Certificate}},
		Receipt: as2.ReceiptRequest{Wanted: true, Signed: true, Async: async, Digests: []cms.Digest{cms.SHA256}}, ReceiptTo: "us",
	})
	if err != nil {
		t.Fatal(err)
	}
	return message{s, b.Bytes()}
}

func newPartner(t *testing.T, o Options) *Partner {
	t.Helper()
	ids := crashtest.Identities()
	o.Own, o.Sender, o.Stranger = ids[1], ids[0].Certificate, ids[2]
	p, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// browser is a client of net/http that trusts the authority of a partner.
func browser(t *testing.T, p *Partner) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(p.Authority().Certificate)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Proxy: nil}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (m message) post(ctx context.Context, c *http.Client, url string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.body))
	if err != nil {
		return nil, nil, err
	}
	for _, f := range m.sealed.Header {
		r.Header.Set(f.Name, f.Value)
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// receiptOf is how a good reader of receipts sees an answer.
func receiptOf(res *http.Response, body []byte) (*as2.MDN, error) {
	return as2.ParseMDN(res.Header, body, cms.Pinned(crashtest.Identities()[1].Certificate), time.Now())
}

// What each behaviour is on the wire, and whether the message was delivered by it.
func TestBehaviours(t *testing.T) {
	// Whoever writes at that moment learns of a reset by itself, or from who reads, and has closed.
	const whileWriting = "connection reset|use of closed network connection"
	for name, c := range map[string]struct {
		b         Behaviour
		fails     string // what net/http says, or one of several with | between; empty = there is an answer
		status    int
		delivered bool
		receipt   func(m *as2.MDN, err error, s *as2.Sealed) bool
		visit     bool // a POST is on record
	}{
		"well": {b: Well, status: 200, delivered: true, visit: true, receipt: good},
		"late": {b: Late(time.Millisecond), status: 200, delivered: true, visit: true, receipt: good},
		"another Message-ID": {b: OtherMessageID, status: 200, delivered: true, visit: true, receipt: func(m *as2.MDN, _ error, _ *as2.Sealed) bool {
			return m.Signed && strings.Contains(m.OriginalMessageID, "another")
		}},
		"another MIC": {b: OtherMIC, status: 200, delivered: true, visit: true, receipt: func(m *as2.MDN, _ error, s *as2.Sealed) bool {
			return m.Signed && !bytes.Equal(m.MIC.Sum, s.MICs[0].Sum)
		}},
		"no MIC":         {b: NoMIC, status: 200, delivered: true, visit: true, receipt: func(m *as2.MDN, _ error, _ *as2.Sealed) bool { return m.Signed && m.MIC == nil }},
		"unsigned":       {b: Unsigned, status: 200, delivered: true, visit: true, receipt: func(m *as2.MDN, _ error, _ *as2.Sealed) bool { return !m.Signed && m.Claim == "" }},
		"by a stranger":  {b: ByStranger, status: 200, delivered: true, visit: true, receipt: func(m *as2.MDN, _ error, _ *as2.Sealed) bool { return !m.Signed && m.Claim != "" }},
		"negative":       {b: Rejects(as2.DecryptionFailed), status: 200, visit: true, receipt: func(m *as2.MDN, _ error, _ *as2.Sealed) bool { return m.Disposition.Modifier == as2.DecryptionFailed }},
		"garbage":        {b: Garbage, status: 200, visit: true, receipt: none},
		"a page":         {b: Page(200, "Log in"), status: 200, visit: true, receipt: none},
		"empty 202":      {b: TakesEmpty(202), status: 202, delivered: true, visit: true, receipt: none},
		"503":            {b: Busy(503, "7"), status: 503, visit: true},
		"a redirect":     {b: Redirects(307, "https://elsewhere.invalid/"), status: 307, visit: true},
		"two answers":    {b: Twice, status: 200, delivered: true, visit: true, receipt: good},
		"before":         {b: ResetBeforeBody, fails: whileWriting, visit: true},
		"in the body":    {b: ResetInBody, fails: whileWriting, visit: true},
		"before answer":  {b: ResetBeforeAnswer, fails: "connection reset", delivered: true, visit: true},
		"closed":         {b: CloseBeforeAnswer, fails: "EOF", delivered: true, visit: true},
		"in the answer":  {b: ResetInAnswer, fails: "connection reset", delivered: true, visit: true},
		"before TLS":     {b: Refuse, fails: "connection reset"},
		"in TLS":         {b: HangUp, fails: "EOF"},
		"plain HTTP":     {b: PlainHTTP, fails: "HTTP response to HTTPS client"},
		"TLS 1.1":        {b: OldTLS, fails: "protocol version"},
		"a wrong name":   {b: shows(t, Server{Hosts: []string{"other.example"}}), fails: "IP SANs"},
		"expired":        {b: shows(t, Server{Until: time.Now().AddDate(0, 0, -1)}), fails: "expired"},
		"early":          {b: Early(200), status: 200, visit: true, receipt: none},
		"without an end": {b: Floods, fails: "an answer without end", delivered: true, visit: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPartner(t, Options{Plan: Script(c.b)})
			m := newMessage(t, "1", strings.Repeat("<Invoice/>", 30000), "")
			client := browser(t, p)
			if name == "without an end" {
				client.Transport = limited{client.Transport}
			}
			res, body, err := m.post(t.Context(), client, p.URL())
			if c.fails != "" {
				if err == nil || !slices.ContainsFunc(strings.Split(c.fails, "|"), func(text string) bool { return strings.Contains(err.Error(), text) }) {
					t.Errorf("net/http says %v", err)
				}
			} else if err != nil || res.StatusCode != c.status {
				t.Fatalf("%+v, %v", res, err)
			}
			if err := p.Await(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if c.receipt != nil {
				if mdn, err := receiptOf(res, body); !c.receipt(mdn, err, m.sealed) {
					t.Errorf("the receipt: %+v, %v", mdn, err)
				}
			}
			if n := len(p.Delivered()); n == 1 != c.delivered || len(p.Posts()) == 1 != c.visit || len(p.Complaints()) > 0 {
				t.Errorf("delivered %d, visits %+v, complaints %v", n, p.Visits(), p.Complaints())
			}
		})
	}
}

func shows(t *testing.T, s Server) Behaviour {
	a, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	return Shows("another certificate", c)
}

func good(m *as2.MDN, err error, s *as2.Sealed) bool {
	return err == nil && m.Signed && m.Disposition.Accepted() && bytes.Equal(m.MIC.Sum, s.MICs[0].Sum)
}

func none(_ *as2.MDN, err error, _ *as2.Sealed) bool { return errors.Is(err, as2.ErrNotMDN) }

// limited loses patience with an answer after some megabytes.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = &enough{res.Body, 4 << 20}
	}
	return res, err
}

type enough struct {
	io.ReadCloser
	left int
}

func (e *enough) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.left -= n; e.left < 0 {
		return 0, errors.New("an answer without end")
	}
	return n, err
}

// Behaviours that never end, end with their visitor, or with Release.
func TestEndlessBehaviours(t *testing.T) {
	for name, b := range map[string]Behaviour{"mute": Mute, "hang": Hang, "unread": HangUnread, "drip read": DripRead(time.Hour), "drip answer": DripAnswer(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !b.Endless {
				t.Error("it does not say so")
			}
			p := newPartner(t, Options{Plan: Script(b)})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				_, _, err := newMessage(t, "1", strings.Repeat("<Invoice/>", 1<<20), "").post(ctx, browser(t, p), p.URL())
				ended <- err
			}()
			switch name {
			case "mute", "hang", "unread":
				if err := p.AwaitHanging(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			case "drip answer":
				if err := p.Await(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	p := newPartner(t, Options{Plan: Script(Hang)})
	answered := make(chan error)
	m := newMessage(t, "1", "x", "")
	go func() {
		res, body, err := m.post(t.Context(), browser(t, p), p.URL())
		if err == nil {
			_, err = receiptOf(res, body)
		}
		answered <- err
	}()
	if err := p.AwaitHanging(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	p.Release()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A message that comes again is delivered once and gets the receipt as it was; one that
// comes with other bytes under its Message-ID is complained about.
func TestRepeatedMessages(t *testing.T) {
	p := newPartner(t, Options{Plan: Script(ResetBeforeAnswer, Well)})
	c := browser(t, p)
	m := newMessage(t, "1", "one", "")
	if _, _, err := m.post(t.Context(), c, p.URL()); err == nil {
		t.Error("it was not reset")
	}
	var first []byte
	for range 2 {
		res, body, err := m.post(t.Context(), c, p.URL())
		if err != nil || res.StatusCode != 200 || first != nil && !bytes.Equal(first, body) {
			t.Errorf("%v, %v", res, err)
		}
		first = body
	}
	posts := p.Posts()
	if len(posts) != 3 || posts[0].Body != posts[2].Body || posts[0].Header != posts[2].Header || !posts[0].Whole || len(p.Delivered()) != 1 || len(p.Complaints()) > 0 {
		t.Errorf("%+v, %v, %v", posts, p.Delivered(), p.Complaints())
	}
	if _, _, err := newMessage(t, "1", "two", "").post(t.Context(), c, p.URL()); err != nil {
		t.Error(err)
	}
	if got := p.Complaints(); len(got) != 1 || !strings.Contains(got[0], "other bytes") {
		t.Errorf("%q", got)
	}

	repeated := newPartner(t, Options{Repeated: true})
	for _, modifier := range []string{"", as2.DuplicateDocument} {
		res, body, err := m.post(t.Context(), browser(t, repeated), repeated.URL())
		if err != nil {
			t.Fatal(err)
		}
		if mdn, err := receiptOf(res, body); err != nil || mdn.Disposition.Modifier != modifier {
			t.Errorf("%+v, %v", mdn, err)
		}
	}
}

// Receipts that are asked for on a connection of their own.
func TestReceiptsLater(t *testing.T) {
	for name, c := range map[string]struct {
		b     Behaviour
		wants string
	}{
		"well":        {Well, "processed"},
		"first":       {ReceiptFirst, "processed"},
		"twice":       {ReceiptTwice, "processed, processed"},
		"contradicts": {Contradicts, "processed, processed/error: unexpected-processing-error"},
		"never":       {NeverReceipt, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 10)
			busy := true
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if busy { // the partner comes again
					busy = false
					w.WriteHeader(503)
					return
				}
				mdn, err := receiptOf(&http.Response{Header: r.Header}, body)
				if err != nil {
					t.Error(err)
					return
				}
				got <- mdn.DispositionText[strings.Index(mdn.DispositionText, ";")+2:]
			})}
			go s.Serve(l)
			t.Cleanup(func() { s.Close() })
			p := newPartner(t, Options{Plan: Script(c.b)})
			res, body, err := newMessage(t, "1", "x", "http://"+l.Addr().String()).post(t.Context(), browser(t, p), p.URL())
			if err != nil || res.StatusCode != 200 || len(body) > 0 {
				t.Fatalf("%+v, %q, %v", res, body, err)
			}
			var list []string
			for range strings.Split(c.wants, ", ") {
				if c.wants != "" {
					list = append(list, <-got)
				}
			}
			if statuses, err := p.AwaitReceipts(t.Context()); err != nil || len(statuses) != len(list) {
				t.Errorf("%v, %v", statuses, err)
			}
			if strings.Join(list, ", ") != c.wants || len(p.Delivered()) != 1 {
				t.Errorf("%q", list)
			}
		})
	}
}

// A certificate that changes, a plan that changes, and a connection that a plan wants
// for itself.
func TestOvernight(t *testing.T) {
	p := newPartner(t, Options{OneEach: true})
	c := browser(t, p)
	m := newMessage(t, "1", "x", "")
	if _, _, err := m.post(t.Context(), c, p.URL()); err != nil {
		t.Fatal(err)
	}
	old := p.Certificate()
	self, err := p.Authority().Issue(Server{Self: true})
	if err != nil {
		t.Fatal(err)
	}
	p.Show(self)
	if p.Certificate().Equal(old) {
		t.Error("it still shows the old one")
	}
	if _, _, err := m.post(t.Context(), c, p.URL()); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Error(err)
	}
	again, err := p.Authority().Issue(Server{})
	if err != nil {
		t.Fatal(err)
	}
	p.Show(again)
	p.Follow(Script(Status(500), Refuse, Well))
	for i, want := range []string{"500", "reset", "200"} {
		res, _, err := m.post(t.Context(), c, p.URL())
		switch {
		case want == "reset" && (err == nil || !strings.Contains(err.Error(), want)), want != "reset" && (err != nil || !strings.HasPrefix(res.Status, want)):
			t.Errorf("visit %d: %v, %v", i, res, err)
		}
	}
}
