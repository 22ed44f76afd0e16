package as2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// ClientOptions say how to reach a partner. Zero durations mean the defaults.
type ClientOptions struct {
	// ServerCertificates are the certificates a server may show, or authorities that
	// signed it; empty = the authorities of the system. A certificate that is listed
	// itself is accepted under any name and at any time: that is what pinning means.
	ServerCertificates []*x509.Certificate
	Identity           *tls.Certificate // shown to servers that ask for a client certificate; nil = none
	User, Password     string           // basic authentication (RFC 7617); empty = none
	Bearer             string           // bearer token (RFC 6750); empty = none
	Proxy              *url.URL         // nil = as the environment says (HTTPS_PROXY, NO_PROXY); an empty URL = never
	Header             []Field          // further header fields of every request
	Chunked            bool             // Transfer-Encoding: chunked instead of Content-Length
	ExpectContinue     bool             // send Expect: 100-continue
	Connect            time.Duration    // to a connection with TLS; default 30 s
	Stall              time.Duration    // without any byte moving while the message goes out; default 2 min
	Answer             time.Duration    // from the last byte of the message to the last of the answer; default 10 min
}

// Client posts messages. It is safe for concurrent use and keeps connections open.
type Client struct {
	http          *http.Client
	stall, answer time.Duration
}

// maxAnswer bounds an answer, in bytes; receipts have a few KiB.
const maxAnswer = 1 << 20

// NewClient makes a client. It speaks TLS 1.2 or higher, follows no redirects and
// sends no Expect header.
func NewClient(o ClientOptions) *Client {
	connect := orDefault(o.Connect, 30*time.Second)
	dialer := &net.Dialer{Timeout: connect}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     tlsConfig(o.ServerCertificates),
		TLSHandshakeTimeout: connect,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
	return &Client{
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		stall:  orDefault(o.Stall, 2*time.Minute),
		answer: orDefault(o.Answer, 10*time.Minute),
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// errServerCertificate is wrapped where a server shows a certificate that is not
// accepted.
var errServerCertificate = errors.New("the server's certificate is not accepted")

func tlsConfig(pinned []*x509.Certificate) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if len(pinned) == 0 {
		return c
	}
	roots := x509.NewCertPool()
	for _, cert := range pinned {
		roots.AddCert(cert)
	}
	// The check of the package knows no pinned leaves; the one below replaces it whole.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		leaf := s.PeerCertificates[0]
		for _, cert := range pinned {
			if leaf.Equal(cert) {
				return nil
			}
		}
		intermediates := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			intermediates.AddCert(cert)
		}
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: s.ServerName, Roots: roots, Intermediates: intermediates})
		if err != nil {
			return fmt.Errorf("%w: %w (it shows %q, serial %x)", errServerCertificate, err, leaf.Subject, leaf.SerialNumber)
		}
		return nil
	}
	return c
}

// Answer is what a partner answered to a POST.
type Answer struct {
	Status     int
	Header     http.Header
	Body       []byte        // at most 1 MiB
	RetryAfter time.Duration // zero = not stated
}

// PostError means that no answer came.
type PostError struct {
	Unknown bool // the partner may have the message; false = he cannot have it
	TLS     bool // the connection failed for reasons of certificates or protocol: somebody has to act
	Stopped bool // the caller's context ended
	Cause   error
}

// Error says first whether the partner can have the message.
func (e *PostError) Error() string {
	if e.Unknown {
		return "the partner may have it: " + e.Cause.Error()
	}
	return "not sent: " + e.Cause.Error()
}

func (e *PostError) Unwrap() error { return e.Cause }

var (
	errStalled  = errors.New("the connection stalled while the message was being sent")
	errNoAnswer = errors.New("no complete answer within the time allowed")
)

// Post posts a message of the given length. body is opened anew should the connection
// turn out to be closed before a byte was sent. The error is a *PostError.
func (c *Client) Post(ctx context.Context, url string, header []Field, length int64, body func() (io.ReadCloser, error)) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var connected, sent atomic.Bool
	watch := time.AfterFunc(c.stall, func() {
		if sent.Load() {
			cancel(errNoAnswer)
		}
		cancel(errStalled)
	})
	defer watch.Stop()
	trace := &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected.Store(true); watch.Reset(c.stall) },
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Store(true); watch.Reset(c.answer) },
	}
	first, err := body()
	if err != nil {
		return nil, &PostError{Cause: err}
	}
	open := func(r io.ReadCloser) io.ReadCloser {
		return &watchedBody{ReadCloser: r, moved: func() { watch.Reset(c.stall) }}
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, url, open(first))
	if err != nil {
		return nil, &PostError{Cause: errors.Join(err, first.Close())}
	}
	req.ContentLength = length
	// net/http repeats a POST only where nothing of it was written.
	req.GetBody = func() (io.ReadCloser, error) {
		connected.Store(false)
		again, err := body()
		if err != nil {
			return nil, err
		}
		return open(again), nil
	}
	for _, f := range header {
		req.Header[f.Name] = append(req.Header[f.Name], f.Value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, postError(ctx, connected.Load(), err)
	}
	defer res.Body.Close() // what matters was read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, postError(ctx, true, err)
	}
	return &Answer{
		Status: res.StatusCode, Header: res.Header, Body: answer[:min(len(answer), maxAnswer)],
		RetryAfter: retryAfter(res.Header.Get("Retry-After"), time.Now()),
	}, nil
}

// postError sorts out why there is no answer.
func postError(ctx context.Context, connected bool, err error) *PostError {
	e := &PostError{Unknown: connected, Cause: err}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errStalled), errors.Is(cause, errNoAnswer):
		e.Cause = cause
	case cause != nil:
		e.Stopped = true
	}
	var unknownAuthority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	e.TLS = !connected && (errors.Is(err, errServerCertificate) || errors.As(err, &unknownAuthority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &record) || errors.As(err, &alert))
	return e
}

// watchedBody reports that bytes move.
type watchedBody struct {
	io.ReadCloser
	moved func()
}

func (w *watchedBody) Read(p []byte) (int, error) {
	w.moved()
	return w.ReadCloser.Read(p)
}

// retryAfter reads a Retry-After (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 7*24*3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), 7*24*time.Hour)
	}
	return 0
}
