package as2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// PostError means that no answer came. Its texts tell people what happened, as far as
// that can be known from here.
type PostError struct {
	Unknown bool      // the partner may have the message; false = he cannot have it
	TLS     bool      // the connection failed for reasons of certificates or protocol: somebody has to act
	Proxy   int       // the HTTP status with which the proxy refused to connect; 0 = it did not
	Stopped bool      // the caller's context ended
	Fault   PostFault // what broke; empty = see Cause
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
	errStalled  = errors.New("the message does not get through")
	errNoAnswer = errors.New("no complete answer within the time allowed")
)

// proxyError is a proxy that does not connect us.
type proxyError int

func (e proxyError) Error() string {
	return fmt.Sprintf("the proxy answers HTTP %d %s", int(e), http.StatusText(int(e)))
}

// failure sorts out why there is no answer.
func (c *Client) failure(ctx context.Context, p progress, err error) *PostError {
	e := &PostError{Unknown: p.connected}
	bare := err
	var outer *url.Error
	if errors.As(err, &outer) {
		bare = outer.Err // the URL may have secrets in its query
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errStalled), errors.Is(cause, errNoAnswer):
		e.Fault, e.Cause = c.slow(cause, p)
	case cause != nil:
		e.Stopped, e.Cause = true, bare
	case refusedCertificate(err):
		// TLS 1.3: the client may write before the server has looked at its certificate.
		e.Unknown, e.TLS, e.Fault = false, true, ClientCertificate
		e.Cause = fmt.Errorf("the server does not accept our client certificate, or wants one: %w", tlsAlert(err))
	default:
		e.TLS = p.badTLS && !p.connected
		e.Fault, e.Cause = c.explain(bare, p)
	}
	var proxy proxyError
	if errors.As(err, &proxy) {
		e.Proxy = int(proxy)
	}
	return e
}

// handshakeFault reports whether a handshake failed because the two sides do not
// agree, and not because the network broke.
func handshakeFault(err error) bool {
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	if op := tlsAlert(err); op != nil {
		return true
	}
	var op *net.OpError
	return !errors.As(err, &op) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled)
}

// tlsAlert finds an alert of TLS, sent or received, which crypto/tls does not export.
func tlsAlert(err error) *net.OpError {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return op
	}
	return nil
}

// refusedCertificate reports whether the server refused our certificate, or the lack of
// one. It read nothing of the message then.
func refusedCertificate(err error) bool {
	op := tlsAlert(err)
	return op != nil && op.Op == "remote error" && slices.Contains([]string{
		"tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate", "tls: unknown certificate",
		"tls: unknown certificate authority", "tls: certificate required", "tls: access denied",
	}, op.Err.Error())
}
