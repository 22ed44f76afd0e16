package cms

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
	"io"
	"slices"
	"time"
)

const (
	maxSigners      = 16 // of one SignedData: each costs public-key work
	maxCertificates = 32 // of one SignedData that are kept
)

// Signature is the part of a SignedData that is not content.
type Signature struct {
	signers     []readSigner
	certs       [][]byte // as sent, not parsed
	contentType asn1.ObjectIdentifier
	content     *octets
	head        []byte // the first bytes of opaque content
	b           *ber
	sums        map[Digest]hash.Hash // of opaque content
	err         error
}

// readSigner is one SignerInfo (RFC 5652, 5.3) as read.
type readSigner struct {
	id        asn1.RawValue
	digest    Digest
	digestAlg pkix.AlgorithmIdentifier
	attrs     []byte // contents of [0], without the tag; nil = none
	sigAlg    pkix.AlgorithmIdentifier
	signature []byte
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
	if s.contentType, err = b.oid("type of the signed content"); err != nil {
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
		if _, err := s.b.peek(); errors.Is(err, errEnd) {
			return s.b.leave()
		}
		var alg pkix.AlgorithmIdentifier
		if err := s.b.unmarshal(&alg, "digest algorithm"); err != nil {
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
	if missing := 32 - len(s.head); missing > 0 {
		s.head = append(s.head, p[:min(n, missing)]...)
	}
	if err == io.EOF {
		if tail := s.readTail(); tail != nil {
			err = tail
		}
	}
	s.err = err
	return n, err
}

// readTail reads what follows the content: certificates, lists, signers.
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
		if h.tag == 0 {
			if err := s.readCertificates(); err != nil {
				return err
			}
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
		if len(s.signers) == maxSigners {
			return syntaxError("more than %d signers", maxSigners)
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

// readCertificates keeps X.509 certificates, up to a number, until something else
// comes; leave skips the rest.
func (s *Signature) readCertificates() error {
	for len(s.certs) < maxCertificates {
		h, err := s.b.peek()
		if errors.Is(err, errEnd) || err == nil && !h.is(classUniversal, tagSequence) {
			return nil
		}
		if err != nil {
			return err
		}
		der, err := s.b.der("certificate")
		if err != nil {
			return err
		}
		s.certs = append(s.certs, der)
	}
	return nil
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
	s := readSigner{id: raw.ID, digestAlg: raw.DigestAlg, sigAlg: raw.SigAlg, signature: raw.Signature}
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

// SignerInfo is what one signer claims. Nothing of it is verified.
type SignerInfo struct {
	ID            string    // issuer and serial number, or key identifier, as text
	ByKeyID       bool      // named by subject key identifier
	Digest        Digest    // NoDigest = one that we do not have
	DigestOID     string    // dotted
	Scheme        Scheme    // NoScheme = one that we do not have
	SchemeOID     string    // dotted
	Attributes    bool      // there are signed attributes
	MessageDigest []byte    // the content's, by the attributes
	SigningTime   time.Time // zero = none
	Protected     bool      // CMSAlgorithmProtection is among the attributes
}

// Signers lists the signers for somebody who looks into a message.
func (s *Signature) Signers() []SignerInfo {
	var all []SignerInfo
	for _, r := range s.signers {
		i := SignerInfo{
			ID: describe(r.id), ByKeyID: r.id.Class == classContext, Digest: r.digest, DigestOID: r.digestAlg.Algorithm.String(),
			Scheme: schemeOf(r.sigAlg.Algorithm), SchemeOID: r.sigAlg.Algorithm.String(), Attributes: r.attrs != nil,
		}
		if a, err := splitAttributes(r.attrs); err == nil { // unreadable ones are only said to be there
			i.MessageDigest, i.SigningTime, i.Protected = a.digest, a.signingTime, a.protection != nil
		}
		all = append(all, i)
	}
	return all
}

// Certificates are those that came with the signature and can be read, at most 32.
// They prove nothing.
func (s *Signature) Certificates() []*x509.Certificate {
	var all []*x509.Certificate
	for _, der := range s.certs {
		if cert, err := x509.ParseCertificate(der); err == nil {
			all = append(all, cert)
		}
	}
	return all
}
