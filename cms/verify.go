package cms

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"
)

var (
	// ErrNoSigner means that a SignedData holds no signature at all.
	ErrNoSigner = errors.New("cms: there is no signer")
	// ErrUnknownSigner means that no signer is one of the trusted certificates.
	ErrUnknownSigner = errors.New("cms: the signer is none of the configured certificates")
	// ErrDigestMismatch means that the content is not what was signed.
	ErrDigestMismatch = errors.New("cms: the content is not what was signed")
	// ErrBadSignature means that the signature itself does not verify.
	ErrBadSignature = errors.New("cms: the signature does not verify")
	// ErrAlgorithm means a digest or signature algorithm that we do not have or that
	// the caller did not allow.
	ErrAlgorithm = errors.New("cms: the signature uses an algorithm that is not accepted")
)

// Signature is the part of a SignedData that is not content. The certificates in it
// are not even read.
type Signature struct {
	signers []readSigner
	content *octets
	b       *ber
	sums    map[Digest]hash.Hash // of opaque content
	err     error
}

// readSigner is one SignerInfo (RFC 5652, 5.3) as read.
type readSigner struct {
	id        asn1.RawValue
	digest    Digest
	digestOID asn1.ObjectIdentifier
	attrs     []byte // contents of [0], without the tag; nil = none
	sigAlg    pkix.AlgorithmIdentifier
	signature []byte
}

// Verified says who signed.
type Verified struct {
	Certificate *x509.Certificate // the configured one, not one from the message
	Digest      Digest
	SigningTime time.Time // as the signer claims; zero if he does not
	Expired     bool      // the certificate was not valid at the given moment
}

// ParseSignature reads a detached SignedData, DER or BER.
func ParseSignature(r io.Reader, lim Limits) (*Signature, error) {
	s, err := OpenSigned(r, lim)
	if err != nil {
		return nil, err
	}
	if s.content != nil {
		// Content inside of what should be detached is not ours to believe.
		return nil, syntaxError("a detached signature must not carry content")
	}
	return s, nil
}

// OpenSigned reads a SignedData up to its content. The result reads the content, if
// it carries any, and knows its digests at io.EOF.
func OpenSigned(r io.Reader, lim Limits) (*Signature, error) {
	b, err := open(r, lim, oidSignedData, "SignedData")
	if err != nil {
		return nil, err
	}
	s := &Signature{b: b, sums: map[Digest]hash.Hash{}}
	if err := s.readDigestAlgorithms(); err != nil {
		return nil, err
	}
	if err := b.enter(classUniversal, tagSequence, "encapsulated content info"); err != nil {
		return nil, err
	}
	if _, err := b.oid("type of the signed content"); err != nil {
		return nil, err
	}
	h, err := b.peek()
	if errors.Is(err, errEnd) {
		return s, s.readTail()
	}
	if err != nil {
		return nil, err
	}
	if !h.is(classContext, 0) {
		return nil, syntaxError("signed content expected, found %v", h)
	}
	if err := b.enter(classContext, 0, "signed content"); err != nil {
		return nil, err
	}
	s.content, err = b.octetString(classUniversal, tagOctetString, "signed content")
	return s, err
}

func (s *Signature) readDigestAlgorithms() error {
	if err := s.b.enter(classUniversal, tagSet, "digest algorithms"); err != nil {
		return err
	}
	for {
		var alg pkix.AlgorithmIdentifier
		err := s.b.unmarshal(&alg, "digest algorithm")
		if errors.Is(err, ErrSyntax) {
			if _, end := s.b.peek(); errors.Is(end, errEnd) {
				return s.b.leave()
			}
		}
		if err != nil {
			return err
		}
		if d, ok := digestByOID(alg.Algorithm); ok && s.sums[d] == nil {
			s.sums[d] = d.New()
		}
	}
}

// Opaque reports whether the content travels inside of the signature.
func (s *Signature) Opaque() bool { return s.content != nil }

// Read reads the content of an opaque SignedData.
func (s *Signature) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.content == nil {
		return 0, io.EOF
	}
	n, err := s.content.Read(p)
	for _, h := range s.sums {
		h.Write(p[:n])
	}
	if err == io.EOF {
		if tail := s.readTail(); tail != nil {
			err = tail
		}
	}
	s.err = err
	return n, err
}

// readTail reads what follows the content: certificates and lists, unread, and the
// signers.
func (s *Signature) readTail() error {
	// Leave the content info: SignedData itself is the third open element.
	for len(s.b.stack) > 3 {
		if err := s.b.leave(); err != nil {
			return err
		}
	}
	for {
		h, err := s.b.peek()
		if err != nil {
			return missing(err, "signers")
		}
		if !h.is(classContext, 0) && !h.is(classContext, 1) {
			break
		}
		if err := s.b.enter(h.class, h.tag, "certificates"); err != nil {
			return err
		}
		if err := s.b.leave(); err != nil {
			return err
		}
	}
	if err := s.b.enter(classUniversal, tagSet, "signers"); err != nil {
		return err
	}
	for {
		if _, err := s.b.peek(); errors.Is(err, errEnd) {
			return s.b.finish()
		}
		der, err := s.b.der("signer")
		if err != nil {
			return err
		}
		signer, err := parseSigner(der)
		if err != nil {
			return err
		}
		s.signers = append(s.signers, signer)
	}
}

func parseSigner(der []byte) (readSigner, error) {
	var raw struct {
		Version   int
		ID        asn1.RawValue
		DigestAlg pkix.AlgorithmIdentifier
		Attrs     asn1.RawValue `asn1:"optional,tag:0"`
		SigAlg    pkix.AlgorithmIdentifier
		Signature []byte
		Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
	}
	if err := unmarshal(der, &raw, "signer"); err != nil {
		return readSigner{}, err
	}
	s := readSigner{id: raw.ID, digestOID: raw.DigestAlg.Algorithm, sigAlg: raw.SigAlg, signature: raw.Signature}
	s.digest, _ = digestByOID(raw.DigestAlg.Algorithm)
	if len(raw.Attrs.FullBytes) > 0 {
		s.attrs = raw.Attrs.Bytes
	}
	return s, nil
}

// Digests lists the digests that the signers used, to know what to compute.
func (s *Signature) Digests() []Digest {
	var ds []Digest
	for _, signer := range s.signers {
		if signer.digest != NoDigest && !slices.Contains(ds, signer.digest) {
			ds = append(ds, signer.digest)
		}
	}
	return ds
}

// Sums are the digests of opaque content, known after io.EOF.
func (s *Signature) Sums() map[Digest][]byte {
	sums := make(map[Digest][]byte, len(s.sums))
	for d, h := range s.sums {
		sums[d] = h.Sum(nil)
	}
	return sums
}

// Trust says whose signatures count. Certificates inside a message are used to build
// a chain to Authorities and for nothing else.
type Trust struct {
	Certificates []*x509.Certificate // pinned: these certificates themselves
	Authorities  []*x509.Certificate // may have issued the signer's certificate
	Subject      string              // with Authorities: the common name, or the whole subject, that the signer must have; required then
}

// Pinned trusts certificates themselves.
func Pinned(certs ...*x509.Certificate) Trust { return Trust{Certificates: certs} }

// Verify checks that one of the trusted certificates signed content with the given
// digests. Certificates in the message are never believed, not even looked at. The
// moment decides only whether the certificate had expired, which is reported and not
// an error.
//
// With several signers one good signature is enough. Otherwise the error is that of
// the signer that came furthest, wrapping one of the errors of this package.
func (s *Signature) Verify(digests map[Digest][]byte, trust Trust, at time.Time) (*Verified, error) {
	if len(s.signers) == 0 {
		return nil, ErrNoSigner
	}
	var failure error
	for _, signer := range s.signers {
		for _, cert := range trust.Certificates {
			if !names(signer.id, cert) {
				continue
			}
			claimed, err := signer.verify(digests, cert)
			if err == nil {
				return &Verified{cert, signer.digest, claimed, at.Before(cert.NotBefore) || at.After(cert.NotAfter)}, nil
			}
			failure = err
		}
	}
	if failure == nil {
		failure = fmt.Errorf("%w: it claims to be %s", ErrUnknownSigner, describe(s.signers[0].id))
	}
	return nil, failure
}

func (s readSigner) verify(digests map[Digest][]byte, cert *x509.Certificate) (signingTime time.Time, err error) {
	content, ok := digests[s.digest]
	if !ok {
		name := s.digest.String()
		if s.digest == NoDigest {
			name = s.digestOID.String()
		}
		return time.Time{}, fmt.Errorf("%w: digest %s", ErrAlgorithm, name)
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || !isRSASignature(s.sigAlg) {
		return time.Time{}, fmt.Errorf("%w: signature %v", ErrAlgorithm, s.sigAlg.Algorithm)
	}
	if s.attrs == nil {
		// RFC 5652, 5.4: without attributes the content itself is signed.
		return time.Time{}, checkRSA(pub, s.digest, content, s.signature)
	}
	signed, claimed, err := splitAttributes(s.attrs)
	if err != nil {
		return time.Time{}, err
	}
	if !bytes.Equal(signed, content) {
		return time.Time{}, ErrDigestMismatch
	}
	// As sent first; some products sign another order than they send.
	if checkRSA(pub, s.digest, sum(s.digest, s.attrs), s.signature) == nil {
		return claimed, nil
	}
	sorted, err := sortAttributes(s.attrs)
	if err != nil {
		return time.Time{}, err
	}
	return claimed, checkRSA(pub, s.digest, sum(s.digest, sorted), s.signature)
}

func sum(d Digest, attrs []byte) []byte {
	h := d.New()
	h.Write(encode(header{constructed: true, tag: tagSet}, attrs))
	return h.Sum(nil)
}

func checkRSA(pub *rsa.PublicKey, d Digest, digest, signature []byte) error {
	if err := rsa.VerifyPKCS1v15(pub, d.Hash(), digest, signature); err != nil {
		return fmt.Errorf("%w: %v", ErrBadSignature, err)
	}
	return nil
}

// splitAttributes finds message digest and signing time among signed attributes
// (RFC 5652, 11). Unknown attributes are skipped.
func splitAttributes(attrs []byte) (digest []byte, at time.Time, err error) {
	rest := attrs
	for len(rest) > 0 {
		var a struct {
			Type   asn1.ObjectIdentifier
			Values asn1.RawValue
		}
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			return nil, time.Time{}, syntaxError("signed attribute: %v", err)
		}
		switch {
		case a.Type.Equal(oidAttrMessageDigest):
			if digest != nil {
				return nil, time.Time{}, syntaxError("two message digests among the signed attributes")
			}
			if err := unmarshal(a.Values.Bytes, &digest, "message digest"); err != nil {
				return nil, time.Time{}, err
			}
		case a.Type.Equal(oidAttrSigningTime):
			if err := unmarshal(a.Values.Bytes, &at, "signing time"); err != nil {
				return nil, time.Time{}, err
			}
		}
	}
	if digest == nil {
		return nil, time.Time{}, syntaxError("no message digest among the signed attributes")
	}
	return digest, at, nil
}

func sortAttributes(attrs []byte) ([]byte, error) {
	var elements [][]byte
	rest := attrs
	for len(rest) > 0 {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, syntaxError("signed attribute: %v", err)
		}
		elements = append(elements, v.FullBytes)
	}
	return joinSorted(elements), nil
}
