package as2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
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
	stall, answer time.Duration
	options       ClientOptions
	proxy         func(*http.Request) (*url.URL, error) // nil = never one

	mu    sync.Mutex
	hosts map[string]*http.Client
}

// maxAnswer bounds an answer, in bytes; receipts have a few KiB.
const maxAnswer = 1 << 20

// NewClient makes a client. It speaks TLS 1.2 or higher, follows no redirects and
// sends no Expect header unless told to. Credentials go out with each request to the
// URL of that request and nowhere else; they are in no error of this package.
//
// A proxy that is reached over TLS must show one of ServerCertificates too.
func NewClient(o ClientOptions) *Client { return newClient(o, proxyOf(o.Proxy)) }

// NewReceiptClient makes a client that posts asynchronous receipts, to URLs that others
// choose. User, password, token, identity and further header fields of the options are
// not used, and neither is what a proxy's URL says of credentials.
func NewReceiptClient(o ClientOptions) *Client {
	o.User, o.Password, o.Bearer, o.Identity, o.Header = "", "", "", nil, nil
	proxy := proxyOf(o.Proxy)
	if proxy == nil {
		return newClient(o, nil)
	}
	return newClient(o, func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if u == nil || err != nil {
			return nil, err
		}
		plain := *u
		plain.User = nil
		return &plain, nil
	})
}

func newClient(o ClientOptions, proxy func(*http.Request) (*url.URL, error)) *Client {
	return &Client{
		stall: orDefault(o.Stall, 2*time.Minute), answer: orDefault(o.Answer, 10*time.Minute),
		options: o, proxy: proxy, hosts: map[string]*http.Client{},
	}
}

// maxHosts bounds how many hosts a client keeps connections to.
const maxHosts = 64

// to is the client of one host: the check of certificates must know the name, which
// TLS does not tell it where the URL has an IP address.
func (c *Client) to(host string) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.hosts[host]; known != nil {
		return known
	}
	if len(c.hosts) == maxHosts {
		for _, h := range c.hosts {
			h.CloseIdleConnections()
		}
		clear(c.hosts)
	}
	connect := orDefault(c.options.Connect, defaultConnect)
	dialer := &net.Dialer{Timeout: connect}
	c.hosts[host] = &http.Client{
		Transport: &http.Transport{
			Proxy:                  c.proxy,
			OnProxyConnectResponse: checkProxy,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &lastWords{Conn: conn}, nil
			},
			TLSClientConfig:       tlsConfig(c.options.ServerCertificates, c.options.Identity, host),
			TLSHandshakeTimeout:   connect,
			ExpectContinueTimeout: expectContinue,
			MaxIdleConnsPerHost:   maxIdle,
			IdleConnTimeout:       time.Minute,
			DisableCompression:    true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c.hosts[host]
}

// maxIdle is how many connections to one host are kept for the next message: one for each
// that may be under way at once (send.parallel).
const maxIdle = 64

// expectContinue is how long a server may take to ask for the body; after that it goes
// out unasked (RFC 9110, 10.1.1).
const expectContinue = 10 * time.Second

// proxyOf says which proxy a request takes; nil = never one.
func proxyOf(explicit *url.URL) func(*http.Request) (*url.URL, error) {
	switch {
	case explicit == nil:
		return http.ProxyFromEnvironment
	case explicit.Host == "":
		return nil
	}
	return http.ProxyURL(explicit)
}

func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return proxyError(res.StatusCode)
	}
	return nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Answer is what a partner answered to a POST.
type Answer struct {
	Status     int
	Header     http.Header
	Body       []byte        // at most 1 MiB
	RetryAfter time.Duration // zero = not stated, or nothing sensible; at most 7 days
	Early      bool          // it came before all of the message was out
}

// Post posts a message of the given length. body is opened anew should the connection
// turn out to be closed before a byte was sent. The error is a *PostError.
func (c *Client) Post(ctx context.Context, url string, header []Field, length int64, body func() (io.ReadCloser, error)) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := c.takeOff(length, cancel)
	defer f.watch.Stop()
	first, err := body()
	if err != nil {
		return nil, &PostError{Cause: err}
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, f.trace()), http.MethodPost, url, f.load(first))
	if err != nil {
		return nil, &PostError{Cause: errors.Join(err, first.Close())}
	}
	// net/http repeats a POST only where nothing of it was written.
	req.GetBody = func() (io.ReadCloser, error) {
		f.connected.Store(false)
		again, err := body()
		if err != nil {
			return nil, err
		}
		return f.load(again), nil
	}
	c.fill(req, header, length)
	res, err := c.to(req.URL.Hostname()).Do(req)
	if err != nil {
		return nil, c.failure(ctx, f.progress(false), lateAlert(f.conn.Load(), err))
	}
	defer res.Body.Close() // what matters was read
	early := !f.loaded()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.failure(ctx, f.progress(true), err)
	}
	return &Answer{
		Status: res.StatusCode, Header: res.Header, Body: answer[:min(len(answer), maxAnswer)],
		RetryAfter: retryAfter(res.Header, time.Now()), Early: early,
	}, nil
}

// fill sets the header of a request. Names go out as they are written here: some
// products look for AS2-From and do not find As2-From.
func (c *Client) fill(req *http.Request, header []Field, length int64) {
	for _, f := range header {
		req.Header[f.Name] = append(req.Header[f.Name], f.Value)
	}
	for _, f := range c.options.Header {
		switch {
		case strings.EqualFold(f.Name, "Host"):
			req.Host = f.Value
		case Get(header, f.Name) == "": // what was sealed is fixed for life
			req.Header[f.Name] = append(req.Header[f.Name], f.Value)
		}
	}
	switch {
	case c.options.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+c.options.Bearer)
	case c.options.User != "":
		req.SetBasicAuth(c.options.User, c.options.Password)
	}
	if c.options.ExpectContinue {
		req.Header.Set("Expect", "100-continue")
	}
	req.ContentLength = length
	if c.options.Chunked {
		req.ContentLength = -1
	}
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 7 * 24 * time.Hour

// retryAfter reads a Retry-After (RFC 9110, 10.2.3): seconds, or a date by the clock of
// the server, which says in Date what time it has. What makes no sense is zero.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
