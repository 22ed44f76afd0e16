// Package keys reads and makes certificates and private keys in files.
//
// Certificates come as PEM, DER or PKCS#7 bundles (.p7b), private keys as PEM. A
// bundle is walked by the bounded reader of package cms before the library that
// parses it sees a byte. Errors name the file, the fact and where it helps what to do.
// Nothing is ever overwritten, and no key material appears in an error.
package keys

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/cms"
)

// maxFile bounds certificate and key files, in bytes.
const maxFile = 1 << 20

// Certificates reads all certificates of a file, in their order.
func Certificates(path string) ([]*x509.Certificate, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

func parse(b []byte) (certs []*x509.Certificate, err error) {
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			certs, err = appendCertificate(certs, block.Bytes)
		case "PKCS7", "CMS":
			certs, err = appendBundle(certs, block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(certs) == 0 && len(b) > 0 && b[0] == 0x30 {
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
		remedy := ""
		if strings.Contains(err.Error(), "serial number") {
			remedy = "; ask its owner for a new one with a positive serial number"
		}
		return nil, fmt.Errorf("a certificate cannot be read: %w%s", err, remedy)
	}
	if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() < 1024 {
		return nil, fmt.Errorf("certificate %q has an RSA key of %d bits; 1024 is the least that can be used: ask for a new one of 2048 or more", cert.Subject, pub.N.BitLen())
	}
	return append(certs, cert), nil
}

func appendBundle(certs []*x509.Certificate, der []byte) ([]*x509.Certificate, error) {
	// The library recurses; what is nested too deep must not reach it.
	if err := cms.CheckBounds(bytes.NewReader(der), cms.Limits{HeaderBytes: maxFile}); err != nil {
		return nil, err
	}
	p, err := pkcs7.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("the bundle cannot be read: %w", err)
	}
	for _, cert := range p.Certificates {
		if certs, err = appendCertificate(certs, cert.Raw); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// Private reads the private key of a PEM file: PKCS#8 or PKCS#1, not encrypted.
func Private(path string) (crypto.Signer, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("%s: it holds no private key in PEM", path)
		}
		switch block.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: the private key cannot be read: %w", path, err)
			}
			signer, ok := key.(crypto.Signer)
			if !ok {
				return nil, fmt.Errorf("%s: a key of type %T cannot sign", path, key)
			}
			return signer, nil
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, fmt.Errorf("%s: the private key is encrypted; remove the passphrase with: openssl pkey -in OLD -out NEW", path)
			}
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: the private key cannot be read: %w", path, err)
			}
			return key, nil
		case "ENCRYPTED PRIVATE KEY":
			return nil, fmt.Errorf("%s: the private key is encrypted; remove the passphrase with: openssl pkey -in OLD -out NEW", path)
		}
	}
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

// Exposed reports whether any user of the machine may read or change a key file. The
// owner's group may: that is how a key is shared on purpose. Windows keeps this in
// access lists, which are not read: there the answer is no.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	return b, nil
}

// Request says what Make makes.
type Request struct {
	Name  string   // common name
	Hosts []string // names and addresses a TLS client may use; empty for AS2 keys
	Bits  int      // RSA; 0 = 3072
	Years int      // 0 = 3
	Now   time.Time
}

// Make writes a new RSA key and a self-signed certificate. Files that exist are an
// error and stay as they are. The key is for its owner alone (0600).
func Make(r Request, certFile, keyFile string) error {
	if r.Bits == 0 {
		r.Bits = 3072
	}
	if r.Years == 0 {
		r.Years = 3
	}
	key, err := rsa.GenerateKey(rand.Reader, r.Bits)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		// Some products refuse a serial number that is zero or looks negative.
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: r.Name, Country: []string{"XX"}},
		NotBefore:    r.Now.Add(-time.Hour).UTC(), NotAfter: r.Now.AddDate(r.Years, 0, 0).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
	}
	for _, h := range r.Hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	if len(r.Hosts) == 0 {
		template.DNSNames = []string{"as2.invalid"} // some products insist on an alternative name
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	template.SubjectKeyId = sum[:20]
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}); err != nil {
		return err
	}
	if err := writeNew(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: cert}); err != nil {
		return errors.Join(err, os.Remove(keyFile)) // half a pair is of no use
	}
	return nil
}

func writeNew(path string, perm os.FileMode, block *pem.Block) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, block), f.Sync(), f.Close())
}
