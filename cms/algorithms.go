package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
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
