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
	"time"
)

// Handshake is what a server showed, whether it counts or not.
type Handshake struct {
	Version      string // such as TLS 1.3; empty = there was none
	Certificates []*x509.Certificate
	Asked        bool // for a client certificate
}

// Way is the proxy that a request to a URL takes; nil = none.
func (c *Client) Way(target string) (*url.URL, error) {
	req, err := http.NewRequest(http.MethodPost, target, nil)
	if err != nil || c.proxy == nil {
		return nil, err
	}
	return c.proxy(req)
}

// Shake makes a connection and a TLS handshake as Post does, straight and without a
// request, and says what the server showed. The error is a *PostError; what a server
// showed that we do not trust is there beside it.
func (c *Client) Shake(ctx context.Context, target string) (*Handshake, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, &PostError{Cause: err}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	config := tlsConfig(c.options.ServerCertificates, c.options.Identity, u.Hostname())
	h, err := c.shake(ctx, address, u.Hostname(), config)
	if err == nil {
		return h, nil
	}
	told := c.failure(ctx, progress{badTLS: handshakeFault(err)}, err)
	if !told.TLS {
		return nil, told
	}
	// Once more, believing everything, to see what it is that is not believed.
	blind := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	if c.options.Identity != nil {
		blind.GetClientCertificate = config.GetClientCertificate
	}
	h, _ = c.shake(ctx, address, u.Hostname(), blind) // what counts is the first error
	return h, told
}

func (c *Client) shake(ctx context.Context, address, host string, config *tls.Config) (*Handshake, error) {
	connect := orDefault(c.options.Connect, defaultConnect)
	raw, err := (&net.Dialer{Timeout: connect}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer raw.Close() // nothing was sent over it
	if err := raw.SetDeadline(time.Now().Add(connect)); err != nil {
		return nil, err
	}
	h := &Handshake{}
	give := config.GetClientCertificate
	config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.Asked = true
		if give != nil {
			return give(r)
		}
		return &tls.Certificate{}, nil
	}
	config.ServerName = host
	conn := tls.Client(raw, config)
	err = conn.HandshakeContext(ctx)
	s := conn.ConnectionState()
	h.Certificates = s.PeerCertificates
	if s.Version != 0 {
		h.Version = tls.VersionName(s.Version)
	}
	return h, err
}

// Knock asks a server with a GET, over the connections, through the proxy and with the
// credentials that messages go with. What it answers says that somebody speaks HTTP there, and
// little more: AS2 servers may answer a GET as they like. The error is a *PostError.
func (c *Client) Knock(ctx context.Context, target string) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := c.takeOff(0, cancel)
	defer f.watch.Stop()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, f.trace()), http.MethodGet, target, nil)
	if err != nil {
		return nil, &PostError{Cause: err}
	}
	c.fill(req, nil, 0)
	req.ContentLength = 0
	req.Close = true         // some answer a GET twice, and net/http logs what comes on an idle connection
	req.Header.Del("Expect") // there is no body to wait with
	res, err := c.to(req.URL.Hostname()).Do(req)
	if err != nil {
		return nil, c.failure(ctx, f.progress(false), lateAlert(f.conn.Load(), err))
	}
	defer res.Body.Close() // what matters was read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKnock))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, c.failure(ctx, f.progress(true), err)
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// maxKnock bounds what is read of the answer to a GET, in bytes.
const maxKnock = 64 << 10
