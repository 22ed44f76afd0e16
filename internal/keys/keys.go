// Package keys reads, makes and writes certificates and private keys in files.
//
// Certificates come as PEM, DER or PKCS#7 bundles (.p7b), private keys as PEM or DER
// in PKCS#8, PKCS#1 or SEC 1, both together as PKCS#12 with its passphrase. A bundle
// and a PKCS#12 file are walked by the bounded reader of package cms before the
// libraries that parse them see a byte. Errors name the file, the fact and where it
// helps what to do. Nothing is ever overwritten, private keys are for their owner
// alone (0600), and no key material appears in an error.
package keys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
)

// maxFile bounds certificate and key files, in bytes.
const maxFile = 1 << 20

// ErrPKCS12 is wrapped by the error about a PKCS#12 file where one without passphrase
// is read.
var ErrPKCS12 = errors.New("it is a PKCS#12 file, which needs its passphrase; as2drop cert import makes PEM files of it")

// Certificates reads all certificates of a file, in their order.
func Certificates(path string) ([]*x509.Certificate, error) {
	b, err := fsx.ReadPath(path, maxFile)
	if err != nil {
		return nil, err
	}
	certs, err := ParseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

// ParseCertificates reads all certificates of a file's content: PEM, DER or a bundle.
func ParseCertificates(b []byte) (certs []*x509.Certificate, err error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // editors on Windows put it there
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
			certs, err = appendCertificate(certs, block.Bytes)
		case "TRUSTED CERTIFICATE": // openssl appends what it is trusted for
			certs, err = appendCertificate(certs, firstElement(block.Bytes))
		case "PKCS7", "CMS":
			certs, err = appendBundle(certs, block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(certs) == 0 && len(b) > 0 && b[0] == 0x30 {
		if IsPKCS12(b) {
			return nil, ErrPKCS12
		}
		if certs, err = appendCertificate(nil, b); err != nil {
			bundle, berr := appendBundle(nil, b)
			if berr != nil {
				return nil, err
			}
			certs = bundle
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate (PEM, DER and .p7b are read)")
	}
	return certs, nil
}

func appendCertificate(certs []*x509.Certificate, der []byte) ([]*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refused(err)
	}
	if err := usable(cert); err != nil {
		return nil, err
	}
	return append(certs, cert), nil
}

// firstElement is the first encoding of several; all of it if there is none.
func firstElement(der []byte) []byte {
	var v asn1.RawValue
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return der // the next parser says why
	}
	return v.FullBytes
}

// refused puts the remedy behind what Go says of a certificate that it does not read.
func refused(err error) error {
	remedy := ""
	switch text := err.Error(); {
	case strings.Contains(text, "serial number"):
		remedy = "; ask its owner for a new one with a positive serial number"
	case strings.Contains(text, "elliptic curve"):
		remedy = "; ask its owner for one with a key on P-256, P-384 or P-521, or with an RSA key"
	}
	return fmt.Errorf("a certificate cannot be read: %w%s", err, remedy)
}

// usable reports why nothing can be done with the key of a certificate.
func usable(cert *x509.Certificate) error {
	if cert.PublicKey == nil {
		return fmt.Errorf("certificate %q has a key of a kind that is not supported (perhaps one for RSASSA-PSS alone): ask its owner for one with a plain RSA or ECDSA key", cert.Subject)
	}
	if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() < 1024 {
		return fmt.Errorf("certificate %q has an RSA key of %d bits; 1024 is the least that can be used: ask for a new one of 2048 or more", cert.Subject, pub.N.BitLen())
	}
	return nil
}

func appendBundle(certs []*x509.Certificate, der []byte) ([]*x509.Certificate, error) {
	// The library recurses; what is nested too deep must not reach it.
	if err := cms.CheckBounds(bytes.NewReader(der), cms.Limits{HeaderBytes: maxFile}); err != nil {
		return nil, err
	}
	p, err := pkcs7.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("the bundle cannot be read: %w", refused(err))
	}
	for _, cert := range p.Certificates {
		if certs, err = appendCertificate(certs, cert.Raw); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// Private reads the private key of a file: PEM or DER, in PKCS#8, PKCS#1 or SEC 1, not
// encrypted.
func Private(path string) (crypto.Signer, error) {
	b, err := fsx.ReadPath(path, maxFile)
	if err != nil {
		return nil, err
	}
	key, err := ParsePrivate(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

var errEncrypted = errors.New("the private key is encrypted; remove the passphrase with: openssl pkey -in OLD -out NEW")

// ParsePrivate reads the first private key of a file's content.
func ParsePrivate(b []byte) (crypto.Signer, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncrypted
			}
			return privateDER(block.Bytes)
		}
	}
	switch {
	case len(b) == 0 || b[0] != 0x30:
		return nil, errors.New("it holds no private key (PEM and DER are read)")
	case IsPKCS12(b):
		return nil, ErrPKCS12
	case isEncryptedPKCS8(b):
		return nil, errEncrypted
	}
	return privateDER(b)
}

// privateDER tries the three forms; a label in PEM is often enough the wrong one.
func privateDER(der []byte) (crypto.Signer, error) {
	key, first := x509.ParsePKCS8PrivateKey(der)
	if first != nil {
		if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
			key = k
		} else if k, err := x509.ParseECPrivateKey(der); err == nil {
			key = k
		} else {
			return nil, fmt.Errorf("the private key cannot be read: %w", first)
		}
	}
	return asSigner(key)
}

func asSigner(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	if k, ok := key.(*rsa.PrivateKey); ok && k.N.BitLen() < 1024 {
		return nil, fmt.Errorf("the RSA key has %d bits; 1024 is the least that can be used: make a new one of 2048 or more with as2drop cert new", k.N.BitLen())
	}
	return signer, nil
}

// isEncryptedPKCS8 recognises EncryptedPrivateKeyInfo (RFC 5958, 3).
func isEncryptedPKCS8(der []byte) bool {
	var e struct {
		Algorithm struct {
			ID     asn1.ObjectIdentifier
			Params asn1.RawValue `asn1:"optional"`
		}
		Data []byte
	}
	_, err := asn1.Unmarshal(der, &e)
	return err == nil
}

// Match reports why a private key is not the one of a certificate.
func Match(cert *x509.Certificate, key crypto.Signer) error {
	pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(key.Public()) {
		return fmt.Errorf("the private key does not belong to the certificate %q", cert.Subject)
	}
	return nil
}

// Fingerprint is the SHA-256 of a certificate in lower-case hexadecimal.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}
