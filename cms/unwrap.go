package cms

import (
	"bytes"
	"crypto"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"io"
	"math/big"
	"sync"
)

// maxUnwraps bounds how many private-key operations one message can cause.
const maxUnwraps = 8

// unwrapping is one private-key operation. There is one for each pair of a recipient and
// an identity that it names, whether or not it can succeed, and one where there is none.
type unwrapping struct {
	key       crypto.Decrypter
	wrapped   []byte
	opts      crypto.DecrypterOpts
	transport KeyTransport
	real      bool // not only to take the same time
}

// unwrappings pairs recipients with identities. The answer depends on the header of the
// message alone, which everybody can see. detail says why none of them is real.
func unwrappings(recipients []recipientInfo, ids []Identity, keyLen int) (all []unwrapping, detail string) {
	detail = "it is not encrypted to any of our certificates"
	for _, r := range recipients {
		for _, id := range ids {
			if len(all) == maxUnwraps || !names(r.ID, id.Certificate) {
				continue
			}
			u, ok := idle(id, keyLen)
			if !ok {
				detail = "the key of the certificate that it is encrypted to cannot decrypt"
				continue
			}
			if transport, opts, ok := transportOf(r.KeyAlg, keyLen); ok {
				u.opts, u.transport = opts, transport
				u.wrapped, u.real = fit(r.Key, id.Certificate, u.wrapped), true
			} else {
				detail = "key transport " + r.KeyAlg.Algorithm.String() + " is not supported, or has parameters that are not"
			}
			all = append(all, u)
		}
	}
	for _, u := range all {
		if u.real {
			return all, ""
		}
	}
	for _, id := range ids {
		if len(all) > 0 {
			break
		}
		if u, ok := idle(id, keyLen); ok {
			all = append(all, u)
		}
	}
	return all, detail
}

// idle is the operation that only takes time: RSA on a number that is nobody's key.
func idle(id Identity, keyLen int) (unwrapping, bool) {
	key, ok := id.Key.(crypto.Decrypter)
	pub, isRSA := id.Certificate.PublicKey.(*rsa.PublicKey)
	if !ok || !isRSA {
		return unwrapping{}, false
	}
	number := bytes.Repeat([]byte{1}, pub.Size())
	number[0] = 0 // less than the modulus
	//lint:ignore SA1019 in the form without an oracle (RFC 3218, 2.3.2)
	return unwrapping{key: key, wrapped: number, opts: &rsa.PKCS1v15DecryptOptions{SessionKeyLen: keyLen}}, true
}

// fit gives a wrapped key the length of the modulus; some products leave leading zeros
// out. What is no number below the modulus is refused before any work, so another one
// takes its place.
func fit(wrapped []byte, cert *x509.Certificate, other []byte) []byte {
	n := new(big.Int).SetBytes(wrapped)
	if n.Cmp(cert.PublicKey.(*rsa.PublicKey).N) >= 0 {
		return other
	}
	return n.FillBytes(make([]byte, len(other)))
}

// unwrap does all of the operations and returns the first content key that comes out.
// Where none does, the key is another one that nobody knows, always the same for the
// same message, so that the content decrypts to noise after the same work: neither the
// answer nor a second try tells whether the padding of RSA was right (RFC 3218, 2.3.2).
func unwrap(all []unwrapping, keyLen int) ([]byte, error) {
	var key []byte
	found := 0
	for _, u := range all {
		instead, err := insteadOf(u.wrapped, keyLen)
		if err != nil {
			return nil, err
		}
		// On bad padding PKCS#1 v1.5 gives back what it reads from the reader.
		got, err := u.key.Decrypt(io.MultiReader(bytes.NewReader(instead), rand.Reader), u.wrapped, u.opts)
		if err != nil || len(got) != keyLen || !u.real {
			got = instead
		}
		if key == nil {
			key = instead
		}
		good := 1 ^ subtle.ConstantTimeCompare(got, instead)
		subtle.ConstantTimeCopy(good&^found, key, got)
		found |= good
	}
	if key == nil {
		return insteadOf(nil, keyLen)
	}
	return key, nil
}

// insteadSecret makes the keys that stand in for those that cannot be unwrapped. It
// lives as long as the process.
var insteadSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // never fails
	return secret
})

func insteadOf(wrapped []byte, keyLen int) ([]byte, error) {
	return hkdf.Key(sha256.New, insteadSecret(), wrapped, "as2drop content key", keyLen)
}
