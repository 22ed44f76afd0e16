package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// soon is how long before its end a certificate is spoken of.
const soon = 30 * 24 * time.Hour

// KeyOf names kind and size of a certificate's key: "RSA 2048", "ECDSA P-256".
func KeyOf(cert *x509.Certificate) string {
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", pub.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + pub.Curve.Params().Name
	}
	return cert.PublicKeyAlgorithm.String()
}

// SelfSigned reports whether a certificate is signed with its own key. Where Go does
// not compute with an old digest any more, equal names decide.
func SelfSigned(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return false
	}
	var insecure x509.InsecureAlgorithmError
	err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	return err == nil || errors.As(err, &insecure)
}

// Doubts says what is wrong with a certificate for AS2 at a moment: facts, each with
// what follows from it. None is an error by itself: old partners are what they are.
func Doubts(cert *x509.Certificate, at time.Time) []string {
	all := ServerDoubts(cert, at)
	say := func(text string) { all = append(all, text) }
	_, isRSA := cert.PublicKey.(*rsa.PublicKey)
	switch cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		say("its key is ECDSA: it can sign, but nothing can be encrypted to it")
	case ed25519.PublicKey:
		say("its key is Ed25519: fit for TLS, but AS2 messages are signed with RSA or ECDSA")
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 && !cert.IsCA {
		say("its key usage does not allow signatures")
	}
	if isRSA && cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) == 0 && !cert.IsCA {
		say("its key usage does not allow encrypting to it")
	}
	return all
}

// ServerDoubts says what is wrong at a moment with a certificate of a web server, which
// signs no messages and to which none are encrypted.
func ServerDoubts(cert *x509.Certificate, at time.Time) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case at.After(cert.NotAfter):
		say("it expired on %s: ask for a new one, or make one if it is ours", cert.NotAfter.UTC().Format(time.DateOnly))
	case at.Before(cert.NotBefore):
		say("it is not valid before %s", cert.NotBefore.UTC().Format(time.DateOnly))
	case at.Add(soon).After(cert.NotAfter):
		say("it expires in %d days: exchange new certificates now", DaysLeft(cert, at))
	}
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() < 2048 {
			say("its RSA key has %d bits, less than 2048: it can be broken with effort", pub.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if pub.Curve.Params().BitSize < 256 {
			say("its curve %s is weaker than P-256", pub.Curve.Params().Name)
		}
	}
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		if !SelfSigned(cert) {
			say("its authority signed it with %v, which is not believed any more: pin the certificate itself", cert.SignatureAlgorithm)
		}
	}
	if cert.SerialNumber.Sign() == 0 {
		say("its serial number is zero, which some products refuse")
	}
	return all
}

// DaysLeft is the number of whole days until a certificate expires; negative
// afterwards.
func DaysLeft(cert *x509.Certificate, at time.Time) int {
	return int(cert.NotAfter.Sub(at) / (24 * time.Hour))
}
