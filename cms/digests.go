package cms

import (
	"crypto"
	_ "crypto/sha1"   // linked in for Digest.Hash
	_ "crypto/sha256" // as above
	_ "crypto/sha512" // as above
	"encoding/asn1"
	"fmt"
	"hash"
	"strings"
)

// Digest is a message digest algorithm.
type Digest int

const (
	NoDigest Digest = iota
	SHA1
	SHA224
	SHA256
	SHA384
	SHA512
)

// Legacy reports whether a digest is for old partners only.
func (d Digest) Legacy() bool { return d == SHA1 }

type digestSpec struct {
	name  string
	oid   asn1.ObjectIdentifier
	hash  crypto.Hash
	rsa   asn1.ObjectIdentifier // signature with RSA PKCS#1 v1.5, as some products name it
	ecdsa asn1.ObjectIdentifier // signature with ECDSA (RFC 5753, 2.1; RFC 5754, 3.3)
}

var digests = map[Digest]digestSpec{
	SHA1: {"sha1", asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1,
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}},
	SHA224: {"sha-224", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, crypto.SHA224,
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1}},
	SHA256: {"sha-256", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256,
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
	SHA384: {"sha-384", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384,
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}},
	SHA512: {"sha-512", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512,
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}},
}

// String is the name on the wire: "sha1" for SHA-1, "sha-256" style for the others
// (RFC 5751, 3.4.3.2).
func (d Digest) String() string {
	if s, ok := digests[d]; ok {
		return s.name
	}
	return "none"
}

// Hash is the digest as package crypto knows it.
func (d Digest) Hash() crypto.Hash { return digests[d].hash }

// New starts a digest.
func (d Digest) New() hash.Hash { return digests[d].hash.New() }

var withoutMarks = strings.NewReplacer("-", "", "_", "")

// ParseDigest reads a name in every spelling that products use: sha1, sha-1, SHA256,
// sha2_256, rsa-sha256.
func ParseDigest(name string) (Digest, error) {
	s := strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`))
	s = strings.TrimPrefix(s, "rsa-")
	s = withoutMarks.Replace(s)
	switch s {
	case "sha1", "sha":
		return SHA1, nil
	case "sha224", "sha2224":
		return SHA224, nil
	case "sha256", "sha2256":
		return SHA256, nil
	case "sha384", "sha2384":
		return SHA384, nil
	case "sha512", "sha2512":
		return SHA512, nil
	}
	return NoDigest, fmt.Errorf("cms: %q is no digest that is supported (sha1, sha-224, sha-256, sha-384, sha-512)", name)
}

// digestByOID also takes the signature algorithms that imply a digest; some products
// put them where a digest belongs.
func digestByOID(oid asn1.ObjectIdentifier) (Digest, bool) {
	for d, s := range digests {
		if s.oid.Equal(oid) || s.rsa.Equal(oid) || s.ecdsa.Equal(oid) {
			return d, true
		}
	}
	return NoDigest, false
}
