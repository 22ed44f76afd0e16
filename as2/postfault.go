package as2

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// PostFault is what broke where no answer came, as far as it is known.
type PostFault string

const (
	NoName            PostFault = "no-name"            // the DNS does not know the host
	NoConnection      PostFault = "no-connection"      // nobody there, or nobody who answers
	NoTLS             PostFault = "no-tls"             // a connection, and not a word of TLS
	PlainHTTP         PostFault = "plain-http"         // HTTP where TLS was expected
	OldTLS            PostFault = "old-tls"            // nothing newer than TLS 1.1
	OtherCertificate  PostFault = "other-certificate"  // none that is configured, or known to the system
	WrongName         PostFault = "wrong-name"         // a certificate for other hosts
	Expired           PostFault = "expired"            // a certificate that was valid once
	NotYetValid       PostFault = "not-yet-valid"      // a certificate that will be
	BadCertificate    PostFault = "bad-certificate"    // a certificate that is wrong in another way
	ClientCertificate PostFault = "client-certificate" // ours is not accepted, or missing
	BadHandshake      PostFault = "bad-handshake"      // the two sides do not agree about TLS
	Broken            PostFault = "broken"             // the connection ended, before or in the middle of the answer
	Stalled           PostFault = "stalled"            // the message does not get through
	NoAnswer          PostFault = "no-answer"          // not in time, or not all of it
	NotHTTP           PostFault = "not-http"           // an answer that is none
)

// progress is how far a POST came.
type progress struct {
	connected bool // over a connection that is ready for requests
	sent      bool // the message is out, as far as that can be told: with the system
	answered  bool // the header of the answer is here
	badTLS    bool // the handshake failed, and not for reasons of the network
}

// explain says in words what broke. Of what net/http and the system say only what tells
// more is kept, behind a colon.
func (c *Client) explain(err error, p progress) (PostFault, error) {
	if fault, told := explainTLS(err); fault != "" {
		return fault, told
	}
	var dns *net.DNSError
	var op *net.OpError
	var wait net.Error
	timeout := errors.As(err, &wait) && wait.Timeout()
	connect := orDefault(c.options.Connect, defaultConnect)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return NoName, fmt.Errorf("the DNS knows no host %q", dns.Name)
	case errors.As(err, &dns):
		return NoName, fmt.Errorf("the DNS does not say where %q is: %w", dns.Name, innermost(dns))
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return NoConnection, fmt.Errorf("no way through the proxy: %w", op.Err)
	case errors.As(err, &op) && op.Op == "dial" && timeout:
		return NoConnection, fmt.Errorf("%s did not answer within %v", address(op), connect)
	case errors.As(err, &op) && op.Op == "dial":
		return NoConnection, fmt.Errorf("no connection to %s: %w", address(op), innermost(op))
	case !p.connected && timeout:
		return NoTLS, fmt.Errorf("the server took the connection and did not answer in TLS within %v", connect)
	case p.badTLS && tlsAlert(err) != nil:
		return BadHandshake, fmt.Errorf("the server and we do not agree about TLS: %w", tlsAlert(err))
	case p.badTLS:
		return BadHandshake, fmt.Errorf("the server and we do not agree about TLS: %w", err)
	}
	// net/http has no value for it either.
	if _, malformed, ok := strings.Cut(err.Error(), "malformed "); ok && p.connected {
		return NotHTTP, fmt.Errorf("what the server answers is not HTTP, or was cut off: malformed %s", malformed)
	}
	switch why := broken(err); {
	case why == "":
		return "", err
	case !p.connected:
		return Broken, fmt.Errorf("%s during the TLS handshake", why)
	case p.answered:
		return Broken, fmt.Errorf("%s in the middle of the answer", why)
	case p.sent:
		return Broken, fmt.Errorf("%s after the message was sent, and no answer came", why)
	default:
		return Broken, fmt.Errorf("%s while the message was being sent", why)
	}
}

// broken says how a connection ended; empty = it did not.
func broken(err error) string {
	var op *net.OpError
	switch {
	// net/http has a phrase of its own, and no value, for a server that closes in silence.
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "server closed idle connection"):
		return "the server closed the connection"
	case errors.Is(err, net.ErrClosed): // reading saw it break, and writing is told only this
		return "the connection broke"
	case errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		return fmt.Sprintf("the connection broke (%v)", innermost(op))
	}
	return ""
}

// explainTLS says what is wrong with the server's side of TLS; empty = that is not it.
func explainTLS(err error) (PostFault, error) {
	var shown *certificateError
	var unverified *tls.CertificateVerificationError
	switch {
	case errors.As(err, &shown):
		return shown.fault(), shown
	case errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0:
		shown = &certificateError{leaf: unverified.UnverifiedCertificates[0], cause: unverified.Err}
		return shown.fault(), shown
	case errors.Is(err, http.ErrSchemeMismatch):
		return PlainHTTP, errors.New("the server speaks plain HTTP on this port, and the URL says https")
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" {
		return PlainHTTP, errors.New("the server speaks plain HTTP on this port, and the URL says https")
	}
	if errors.As(err, &record) {
		return BadHandshake, errors.New("what answers on this port does not speak TLS")
	}
	// crypto/tls exports neither of the two: the server's alert, and our own finding.
	text := err.Error()
	if strings.Contains(text, "tls: protocol version not supported") || strings.Contains(text, "tls: server selected unsupported protocol version") {
		return OldTLS, errors.New("the server speaks nothing newer than TLS 1.1")
	}
	return "", nil
}

// address is the one that was dialled.
func address(op *net.OpError) string {
	if op.Addr == nil {
		return "the server"
	}
	return op.Addr.String()
}

// innermost is what the system said, without the addresses around it.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// slow is a POST that took too long.
func (c *Client) slow(cause error, p progress) (PostFault, error) {
	switch {
	case !p.connected:
		return NoConnection, fmt.Errorf("no connection within %v", c.beforeConnection())
	case errors.Is(cause, errStalled):
		return Stalled, fmt.Errorf("%w: nothing moved for %v", errStalled, c.stall)
	case p.answered:
		return NoAnswer, fmt.Errorf("%w of %v: it began and did not come to its end", errNoAnswer, c.answer)
	}
	return NoAnswer, fmt.Errorf("%w of %v", errNoAnswer, c.answer)
}

// defaultConnect is ClientOptions.Connect where it is zero.
const defaultConnect = 30 * time.Second
