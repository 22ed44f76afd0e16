package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"
)

// withAttributes signs any attributes, each an attribute type and its values.
func withAttributes(t *testing.T, id Identity, attrs ...attribute) *Signature {
	t.Helper()
	var encoded [][]byte
	for _, a := range attrs {
		encoded = append(encoded, mustMarshal(a))
	}
	joined := joinSorted(encoded)
	sig, err := id.Key.(crypto.Signer).Sign(rand.Reader, asSigned(SHA256, joined), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return &Signature{contentType: oidData, signers: []readSigner{{
		id: asn1.RawValue{FullBytes: mustMarshal(nameOf(id.Certificate))}, digest: SHA256, digestAlg: pkix.AlgorithmIdentifier{Algorithm: digests[SHA256].oid},
		attrs: joined, sigAlg: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}, signature: sig,
	}}}
}

func TestAttributesAreHeldToTheirRules(t *testing.T) {
	id := committed("us-rsa")
	sums := digestOf(SHA256, []byte("invoice"))
	one := func(oid asn1.ObjectIdentifier, values ...any) attribute {
		a := attribute{Type: oid}
		for _, v := range values {
			a.Values = append(a.Values, asn1.RawValue{FullBytes: mustMarshal(v)})
		}
		return a
	}
	typ, digest := one(oidAttrContentType, oidData), one(oidAttrMessageDigest, sums[SHA256])
	null := func(oid asn1.ObjectIdentifier) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}
	}
	bare := func(oid asn1.ObjectIdentifier) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: oid}
	}
	sha256, sha512 := digests[SHA256].oid, digests[SHA512].oid
	for name, c := range map[string]struct {
		attrs []attribute
		want  error
	}{
		"as they should be":            {[]attribute{typ, digest}, nil},
		"no content type":              {[]attribute{digest}, ErrSyntax},
		"another content type":         {[]attribute{one(oidAttrContentType, oidSignedData), digest}, ErrSyntax},
		"no digest":                    {[]attribute{typ}, ErrSyntax},
		"two digests":                  {[]attribute{typ, digest, one(oidAttrMessageDigest, make([]byte, 32))}, ErrSyntax},
		"two values of the digest":     {[]attribute{typ, one(oidAttrMessageDigest, sums[SHA256], make([]byte, 32))}, ErrSyntax},
		"another digest":               {[]attribute{typ, one(oidAttrMessageDigest, make([]byte, 32))}, ErrDigestMismatch},
		"unknown ones":                 {[]attribute{typ, digest, one(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 15}, "capabilities")}, nil},
		"a time that is none":          {[]attribute{typ, digest, one(oidAttrSigningTime, "tomorrow")}, nil},
		"protected":                    {[]attribute{typ, digest, one(oidAttrProtection, protection{bare(sha256), null(oidRSA)})}, nil},
		"protected with NULL":          {[]attribute{typ, digest, one(oidAttrProtection, protection{null(sha256), bare(oidRSA)})}, nil},
		"protected another digest":     {[]attribute{typ, digest, one(oidAttrProtection, protection{bare(sha512), null(oidRSA)})}, ErrAlgorithm},
		"protected another scheme":     {[]attribute{typ, digest, one(oidAttrProtection, protection{bare(sha256), null(oidRSAPSS)})}, ErrAlgorithm},
		"protected other parameters":   {[]attribute{typ, digest, one(oidAttrProtection, protection{bare(sha256), pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.RawValue{FullBytes: []byte{2, 1, 1}}}})}, ErrAlgorithm},
		"protected, but unreadable":    {[]attribute{typ, digest, one(oidAttrProtection, 5)}, ErrSyntax},
		"protected twice, differently": {[]attribute{typ, digest, one(oidAttrProtection, protection{bare(sha256), null(oidRSA)}), one(oidAttrProtection, protection{bare(sha512), null(oidRSA)})}, ErrSyntax},
	} {
		v, err := withAttributes(t, id, c.attrs...).Verify(sums, Pinned(id.Certificate), moment)
		if !errors.Is(err, c.want) || (v == nil) != (c.want != nil) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// Somebody takes the attributes of a good signature for the content of a bad one.
func TestAttributesPassedOffAsContent(t *testing.T) {
	id := committed("us-rsa")
	signer := signerOf(id, SHA256)
	attrs, err := signedAttributes(make([]byte, 32), moment, nil)
	if err != nil {
		t.Fatal(err)
	}
	content := encode(header{constructed: true, tag: tagSet}, attrs)
	if !AttributesAsContent(content) || AttributesAsContent(content[:3]) {
		t.Error("not recognised")
	}
	for _, harmless := range []string{"", "1", "1001;invoice;2026-11-23;100.00 EUR;some more of it", "Content-Type: text/plain\r\n\r\n1"} {
		if AttributesAsContent([]byte(harmless)) {
			t.Errorf("%q taken for attributes", harmless)
		}
	}
	signer.NoAttributes = true
	s, err := OpenSigned(bytes.NewReader(opaque(t, signer, content)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	for err == nil {
		_, err = s.Read(buf)
	}
	if v, err := s.Verify(s.Sums(), Pinned(id.Certificate), moment); !errors.Is(err, ErrSyntax) {
		t.Errorf("%+v, %v", v, err)
	}
}

// SigningTime is UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5652, 11.3).
func TestSigningTimes(t *testing.T) {
	for year, tag := range map[int]byte{1950: 23, 2026: 23, 2049: 23, 2050: 24} {
		at := time.Date(year, 6, 1, 12, 0, 0, 999, time.UTC)
		attrs, err := signedAttributes(make([]byte, 32), at, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := splitAttributes(attrs)
		if err != nil || !a.signingTime.Equal(at.Truncate(time.Second)) {
			t.Errorf("%d: %v, %v", year, a.signingTime, err)
		}
		i := bytes.Index(attrs, mustMarshal(oidAttrSigningTime)) + len(mustMarshal(oidAttrSigningTime)) + 2
		if attrs[i] != tag {
			t.Errorf("%d: tag %d", year, attrs[i])
		}
	}
}
