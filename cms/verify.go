package cms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNoSigner means that a SignedData holds no signature at all.
	ErrNoSigner = errors.New("cms: there is no signer")
	// ErrUnknownSigner means that no signer is one of the trusted certificates, nor
	// has one that a trusted authority vouches for.
	ErrUnknownSigner = errors.New("cms: the signer is none of the configured certificates")
	// ErrDigestMismatch means that the content is not what was signed.
	ErrDigestMismatch = errors.New("cms: the content is not what was signed")
	// ErrBadSignature means that the signature itself does not verify.
	ErrBadSignature = errors.New("cms: the signature does not verify")
	// ErrAlgorithm means a digest or signature algorithm that we do not have or that
	// the caller did not allow.
	ErrAlgorithm = errors.New("cms: the signature uses an algorithm that is not accepted")
)

// Verified says who signed, and how.
type Verified struct {
	Certificate *x509.Certificate // the configured one; with ByAuthority the one from the message
	Digest      Digest
	Scheme      Scheme
	SigningTime time.Time // as the signer claims; zero if he does not
	Expired     bool      // the certificate was not valid at the given moment
	ByAuthority bool      // it was not configured itself: an authority vouches for it
	Attributes  bool      // signed attributes stand between signature and content
}

// Trust says whose signatures count. Certificates inside a message are used to build
// a chain to Authorities and for nothing else.
type Trust struct {
	Certificates []*x509.Certificate // pinned: these certificates themselves
	Authorities  []*x509.Certificate // may have issued the signer's certificate
	Subject      string              // with Authorities: the common name, or the whole subject, that the signer must have; required then
	Strict       bool                // a signature by a certificate that is not valid at the moment does not count
}

// Pinned trusts certificates themselves.
func Pinned(certs ...*x509.Certificate) Trust { return Trust{Certificates: certs} }

// Verify checks that a trusted signer signed content with the given digests.
//
// For a pinned certificate the moment decides only whether it had expired, which is
// reported and not an error unless the trust is strict. A certificate that authorities vouch for comes from the
// message; it must be valid at the moment, as must its chain, and its subject must be
// the one that is trusted.
//
// With several signers one good signature is enough. Otherwise the error is that of
// the signer that came furthest, wrapping one of the errors of this package.
func (s *Signature) Verify(digests map[Digest][]byte, trust Trust, at time.Time) (*Verified, error) {
	if len(s.signers) == 0 {
		return nil, ErrNoSigner
	}
	failure := fmt.Errorf("%w: it claims to be %s", ErrUnknownSigner, describe(s.signers[0].id))
	candidates, doubt := s.candidates(trust, at)
	if doubt != nil {
		failure = fmt.Errorf("%w; %w", failure, doubt)
	}
	for _, signer := range s.signers {
		for _, c := range candidates {
			if !names(signer.id, c.cert) {
				continue
			}
			claimed, err := s.verify(signer, digests, c.cert)
			expired := at.Before(c.cert.NotBefore) || at.After(c.cert.NotAfter)
			if err == nil && !(expired && trust.Strict) {
				return &Verified{
					Certificate: c.cert, Digest: signer.digest, Scheme: schemeOf(signer.sigAlg.Algorithm), SigningTime: claimed,
					Expired: expired, ByAuthority: c.byAuthority, Attributes: signer.attrs != nil,
				}, nil
			}
			if err == nil {
				err = fmt.Errorf("%w: certificate %q is valid from %s to %s", ErrUnknownSigner, c.cert.Subject, c.cert.NotBefore.UTC().Format(time.DateOnly), c.cert.NotAfter.UTC().Format(time.DateOnly))
			}
			if distance(err) >= distance(failure) {
				failure = err
			}
		}
	}
	return nil, failure
}

// distance is how far a signer came.
func distance(err error) int {
	for i, e := range []error{ErrBadSignature, ErrDigestMismatch, ErrAlgorithm, ErrSyntax} {
		if errors.Is(err, e) {
			return 4 - i
		}
	}
	return 0
}

// verify checks one signer against a certificate that is trusted.
func (s *Signature) verify(signer readSigner, digests map[Digest][]byte, cert *x509.Certificate) (signingTime time.Time, err error) {
	content, ok := digests[signer.digest]
	if !ok {
		name := signer.digest.String()
		if signer.digest == NoDigest {
			name = signer.digestAlg.Algorithm.String()
		}
		return time.Time{}, fmt.Errorf("%w: digest %s", ErrAlgorithm, name)
	}
	if signer.attrs == nil {
		// RFC 5652, 5.4: without attributes the content itself is signed.
		if AttributesAsContent(s.head) {
			return time.Time{}, syntaxError("signed attributes in the place of the content")
		}
		return time.Time{}, checkSignature(cert.PublicKey, signer.sigAlg, signer.digest, content, signer.signature)
	}
	a, err := splitAttributes(signer.attrs)
	if err != nil {
		return time.Time{}, err
	}
	if err := a.check(s.contentType, signer.digestAlg, signer.sigAlg); err != nil {
		return time.Time{}, err
	}
	// As sent first; some products sign another order than they send.
	check := func(attrs []byte) error {
		return checkSignature(cert.PublicKey, signer.sigAlg, signer.digest, asSigned(signer.digest, attrs), signer.signature)
	}
	if check(signer.attrs) != nil {
		sorted, err := sortAttributes(signer.attrs)
		if err == nil {
			err = check(sorted)
		}
		if err != nil {
			return time.Time{}, err
		}
	}
	// Only a digest that was really signed says anything about the content.
	if !bytes.Equal(a.digest, content) {
		return time.Time{}, ErrDigestMismatch
	}
	return a.signingTime, nil
}
