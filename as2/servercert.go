package as2

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// certificateError is a certificate of a server that is not accepted.
type certificateError struct {
	leaf   *x509.Certificate
	listed bool // certificates are configured; false = the authorities of the system count
	cause  error
}

func (e *certificateError) Unwrap() error { return e.cause }

// Error says what is wrong, and which certificate it is: its fingerprint is what people
// compare over the telephone.
func (e *certificateError) Error() string {
	return fmt.Sprintf("the server's certificate is not accepted: %s (subject %q, issuer %q, SHA-256 %x)", e.why(), e.leaf.Subject, e.leaf.Issuer, sha256.Sum256(e.leaf.Raw))
}

func (e *certificateError) why() string {
	switch c := e.invalid(); e.fault() {
	case Expired:
		return fmt.Sprintf("%s expired on %s", e.which(c), c.NotAfter.UTC().Format(toTheSecond))
	case NotYetValid:
		return fmt.Sprintf("%s is valid from %s on", e.which(c), c.NotBefore.UTC().Format(toTheSecond))
	case WrongName:
		var host x509.HostnameError
		errors.As(e.cause, &host)
		return fmt.Sprintf("it is for %s, and not for %q", namesOf(e.leaf), host.Host)
	case OtherCertificate:
		if e.listed {
			return "it is none of those configured, and none of them issued it"
		}
		return "no authority that this machine trusts issued it"
	}
	return e.cause.Error()
}

const toTheSecond = time.DateTime + " UTC"

// which is the certificate at fault: the server's own or one of its chain.
func (e *certificateError) which(c *x509.Certificate) string {
	if c.Equal(e.leaf) {
		return "it"
	}
	return fmt.Sprintf("%q, of its chain,", c.Subject)
}

// invalid is the certificate that the moment does not suit.
func (e *certificateError) invalid() *x509.Certificate {
	var invalid x509.CertificateInvalidError
	if errors.As(e.cause, &invalid) && invalid.Cert != nil {
		return invalid.Cert
	}
	return e.leaf
}

func (e *certificateError) fault() PostFault {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(e.cause, &invalid) && invalid.Reason == x509.Expired && strings.Contains(invalid.Detail, "is before"):
		return NotYetValid
	case errors.As(e.cause, &invalid) && invalid.Reason == x509.Expired:
		return Expired
	case errors.As(e.cause, &host):
		return WrongName
	case errors.As(e.cause, &unknown):
		return OtherCertificate
	}
	return BadCertificate
}

// maxNames is how many names of a certificate an error lists.
const maxNames = 5

// namesOf are the names that a certificate is for.
func namesOf(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all, beside its subject"
	}
	more := ""
	if n := len(names) - maxNames; n > 0 {
		names, more = names[:maxNames], fmt.Sprintf(" and %d more", n)
	}
	for i, n := range names {
		names[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(names, ", ") + more
}
