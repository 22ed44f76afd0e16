package cms

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	_ "crypto/sha1"   // linked in for Digest.Hash
	_ "crypto/sha256" // as above
	_ "crypto/sha512" // as above
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Cipher is a content encryption algorithm.
type Cipher int

const (
	NoCipher Cipher = iota
	AES128CBC
	AES192CBC
	AES256CBC
	AES128GCM
	AES192GCM
	AES256GCM
	AES128CCM
	AES192CCM
	AES256CCM
	DESEDE3CBC
	CAST5CBC
	IDEACBC
	RC2CBC128
	RC2CBC64
	RC2CBC40
)

// Legacy reports whether a cipher is for old partners only.
func (c Cipher) Legacy() bool { return c >= DESEDE3CBC }

// KeyTransport is how the content key is wrapped for a recipient with an RSA key.
type KeyTransport int

const (
	RSAPKCS1 KeyTransport = iota // RSAES-PKCS1-v1_5: what every AS2 product understands
	OAEPSHA1                     // RSAES-OAEP (RFC 3560), MGF1 with the same digest
	OAEPSHA256
	OAEPSHA384
	OAEPSHA512
)

// Recipient is somebody a message is encrypted to.
type Recipient struct {
	Certificate *x509.Certificate
	Transport   KeyTransport
	ByKeyID     bool // named by subject key identifier instead of issuer and serial number
}

// Spool is temporary storage for one stream: written once, then read once from its
// start. Close gives the storage free. CCM needs it, because its first block states
// the length of the content.
type Spool interface {
	io.Writer
	Rewind() (io.Reader, error)
	Close() error
}

// NewSpool makes an empty Spool.
type NewSpool func() (Spool, error)

// cipherSpec is what distinguishes one content cipher from another.
type cipherSpec struct {
	name      string
	oid       asn1.ObjectIdentifier
	keyLen    int // bytes
	blockSize int // bytes
	block     func(key []byte) (cipher.Block, error)
}

var ciphers = map[Cipher]cipherSpec{
	AES128CBC: {"aes-128-cbc", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}, 16, aes.BlockSize, aes.NewCipher},
	AES192CBC: {"aes-192-cbc", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}, 24, aes.BlockSize, aes.NewCipher},
	AES256CBC: {"aes-256-cbc", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, 32, aes.BlockSize, aes.NewCipher},
}

func (c Cipher) String() string {
	if s, ok := ciphers[c]; ok {
		return s.name
	}
	return "none"
}

// Ciphers lists the names that ParseCipher takes, strongest last.
func Ciphers() []string {
	return []string{AES128CBC.String(), AES192CBC.String(), AES256CBC.String()}
}

// ParseCipher reads a name such as "aes-256-cbc".
func ParseCipher(name string) (Cipher, error) {
	for c, s := range ciphers {
		if strings.EqualFold(s.name, name) {
			return c, nil
		}
	}
	return NoCipher, fmt.Errorf("cms: %q is no content cipher that is supported (%s)", name, strings.Join(Ciphers(), ", "))
}

func cipherByOID(oid asn1.ObjectIdentifier) (cipherSpec, Cipher, bool) {
	for c, s := range ciphers {
		if s.oid.Equal(oid) {
			return s, c, true
		}
	}
	return cipherSpec{}, NoCipher, false
}

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

type digestSpec struct {
	name string
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
	rsa  asn1.ObjectIdentifier // signature with RSA PKCS#1 v1.5, as some products name it
}

var digests = map[Digest]digestSpec{
	SHA1:   {"sha1", asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}},
	SHA224: {"sha-224", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, crypto.SHA224, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}},
	SHA256: {"sha-256", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}},
	SHA384: {"sha-384", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}},
	SHA512: {"sha-512", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}},
}

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

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

// ParseDigest reads a name in every spelling that products use: sha1, sha-1, SHA256,
// sha2_256, rsa-sha256.
func ParseDigest(name string) (Digest, error) {
	s := strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`))
	s = strings.TrimPrefix(s, "rsa-")
	s = strings.NewReplacer("-", "", "_", "").Replace(s)
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
		if s.oid.Equal(oid) || s.rsa.Equal(oid) {
			return d, true
		}
	}
	return NoDigest, false
}

// isRSASignature reports whether the algorithm is RSA PKCS#1 v1.5, under any of its
// names.
func isRSASignature(alg pkix.AlgorithmIdentifier) bool {
	if alg.Algorithm.Equal(oidRSA) {
		return true
	}
	for _, s := range digests {
		if s.rsa.Equal(alg.Algorithm) {
			return true
		}
	}
	return false
}
