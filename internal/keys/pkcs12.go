package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
)

// maxIterations bounds the work that a PKCS#12 file may ask for: a second or two.
const maxIterations = 2_000_000

// errPassphrase says what a PKCS#12 file cannot tell apart.
var errPassphrase = errors.New("the passphrase is wrong, or the file is damaged")

// LoadPKCS12 reads a private key and its certificate from a PKCS#12 file, in DER or
// BER, encrypted with AES, 3DES or RC2. The first certificate is the key's; those that
// issued it follow.
func LoadPKCS12(path, passphrase string) (key crypto.Signer, chain []*x509.Certificate, err error) {
	b, err := fsx.ReadPath(path, maxFile)
	if err != nil {
		return nil, nil, err
	}
	if key, chain, err = ParsePKCS12(b, passphrase); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, chain, nil
}

// ParsePKCS12 is LoadPKCS12 for a file's content.
func ParsePKCS12(b []byte, passphrase string) (crypto.Signer, []*x509.Certificate, error) {
	if !IsPKCS12(b) {
		return nil, nil, errors.New("it is no PKCS#12 file")
	}
	der, err := plainPKCS12(b, passphrase)
	if err != nil {
		return nil, nil, err
	}
	found, first, others, err := pkcs12.DecodeChain(der, passphrase)
	if err != nil {
		return nil, nil, explain(err)
	}
	key, err := asSigner(found)
	if err != nil {
		return nil, nil, err
	}
	chain, err := order(key, append([]*x509.Certificate{first}, others...))
	return key, chain, err
}

// explain says what to do where the library does not go on.
func explain(err error) error {
	var other pkcs12.NotImplementedError
	switch text := err.Error(); {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return errPassphrase
	case text == "pkcs12: private key missing":
		return errors.New("it holds no private key; take its certificates with: openssl pkcs12 -in OLD -nokeys -out NEW.pem")
	case text == "pkcs12: expected exactly one key bag":
		return errors.New("it holds several private keys; take one of them into a file of its own with: keytool -importkeystore -srckeystore OLD -srcalias NAME -destkeystore NEW -deststoretype PKCS12")
	case errors.As(err, &other), bytes.HasPrefix([]byte(text), []byte("pkcs12: ")), bytes.HasPrefix([]byte(text), []byte("asn1: ")):
		return fmt.Errorf("the PKCS#12 file cannot be read: %w; try: openssl pkcs12 -in OLD -nodes -out ALL.pem, then openssl pkcs12 -export -in ALL.pem -out NEW", err)
	}
	return refused(err)
}

// order puts the certificate of the key first and behind each one its issuer. What
// does not belong to the chain comes last.
func order(key crypto.Signer, certs []*x509.Certificate) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	take := func(fits func(*x509.Certificate) bool) bool {
		for i, cert := range certs {
			if fits(cert) {
				chain = append(chain, cert)
				certs = append(certs[:i:i], certs[i+1:]...)
				return true
			}
		}
		return false
	}
	if !take(func(c *x509.Certificate) bool { return Match(c, key) == nil }) {
		return nil, errors.New("none of its certificates belongs to its private key")
	}
	if err := usable(chain[0]); err != nil {
		return nil, err
	}
	for take(func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, chain[len(chain)-1].RawIssuer) }) {
	}
	return append(chain, certs...), nil
}

// IsPKCS12 recognises a PFX (RFC 7292, 4) in BER: a sequence of version 3 and another
// sequence.
func IsPKCS12(b []byte) bool {
	if len(b) < 2 || b[0] != 0x30 {
		return false
	}
	head := 2
	if b[1] > 0x80 {
		head += int(b[1] & 0x7f)
	}
	return len(b) > head && bytes.HasPrefix(b[head:], []byte{2, 1, 3, 0x30})
}

// EncodePKCS12 writes a PKCS#12 file of a key with its certificate first in the chain:
// AES-256, or 3DES for programs that know nothing newer.
func EncodePKCS12(key crypto.Signer, chain []*x509.Certificate, passphrase string, legacy bool) ([]byte, error) {
	if len(chain) == 0 {
		return nil, errors.New("no certificate to put into the PKCS#12 file")
	}
	if err := Match(chain[0], key); err != nil {
		return nil, err
	}
	if passphrase == "" {
		return nil, errors.New("a PKCS#12 file needs a passphrase")
	}
	encoder := pkcs12.Modern2023
	if legacy {
		encoder = pkcs12.LegacyDES
	}
	return encoder.Encode(key, chain[0], chain[1:], passphrase)
}

// plainPKCS12 returns the file in DER, which is all that the library reads, and
// refuses what would nest too deep or compute too long.
func plainPKCS12(b []byte, passphrase string) ([]byte, error) {
	der, err := cms.DER(b, cms.Limits{HeaderBytes: 2 * maxFile})
	if err != nil {
		return nil, err
	}
	f, err := parsePFX(der)
	if err != nil {
		return nil, err
	}
	safe, err := derSafe(f.safe)
	if err != nil {
		return nil, err
	}
	if n := iterations(safe); n > maxIterations || f.mac.Iterations > maxIterations {
		return nil, fmt.Errorf("it asks for %d rounds of key derivation, more than %d", max(n, f.mac.Iterations), maxIterations)
	}
	if bytes.Equal(safe, f.safe) {
		return der, nil
	}
	return f.replace(safe, passphrase)
}

// iterations finds the highest count behind a salt: what follows an octet string in
// the parameters of every derivation that there is.
func iterations(der []byte) int {
	most := 0
	stack := [][]byte{der}
	for len(stack) > 0 {
		rest := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		salt := false
		for len(rest) > 0 {
			var v asn1.RawValue
			var err error
			if rest, err = asn1.Unmarshal(rest, &v); err != nil {
				break
			}
			octets := v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
			if salt && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger {
				most = max(most, saturated(v.Bytes))
			}
			if v.IsCompound || octets {
				stack = append(stack, v.Bytes) // an octet string may hold encodings; if not, nothing is found
			}
			salt = octets
		}
	}
	return most
}

func saturated(b []byte) int {
	n := new(big.Int).SetBytes(b)
	if !n.IsInt64() || n.Int64() > maxIterations {
		return maxIterations + 1
	}
	return int(n.Int64())
}
