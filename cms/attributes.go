package cms

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"
)

var (
	oidAttrContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidAttrMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidAttrSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidAttrProtection    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
)

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// protection is CMSAlgorithmProtection (RFC 6211, 2) for a signature.
type protection struct {
	Digest    pkix.AlgorithmIdentifier
	Signature pkix.AlgorithmIdentifier `asn1:"tag:1"`
}

// signedAttributes encodes the attributes in DER order, without the tag around them.
// p is nil where CMSAlgorithmProtection is to be left out.
func signedAttributes(digest []byte, at time.Time, p *protection) ([]byte, error) {
	type entry struct {
		oid   asn1.ObjectIdentifier
		value any
	}
	list := []entry{
		{oidAttrContentType, oidData},
		{oidAttrMessageDigest, digest},
		{oidAttrSigningTime, at.UTC().Truncate(time.Second)},
	}
	if p != nil {
		list = append(list, entry{oidAttrProtection, *p})
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

// asSigned is the digest of attributes in the form that is signed: as a SET OF,
// whatever tag they travel under (RFC 5652, 5.4).
func asSigned(d Digest, attrs []byte) []byte {
	h := d.New()
	h.Write(encode(header{constructed: true, tag: tagSet}, attrs))
	return h.Sum(nil)
}

// readAttributes are the signed attributes that matter.
type readAttributes struct {
	contentType asn1.ObjectIdentifier
	digest      []byte
	signingTime time.Time   // a claim that decides nothing; zero = none, or unreadable
	protection  *protection // nil = none
}

// splitAttributes finds what matters among signed attributes (RFC 5652, 11). Unknown
// ones are skipped; one that matters may come once only.
func splitAttributes(attrs []byte) (a readAttributes, err error) {
	var seen []string
	for rest := attrs; len(rest) > 0; {
		var raw struct {
			Type   asn1.ObjectIdentifier
			Values asn1.RawValue
		}
		if rest, err = asn1.Unmarshal(rest, &raw); err != nil {
			return readAttributes{}, syntaxError("signed attribute: %v", err)
		}
		switch {
		case raw.Type.Equal(oidAttrContentType):
			err = unmarshal(raw.Values.Bytes, &a.contentType, "content type attribute")
		case raw.Type.Equal(oidAttrMessageDigest):
			err = unmarshal(raw.Values.Bytes, &a.digest, "message digest attribute")
		case raw.Type.Equal(oidAttrProtection):
			a.protection = new(protection)
			err = unmarshal(raw.Values.Bytes, a.protection, "algorithm protection attribute")
		case raw.Type.Equal(oidAttrSigningTime):
			if unmarshal(raw.Values.Bytes, &a.signingTime, "signing time") != nil {
				a.signingTime = time.Time{}
			}
			continue
		default:
			continue
		}
		if err != nil {
			return readAttributes{}, err
		}
		if name := raw.Type.String(); slices.Contains(seen, name) {
			return readAttributes{}, syntaxError("signed attribute %s comes twice", name)
		} else {
			seen = append(seen, name)
		}
	}
	if a.digest == nil {
		return readAttributes{}, syntaxError("no message digest among the signed attributes")
	}
	return a, nil
}

// check holds the attributes against what they stand beside.
func (a readAttributes) check(contentType asn1.ObjectIdentifier, digest, signature pkix.AlgorithmIdentifier) error {
	// RFC 5652, 11.1: the content type must be among the attributes and be that of the
	// content. No product is known that leaves it out, and it is what keeps attributes
	// from being passed off as content.
	if !a.contentType.Equal(contentType) {
		return syntaxError("content of type %v under a signature for type %v", contentType, a.contentType)
	}
	if a.protection == nil {
		return nil
	}
	// RFC 6211, 3: both must be those of the signer.
	if !sameAlgorithm(a.protection.Digest, digest) || !sameAlgorithm(a.protection.Signature, signature) {
		return fmt.Errorf("%w: %v with %v, where the signer protected %v with %v",
			ErrAlgorithm, signature.Algorithm, digest.Algorithm, a.protection.Signature.Algorithm, a.protection.Digest.Algorithm)
	}
	return nil
}

// sameAlgorithm compares identifiers; NULL and no parameters are the same.
func sameAlgorithm(a, b pkix.AlgorithmIdentifier) bool {
	return a.Algorithm.Equal(b.Algorithm) && bytes.Equal(parametersOf(a), parametersOf(b))
}

func parametersOf(a pkix.AlgorithmIdentifier) []byte {
	if bytes.Equal(a.Parameters.FullBytes, asn1.NullBytes) {
		return nil
	}
	return a.Parameters.FullBytes
}

// AttributesAsContent reports whether content, of which the first 32 bytes are enough,
// starts like an encoded set of signed attributes. A signature over attributes is also
// one over their encoding as content (RFC 5652, 5.4): who takes the attributes out of
// somebody's SignedData and puts them in the place of the content has a signature
// that verifies. Such content is not to be believed where Verified.Attributes is false.
func AttributesAsContent(content []byte) bool {
	b := newBER(&sliceReader{content[:min(len(content), 32)]}, Limits{})
	if b.enter(classUniversal, tagSet, "attributes") != nil || b.enter(classUniversal, tagSequence, "attribute") != nil {
		return false
	}
	h, err := b.peek()
	return err == nil && h.is(classUniversal, tagOID)
}
