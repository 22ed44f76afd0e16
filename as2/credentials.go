package as2

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Credentials are what a sender must show beside his signature. User and Password, or
// Bearer: one of them is enough where both are set. Client comes on top of them.
type Credentials struct {
	User, Password string              // basic authentication (RFC 7617); empty = none
	Bearer         string              // bearer token (RFC 6750); empty = none
	Client         []*x509.Certificate // client certificates, or authorities that issued them; empty = none
}

// Check holds a message against the credentials. The error is for our own log: it
// names what is missing and no secret. The Reply belongs to it: 401 with a challenge,
// or 403 where a certificate is what is wanted, and never a receipt, for a receipt
// would tell strangers which partners there are.
//
// Secrets are compared in constant time. A client certificate that is listed itself is
// taken at any time; one that an authority issued must be valid for clients at the
// given moment. Message.Certificates proves that the client has the key.
func (c Credentials) Check(m *Message, at time.Time) (Reply, error) {
	if err := c.checkAuthorization(m.Header); err != nil {
		return c.unauthorized(), err
	}
	if len(c.Client) == 0 {
		return Reply{}, nil
	}
	if err := checkClient(c.Client, m.Certificates, at); err != nil {
		return plainReply(http.StatusForbidden, "A client certificate agreed upon is needed here."), err
	}
	return Reply{}, nil
}

func plainReply(status int, text string) Reply {
	return Reply{Status: status, Header: []Field{{"Content-Type", "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}
}

// unauthorized is the challenge (RFC 9110, 11.6.1).
func (c Credentials) unauthorized() Reply {
	r := plainReply(http.StatusUnauthorized, "Credentials agreed upon are needed here.")
	if c.User != "" {
		r.Header = append(r.Header, Field{"WWW-Authenticate", `Basic realm="AS2", charset="UTF-8"`})
	}
	if c.Bearer != "" {
		r.Header = append(r.Header, Field{"WWW-Authenticate", `Bearer realm="AS2"`})
	}
	return r
}

var (
	errNoAuthorization    = errors.New("as2: no Authorization header, although credentials are configured")
	errWrongAuthorization = errors.New("as2: the Authorization header has other credentials than the config")
	errNoClient           = errors.New("as2: no client certificate was shown, although one is configured")
)

func (c Credentials) checkAuthorization(h http.Header) error {
	if c.User == "" && c.Bearer == "" {
		return nil // one that nobody asked for is ignored
	}
	value := h.Get("Authorization")
	if value == "" {
		return errNoAuthorization
	}
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "basic") && c.User != "":
		pair, err := base64.StdEncoding.DecodeString(rest)
		if err == nil && same(string(pair), c.User+":"+c.Password) {
			return nil
		}
	case strings.EqualFold(scheme, "bearer") && c.Bearer != "":
		if same(rest, c.Bearer) {
			return nil
		}
	}
	return errWrongAuthorization
}

// same compares digests, so that the time tells not even a length.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// checkClient accepts a certificate that is listed, or one that a listed authority
// issued.
func checkClient(listed, shown []*x509.Certificate, at time.Time) error {
	if len(shown) == 0 {
		return errNoClient
	}
	leaf := shown[0]
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range listed {
		if leaf.Equal(cert) {
			return nil
		}
		roots.AddCert(cert)
	}
	for _, cert := range shown[1:] {
		intermediates.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return fmt.Errorf("as2: the client certificate %q, serial %x, is not accepted: %w", leaf.Subject, leaf.SerialNumber, err)
	}
	return nil
}
