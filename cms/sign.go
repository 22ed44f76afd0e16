package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

var (
	oidAttrContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidAttrMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidAttrSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// Signer makes detached signatures.
type Signer struct {
	Certificate  *x509.Certificate
	Chain        []*x509.Certificate // sent behind the certificate
	Key          crypto.Signer       // RSA or ECDSA
	Digest       Digest
	PSS          bool // RSASSA-PSS instead of PKCS#1 v1.5
	NoAttributes bool // sign the content itself (RFC 5652, 5.4)
	NoProtection bool // leave out CMSAlgorithmProtection (RFC 6211)
	ByKeyID      bool // name the certificate by its subject key identifier
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// signerInfo is RFC 5652, 5.3, as written.
type signerInfo struct {
	Version   int
	ID        issuerAndSerial
	DigestAlg pkix.AlgorithmIdentifier
	Attrs     asn1.RawValue
	SigAlg    pkix.AlgorithmIdentifier
	Signature []byte
}

// signedData is RFC 5652, 5.1, as written: detached, with one signer.
type signedData struct {
	Version    int
	DigestAlgs []pkix.AlgorithmIdentifier `asn1:"set"`
	Content    struct{ Type asn1.ObjectIdentifier }
	Certs      asn1.RawValue
	Signers    []signerInfo `asn1:"set"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

// Sign returns a detached SignedData (RFC 5652, 5) in DER over content with the given
// digest, which must be of s.Digest, with signed attributes and the certificate.
func (s *Signer) Sign(digest []byte, at time.Time) ([]byte, error) {
	spec, ok := digests[s.Digest]
	if !ok || len(digest) != spec.hash.Size() {
		return nil, fmt.Errorf("cms: a digest of %d bytes is none of %v", len(digest), s.Digest)
	}
	if _, ok := s.Key.Public().(*rsa.PublicKey); !ok {
		return nil, fmt.Errorf("cms: certificate %q has no RSA key: only RSA signatures are supported", s.Certificate.Subject)
	}
	attrs, err := signedAttributes(digest, at)
	if err != nil {
		return nil, err
	}
	// RFC 5652, 5.4: the attributes are signed as a SET OF, whatever tag they travel under.
	h := spec.hash.New()
	h.Write(encode(header{constructed: true, tag: tagSet}, attrs))
	signature, err := s.Key.Sign(rand.Reader, h.Sum(nil), spec.hash)
	if err != nil {
		return nil, fmt.Errorf("cms: signing with %q: %w", s.Certificate.Subject, err)
	}
	digestAlg := pkix.AlgorithmIdentifier{Algorithm: spec.oid} // RFC 5754, 2: no parameters
	sd := signedData{
		Version:    1,
		DigestAlgs: []pkix.AlgorithmIdentifier{digestAlg},
		Certs:      asn1.RawValue{FullBytes: encode(header{class: classContext, constructed: true}, s.Certificate.Raw)},
		Signers: []signerInfo{{
			Version:   1,
			ID:        nameOf(s.Certificate),
			DigestAlg: digestAlg,
			Attrs:     asn1.RawValue{FullBytes: encode(header{class: classContext, constructed: true}, attrs)},
			SigAlg:    pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
			Signature: signature,
		}},
	}
	sd.Content.Type = oidData
	return asn1.Marshal(contentInfo{oidSignedData, sd})
}

// signedAttributes encodes the attributes in DER order, without the tag around them.
func signedAttributes(digest []byte, at time.Time) ([]byte, error) {
	list := []struct {
		oid   asn1.ObjectIdentifier
		value any
	}{
		{oidAttrContentType, oidData},
		{oidAttrMessageDigest, digest},
		{oidAttrSigningTime, at.UTC().Truncate(time.Second)},
	}
	var encoded [][]byte
	for _, a := range list {
		value, err := asn1.Marshal(a.value)
		if err != nil {
			return nil, err
		}
		der, err := asn1.Marshal(attribute{a.oid, []asn1.RawValue{{FullBytes: value}}})
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, der)
	}
	return joinSorted(encoded), nil
}

// joinSorted puts the elements of a SET OF into DER order (X.690, 11.6).
func joinSorted(elements [][]byte) []byte {
	slices.SortFunc(elements, bytes.Compare)
	return bytes.Join(elements, nil)
}

func hexString(b []byte) string { return hex.EncodeToString(b) }
