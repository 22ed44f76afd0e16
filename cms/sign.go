package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// Signer makes signatures, detached with Sign and around the content with Opaque.
type Signer struct {
	Certificate  *x509.Certificate
	Chain        []*x509.Certificate // sent behind the certificate
	Key          crypto.Signer       // RSA, or ECDSA on P-256, P-384 or P-521
	Digest       Digest
	PSS          bool // RSASSA-PSS instead of PKCS#1 v1.5
	NoAttributes bool // sign the content itself (RFC 5652, 5.4)
	NoProtection bool // leave out CMSAlgorithmProtection (RFC 6211)
	ByKeyID      bool // name the certificate by its subject key identifier
}

// signerInfo is RFC 5652, 5.3, as written.
type signerInfo struct {
	Version   int
	ID        asn1.RawValue
	DigestAlg pkix.AlgorithmIdentifier
	Attrs     asn1.RawValue `asn1:"optional"`
	SigAlg    pkix.AlgorithmIdentifier
	Signature []byte
}

// Sign returns a detached SignedData (RFC 5652, 5) over content with the given digest,
// which must be of s.Digest. It is in DER, but for the certificates, which keep their
// order: the signer's is first, where simple readers look.
func (s *Signer) Sign(digest []byte, at time.Time) ([]byte, error) {
	signer, err := s.signerInfo(digest, at)
	if err != nil {
		return nil, err
	}
	sequence := func(parts ...[]byte) []byte {
		return encode(header{constructed: true, tag: tagSequence}, bytes.Join(parts, nil))
	}
	data := sequence(s.version(), s.digestAlgorithms(), sequence(mustMarshal(oidData)), s.certificates(), signer)
	return sequence(mustMarshal(oidSignedData), encode(header{class: classContext, constructed: true}, data)), nil
}

// Opaque starts a SignedData that carries its content (RFC 5652, 5.2). What is written
// to the result passes through to w in segments of 64 KiB; Close signs, finishes the
// structure and does not close w. Lengths are indefinite, memory is constant.
func (s *Signer) Opaque(w io.Writer, at time.Time) (io.WriteCloser, error) {
	if _, _, err := s.algorithm(); err != nil {
		return nil, err // before anything is written
	}
	head := []byte{0x30, 0x80}
	head = append(head, mustMarshal(oidSignedData)...)
	head = append(head, 0xa0, 0x80, 0x30, 0x80)
	head = append(head, s.version()...)
	head = append(head, s.digestAlgorithms()...)
	head = append(head, 0x30, 0x80)
	head = append(head, mustMarshal(oidData)...)
	head = append(head, 0xa0, 0x80, 0x24, 0x80) // [0] EXPLICIT, constructed OCTET STRING
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	return &opaqueWriter{signer: s, at: at, out: segmentWriter{w: w, ends: 3}, sum: s.Digest.New(), buf: make([]byte, 0, streamBuffer)}, nil
}

// opaqueWriter collects content into a buffer that becomes one segment whenever it is
// full.
type opaqueWriter struct {
	signer *Signer
	at     time.Time
	out    segmentWriter
	sum    hash.Hash
	buf    []byte
	err    error
}

func (o *opaqueWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && o.err == nil {
		n := copy(o.buf[len(o.buf):cap(o.buf)], p)
		o.buf, p = o.buf[:len(o.buf)+n], p[n:]
		written += n
		if len(o.buf) == cap(o.buf) {
			o.flush()
		}
	}
	return written, o.err
}

func (o *opaqueWriter) flush() {
	o.sum.Write(o.buf)
	o.err = o.out.segment(o.buf)
	o.buf = o.buf[:0]
}

// Close signs what was written.
func (o *opaqueWriter) Close() error {
	if o.err == nil && len(o.buf) > 0 {
		o.flush()
	}
	if o.err != nil {
		return o.err
	}
	signer, err := o.signer.signerInfo(o.sum.Sum(nil), o.at)
	if err != nil {
		return err
	}
	if err := o.out.end(); err != nil { // of the content and what is around it
		return err
	}
	tail := append(o.signer.certificates(), signer...)
	_, err = o.out.w.Write(append(tail, make([]byte, 6)...)) // end of SignedData, [0] and ContentInfo
	return err
}

// version is that of SignedData: 3 with a signer of version 3 (RFC 5652, 5.1).
func (s *Signer) version() []byte {
	if s.ByKeyID {
		return []byte{tagInteger, 1, 3}
	}
	return []byte{tagInteger, 1, 1}
}

func (s *Signer) digestAlgorithms() []byte {
	return encode(header{constructed: true, tag: tagSet}, mustMarshal(s.digestAlgorithm()))
}

// digestAlgorithm has no parameters (RFC 5754, 2; RFC 3370, 2.1).
func (s *Signer) digestAlgorithm() pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: digests[s.Digest].oid}
}

func (s *Signer) certificates() []byte {
	all := bytes.Clone(s.Certificate.Raw)
	for _, c := range s.Chain {
		if !c.Equal(s.Certificate) {
			all = append(all, c.Raw...)
		}
	}
	return encode(header{class: classContext, constructed: true}, all)
}

// signerInfo signs and returns the SET OF one SignerInfo.
func (s *Signer) signerInfo(digest []byte, at time.Time) ([]byte, error) {
	algorithm, options, err := s.algorithm()
	if err != nil {
		return nil, err
	}
	if len(digest) != s.Digest.Hash().Size() {
		return nil, fmt.Errorf("cms: a digest of %d bytes is none of %v", len(digest), s.Digest)
	}
	info := signerInfo{Version: 1, DigestAlg: s.digestAlgorithm(), SigAlg: algorithm}
	if s.ByKeyID {
		if len(s.Certificate.SubjectKeyId) == 0 {
			return nil, fmt.Errorf("cms: certificate %q has no subject key identifier to be named by", s.Certificate.Subject)
		}
		info.Version = 3 // RFC 5652, 5.3
		info.ID.FullBytes = encode(header{class: classContext}, s.Certificate.SubjectKeyId)
	} else {
		info.ID.FullBytes = mustMarshal(nameOf(s.Certificate))
	}
	if !s.NoAttributes {
		var p *protection
		if !s.NoProtection {
			p = &protection{info.DigestAlg, info.SigAlg}
		}
		attrs, err := signedAttributes(digest, at, p)
		if err != nil {
			return nil, err
		}
		info.Attrs.FullBytes = encode(header{class: classContext, constructed: true}, attrs)
		digest = asSigned(s.Digest, attrs)
	}
	if info.Signature, err = s.Key.Sign(rand.Reader, digest, options); err != nil {
		return nil, fmt.Errorf("cms: signing with %q: %w", s.Certificate.Subject, err)
	}
	der, err := asn1.Marshal(info)
	if err != nil {
		return nil, err
	}
	return encode(header{constructed: true, tag: tagSet}, der), nil
}

func hexString(b []byte) string { return hex.EncodeToString(b) }
