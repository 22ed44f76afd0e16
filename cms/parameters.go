package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// contentAlgorithm is a cipher with everything that its parameters say.
type contentAlgorithm struct {
	cipher Cipher
	keyLen int    // bytes
	bits   int    // effective ones of the key; RC2 only
	iv     []byte // or nonce
	tagLen int    // bytes; 0 = not authenticated
}

func (a contentAlgorithm) block(key []byte) (cipher.Block, error) {
	return a.cipher.spec().block(key, a.bits)
}

type castParameters struct {
	IV     []byte
	KeyLen int // bits
}

type ideaParameters struct {
	IV []byte
}

type rc2Parameters struct {
	Version int
	IV      []byte
}

type aeadParameters struct {
	Nonce  []byte
	TagLen int // written even where it is the default: not everybody knows the default
}

// rc2Versions are those of the effective bits that products use (RFC 2268, 6); from 256
// on the version is the number of bits itself.
var rc2Versions = map[int]int{40: 160, 64: 120, 128: 58}

// marshalAlgorithm writes the AlgorithmIdentifier of a cipher with a key of the length
// that we make.
func marshalAlgorithm(c Cipher, iv []byte) ([]byte, error) {
	s := c.spec()
	var parameters any
	switch s.form {
	case formIV:
		parameters = iv
	case formCAST:
		parameters = castParameters{iv, 8 * s.keyLen}
	case formIDEA:
		parameters = ideaParameters{iv}
	case formRC2:
		parameters = rc2Parameters{rc2Versions[8*s.keyLen], iv}
	case formAEAD:
		parameters = aeadParameters{iv, aeadTag}
	}
	der, err := asn1.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: s.oid, Parameters: asn1.RawValue{FullBytes: der}})
}

// readAlgorithm finds the cipher and takes its parameters apart. An error says what is
// wrong; with it the cipher is what is known of it.
func readAlgorithm(alg pkix.AlgorithmIdentifier) (contentAlgorithm, error) {
	a := contentAlgorithm{}
	for _, c := range every() {
		if c.spec().oid.Equal(alg.Algorithm) {
			a.cipher = c
			break
		}
	}
	s := a.cipher.spec()
	if a.cipher == NoCipher {
		return a, fmt.Errorf("content cipher %v is not supported", alg.Algorithm)
	}
	a.keyLen, a.bits = s.keyLen, 8*s.keyLen
	der := alg.Parameters.FullBytes
	if !a.readIV(s.form, der) && !a.readSequence(s.form, der) {
		return a, fmt.Errorf("content cipher %v has parameters that are not supported: %x", a.cipher, der[:min(len(der), 64)])
	}
	return a, nil
}

// readIV takes parameters that are an IV alone. OpenSSL writes them for CAST5 as well,
// and for RC2 they mean 32 bits (RFC 2268, 6).
func (a *contentAlgorithm) readIV(form parameterForm, der []byte) bool {
	if rest, err := asn1.Unmarshal(der, &a.iv); err != nil || len(rest) > 0 || len(a.iv) != a.cipher.spec().ivLen || form == formAEAD {
		return false
	}
	if form == formRC2 {
		a.setRC2(32)
	}
	return true
}

// readSequence takes the parameters that are a SEQUENCE.
func (a *contentAlgorithm) readSequence(form parameterForm, der []byte) bool {
	switch form {
	case formCAST:
		var p struct {
			IV     []byte `asn1:"optional"`
			KeyLen int
		}
		if !whole(der, &p) || p.KeyLen < 40 || p.KeyLen > 128 || p.KeyLen%8 != 0 {
			return false
		}
		a.keyLen = p.KeyLen / 8
		return a.setIV(p.IV)
	case formIDEA:
		var p struct {
			IV []byte `asn1:"optional"`
		}
		return whole(der, &p) && a.setIV(p.IV)
	case formRC2:
		var p struct {
			Version int `asn1:"optional"`
			IV      []byte
		}
		return whole(der, &p) && a.setRC2(rc2Bits(p.Version)) && a.setIV(p.IV)
	case formAEAD:
		var p struct {
			Nonce  []byte
			TagLen int `asn1:"optional,default:12"` // RFC 5084, 3.1
		}
		return whole(der, &p) && a.setNonce(p.Nonce, p.TagLen)
	}
	return false
}

func whole(der []byte, v any) bool {
	rest, err := asn1.Unmarshal(der, v)
	return err == nil && len(rest) == 0
}

// setIV takes an IV; a missing one is zero (RFC 2984, 2; RFC 3058, 2.1).
func (a *contentAlgorithm) setIV(iv []byte) bool {
	size := a.cipher.spec().ivLen
	if iv == nil {
		iv = make([]byte, size)
	}
	a.iv = iv
	return len(iv) == size
}

// rc2Bits is the reverse of rc2Versions; 0 = not known.
func rc2Bits(version int) int {
	for bits, v := range rc2Versions {
		if v == version {
			return bits
		}
	}
	switch {
	case version == 0: // absent
		return 32
	case version >= 256 && version <= 1024:
		return version
	}
	return 0
}

func (a *contentAlgorithm) setRC2(bits int) bool {
	switch a.keyLen, a.bits = (bits+7)/8, bits; {
	case bits < 64:
		a.cipher = RC2CBC40
	case bits < 128:
		a.cipher = RC2CBC64
	default:
		a.cipher = RC2CBC128
	}
	return bits > 0
}

// setNonce takes GCM with a nonce of 12 bytes, which is what everybody uses, and a tag
// of 12 to 16 (RFC 5084, 3.2); CCM with a nonce of 7 to 13 bytes and a tag of 8, 10, 12,
// 14 or 16 (RFC 5084, 3.1, which also allows less, but that is no protection).
func (a *contentAlgorithm) setNonce(nonce []byte, tagLen int) bool {
	a.iv, a.tagLen = nonce, tagLen
	if a.cipher.spec().mode == modeGCM {
		return len(nonce) == gcmNonce && tagLen >= 12 && tagLen <= aeadTag
	}
	return len(nonce) >= 7 && len(nonce) <= 13 && tagLen >= 8 && tagLen <= aeadTag && tagLen%2 == 0
}

// aeadTag is the longest tag, and the one that we write.
const aeadTag = aes.BlockSize
