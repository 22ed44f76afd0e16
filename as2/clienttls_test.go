package as2

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveTLS is a real TLS server; what it answers says who the client was.
func serveTLS(t *testing.T, c *tls.Config) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for _, cert := range r.TLS.PeerCertificates {
			io.WriteString(w, cert.Subject.CommonName)
		}
	}))
	s.TLS = c
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// Who may answer for a partner, and what is said where somebody else does. Faults of
// certificates and of the protocol want a person; none of them can have delivered the
// message.
func TestServersThatAreTrusted(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := issue(t, ca, nil)
	expired := issue(t, ca, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(-2*time.Hour), time.Now().Add(-time.Minute)
	})
	elsewhere := issue(t, ca, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere.example"} })
	old := issue(t, ca, func(c *x509.Certificate) { c.IPAddresses, c.Subject.CommonName = nil, "127.0.0.1" })
	clientsOnly := issue(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	for name, c := range map[string]struct {
		shows   *tls.Certificate
		trusted []*x509.Certificate
		max     uint16
		says    string // empty = the message goes through
	}{
		"issued by a configured authority": {shows: good, trusted: []*x509.Certificate{other.cert, ca.cert}},
		"pinned":                           {shows: good, trusted: []*x509.Certificate{good.Leaf}},
		"pinned, expired, another name":    {shows: elsewhere, trusted: []*x509.Certificate{expired.Leaf, elsewhere.Leaf}},
		"pinned and expired":               {shows: expired, trusted: []*x509.Certificate{expired.Leaf}},
		"TLS 1.2":                          {shows: good, trusted: []*x509.Certificate{ca.cert}, max: tls.VersionTLS12},
		"an unknown authority":             {shows: good, trusted: []*x509.Certificate{other.cert}, says: "none of those configured"},
		"no authority of the system":       {shows: good, says: "no authority that this machine trusts"},
		"expired":                          {shows: expired, trusted: []*x509.Certificate{ca.cert}, says: "it expired on 20"},
		"the wrong name":                   {shows: elsewhere, trusted: []*x509.Certificate{ca.cert}, says: `it is for "elsewhere.example", and not for "127.0.0.1"`},
		"a name in the subject only":       {shows: old, trusted: []*x509.Certificate{ca.cert}, says: "127.0.0.1"},
		"a certificate for clients":        {shows: clientsOnly, trusted: []*x509.Certificate{ca.cert}, says: "usage"},
		"another one than pinned":          {shows: good, trusted: []*x509.Certificate{elsewhere.Leaf}, says: "none of those configured, and none of them issued it (subject \"CN=peer\""},
		"TLS 1.1 at most":                  {shows: good, trusted: []*x509.Certificate{ca.cert}, max: tls.VersionTLS11, says: "nothing newer than TLS 1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*c.shows}, MinVersion: tls.VersionTLS10, MaxVersion: c.max})
			a, err := post(NewClient(ClientOptions{ServerCertificates: c.trusted}), s.URL, []byte("hello"))
			checkPost(t, a, err, c.says)
		})
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	a, err := post(NewClient(ClientOptions{ServerCertificates: []*x509.Certificate{ca.cert}}), strings.Replace(plain.URL, "http:", "https:", 1), []byte("hello"))
	checkPost(t, a, err, "plain HTTP")
}

// checkPost expects an answer, or an error of TLS that says something.
func checkPost(t *testing.T, a *Answer, err error, says string) {
	t.Helper()
	if says == "" {
		if err != nil || a.Status != 200 {
			t.Errorf("%+v, %v", a, err)
		}
		return
	}
	var pe *PostError
	if !errors.As(err, &pe) || pe.Unknown || !pe.TLS || pe.Stopped || !strings.Contains(err.Error(), says) || a != nil {
		t.Errorf("%+v, %+v: %v", a, pe, err)
	}
}

// A handshake that breaks in the middle is the network's fault and no person's.
func TestHandshakeThatBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 100))
			conn.Close()
		}
	}()
	var pe *PostError
	if _, err := post(NewClient(ClientOptions{}), "https://"+l.Addr().String(), []byte("x")); !errors.As(err, &pe) || pe.TLS || pe.Unknown {
		t.Errorf("%+v", pe)
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	server := issue(t, ca, nil)
	ours := issue(t, ca, func(c *x509.Certificate) { c.Subject.CommonName = "ours" })
	self := issue(t, authority{}, func(c *x509.Certificate) { c.Subject.CommonName = "self-signed" })
	pool := func(certs ...*x509.Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		for _, c := range certs {
			p.AddCert(c)
		}
		return p
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, c := range map[string]struct {
			auth     tls.ClientAuthType
			cas      *x509.CertPool
			identity *tls.Certificate
			sees     string
			says     string
		}{
			"nobody asks":                        {tls.NoClientCert, nil, ours, "", ""},
			"asked for":                          {tls.RequireAndVerifyClientCert, pool(ca.cert), ours, "ours", ""},
			"pinned there, his list says others": {tls.RequireAnyClientCert, pool(other.cert), self, "self-signed", ""},
			"asked for, and we have none":        {tls.RequireAndVerifyClientCert, pool(ca.cert), nil, "", "remote error: tls: "},
			"not the one he wants":               {tls.RequireAndVerifyClientCert, pool(other.cert), ours, "", "client certificate"},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*server}, ClientAuth: c.auth, ClientCAs: c.cas, MaxVersion: version})
				a, err := post(NewClient(ClientOptions{ServerCertificates: []*x509.Certificate{ca.cert}, Identity: c.identity}), s.URL, []byte("hello"))
				checkPost(t, a, err, c.says)
				// The server hangs up while a long message is being written.
				long, err := post(NewClient(ClientOptions{ServerCertificates: []*x509.Certificate{ca.cert}, Identity: c.identity}), s.URL, make([]byte, 4<<20))
				checkPost(t, long, err, c.says)
				if err == nil && string(a.Body) != c.sees {
					t.Errorf("the server saw %q", a.Body)
				}
			})
		}
	}
}
