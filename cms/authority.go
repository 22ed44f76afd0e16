package cms

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// maxChainKey bounds RSA keys of certificates from a message, in bits: whoever made
// them chose how long a verification takes.
const maxChainKey = 8192

// candidate is a certificate that a signer may have.
type candidate struct {
	cert        *x509.Certificate
	byAuthority bool
}

// candidates are the pinned certificates and those from the message that a trusted
// authority vouches for. The error says why the last one of the right name is not
// among them.
func (s *Signature) candidates(trust Trust, at time.Time) (all []candidate, doubt error) {
	for _, cert := range trust.Certificates {
		all = append(all, candidate{cert, false})
	}
	if len(trust.Authorities) == 0 {
		return all, nil
	}
	if trust.Subject == "" {
		return all, errors.New("no subject is configured that a certificate of the authorities must have")
	}
	doubt = fmt.Errorf("it brings no certificate for %q", trust.Subject)
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range trust.Authorities {
		roots.AddCert(cert)
	}
	var signers []*x509.Certificate
	for _, cert := range s.Certificates() {
		if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() > maxChainKey {
			continue
		}
		intermediates.AddCert(cert)
		if cert.Subject.CommonName == trust.Subject || cert.Subject.String() == trust.Subject {
			signers = append(signers, cert)
		}
	}
	for _, cert := range signers {
		if err := vouched(cert, roots, intermediates, at); err != nil {
			doubt = fmt.Errorf("certificate %q: %w", cert.Subject, err)
			continue
		}
		all = append(all, candidate{cert, true})
	}
	if len(all) > len(trust.Certificates) {
		return all, nil
	}
	return all, doubt
}

// vouched checks that a certificate may sign and chains to an authority at a moment.
func vouched(cert *x509.Certificate, roots, intermediates *x509.CertPool, at time.Time) error {
	// RFC 8550, 4.4.2: with a key usage stated, one of the two must be there.
	if cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("its key is not for signatures")
	}
	if at.IsZero() {
		return errors.New("no moment given to verify at") // x509 would take the present one
	}
	// Extended usages say nothing about AS2, which has none of its own.
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}
