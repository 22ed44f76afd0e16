package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/asn1"
	"fmt"
	"slices"
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
	RC2CBC128 // and, on reading, more than 128 effective bits
	RC2CBC64
	RC2CBC40 // and, on reading, 32 effective bits
)

// Legacy reports whether a cipher is for old partners only.
func (c Cipher) Legacy() bool { return c >= DESEDE3CBC }

// Authenticated reports whether a cipher protects what it encrypts against change: GCM
// and CCM. Such content travels as AuthEnvelopedData (RFC 5083).
func (c Cipher) Authenticated() bool { return c.spec().mode != modeCBC }

// mode is what a block cipher does with more than a block.
type mode int

const (
	modeCBC mode = iota
	modeGCM
	modeCCM
)

// parameterForm is how the parameters of an algorithm are written.
type parameterForm int

const (
	formIV   parameterForm = iota // OCTET STRING (RFC 3565, 4.1; RFC 3370, 5.1)
	formCAST                      // SEQUENCE of IV and key length in bits (RFC 2984, 2)
	formIDEA                      // SEQUENCE of IV (RFC 3058, 2.1)
	formRC2                       // SEQUENCE of version and IV (RFC 3370, 5.2)
	formAEAD                      // SEQUENCE of nonce and length of the tag (RFC 5084, 3)
)

// cipherSpec is what distinguishes one content cipher from another.
type cipherSpec struct {
	name    string
	aliases string // further names, blanks between them
	oid     asn1.ObjectIdentifier
	mode    mode
	form    parameterForm
	keyLen  int // bytes of the keys that we make
	ivLen   int // bytes of the IV or nonce; that we make, or for CBC in any case
	block   func(key []byte, bits int) (cipher.Block, error)
}

// ccmNonce leaves seven bytes for the length of the content: with a longer nonce CCM
// would end early, with twelve bytes at 16 MiB (RFC 3610, 2.1).
const ccmNonce = 8

var (
	arcAES = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1}
	oidRC2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 2}
)

func aesSpec(name string, arc, keyLen int, m mode) cipherSpec {
	s := cipherSpec{name: name, oid: append(slices.Clone(arcAES), arc), mode: m, keyLen: keyLen, block: plain(aes.NewCipher)}
	switch m {
	case modeCBC:
		s.form, s.ivLen = formIV, aes.BlockSize
	case modeGCM:
		s.form, s.ivLen = formAEAD, gcmNonce
	case modeCCM:
		s.form, s.ivLen = formAEAD, ccmNonce
	}
	return s
}

// plain is for ciphers whose key says all.
func plain(f func([]byte) (cipher.Block, error)) func([]byte, int) (cipher.Block, error) {
	return func(key []byte, _ int) (cipher.Block, error) { return f(key) }
}

// ciphers has an entry for every Cipher; that of NoCipher is empty.
var ciphers = [...]cipherSpec{
	AES128CBC: aesSpec("aes-128-cbc", 2, 16, modeCBC),
	AES192CBC: aesSpec("aes-192-cbc", 22, 24, modeCBC),
	AES256CBC: aesSpec("aes-256-cbc", 42, 32, modeCBC),
	AES128GCM: aesSpec("aes-128-gcm", 6, 16, modeGCM),
	AES192GCM: aesSpec("aes-192-gcm", 26, 24, modeGCM),
	AES256GCM: aesSpec("aes-256-gcm", 46, 32, modeGCM),
	AES128CCM: aesSpec("aes-128-ccm", 7, 16, modeCCM),
	AES192CCM: aesSpec("aes-192-ccm", 27, 24, modeCCM),
	AES256CCM: aesSpec("aes-256-ccm", 47, 32, modeCCM),

	DESEDE3CBC: {"des-ede3-cbc", "3des des3 tripledes", asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, modeCBC, formIV, 24, 8, plain(des.NewTripleDESCipher)},
	CAST5CBC:   {"cast5-cbc", "cast5", asn1.ObjectIdentifier{1, 2, 840, 113533, 7, 66, 10}, modeCBC, formCAST, 16, 8, plain(newCAST5)},
	IDEACBC:    {"idea-cbc", "idea", asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 188, 7, 1, 1, 2}, modeCBC, formIDEA, 16, 8, plain(newIDEA)},
	RC2CBC128:  {"rc2-128-cbc", "rc2-128", oidRC2, modeCBC, formRC2, 16, 8, newRC2},
	RC2CBC64:   {"rc2-64-cbc", "rc2-64", oidRC2, modeCBC, formRC2, 8, 8, newRC2},
	RC2CBC40:   {"rc2-40-cbc", "rc2-40", oidRC2, modeCBC, formRC2, 5, 8, newRC2},
}

// spec is that of NoCipher for a number that is no cipher.
func (c Cipher) spec() *cipherSpec {
	if c < 0 || int(c) >= len(ciphers) {
		c = NoCipher
	}
	return &ciphers[c]
}

func (c Cipher) String() string {
	if s := c.spec(); s.name != "" {
		return s.name
	}
	return "none"
}

// every lists all ciphers but NoCipher.
func every() (all []Cipher) {
	for c := NoCipher + 1; int(c) < len(ciphers); c++ {
		all = append(all, c)
	}
	return all
}

// Ciphers lists the names that ParseCipher takes, beside some aliases: first those for
// every partner, then the legacy ones.
func Ciphers() []string {
	var names []string
	for _, c := range every() {
		names = append(names, c.String())
	}
	return names
}

// ModernCiphers lists the ciphers that are not legacy: what Decrypt accepts unless told
// otherwise.
func ModernCiphers() []Cipher {
	return slices.DeleteFunc(every(), Cipher.Legacy)
}

// Aliases are further names that ParseCipher takes for it.
func (c Cipher) Aliases() []string { return strings.Fields(c.spec().aliases) }

// ParseCipher reads a name such as "aes-256-cbc" or "3des", in any case.
func ParseCipher(name string) (Cipher, error) {
	lower := strings.ToLower(name)
	for _, c := range every() {
		if s := c.spec(); s.name == lower || slices.Contains(c.Aliases(), lower) {
			return c, nil
		}
	}
	return NoCipher, fmt.Errorf("cms: %q is no content cipher that is supported (%s)", name, strings.Join(Ciphers(), ", "))
}
