package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/internal/access"
)

// Request says what Make makes.
type Request struct {
	Name    string   // common name
	Country string   // two letters; empty = XX
	Hosts   []string // names and addresses a TLS client may use; empty for AS2 keys
	Bits    int      // RSA: 2048, 3072 or 4096; 0 = 3072
	Curve   string   // ECDSA instead of RSA: p256 or p384
	Years   int      // 0 = 3
	Days    int      // instead of years
	Now     time.Time
}

// Make writes a new key and a self-signed certificate. Files that exist are an error
// and stay as they are. The key is for its owner alone (0600).
func Make(r Request, certFile, keyFile string) error {
	key, err := r.generate()
	if err != nil {
		return err
	}
	cert, err := r.certify(key)
	if err != nil {
		return err
	}
	if err := WritePrivate(keyFile, key); err != nil {
		return err
	}
	if err := writeNew(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: cert}); err != nil {
		return errors.Join(err, os.Remove(keyFile)) // half a pair is of no use
	}
	return nil
}

func (r Request) generate() (crypto.Signer, error) {
	switch r.Curve {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "":
	default:
		return nil, fmt.Errorf("%q is no curve that keys are made on (p256, p384)", r.Curve)
	}
	switch r.Bits {
	case 0:
		return rsa.GenerateKey(rand.Reader, 3072)
	case 2048, 3072, 4096:
		return rsa.GenerateKey(rand.Reader, r.Bits)
	}
	return nil, fmt.Errorf("RSA keys are made with 2048, 3072 or 4096 bits, not %d", r.Bits)
}

// certify makes the certificate in a form that every product reads.
func (r Request) certify(key crypto.Signer) ([]byte, error) {
	country := r.Country
	if country == "" {
		country = "XX"
	}
	if len(country) != 2 || country[0] < 'A' || country[0] > 'Z' || country[1] < 'A' || country[1] > 'Z' {
		return nil, fmt.Errorf("%q is no country of two capital letters", country)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(spki)
	until := r.Now.AddDate(3, 0, 0)
	switch {
	case r.Days > 0:
		until = r.Now.AddDate(0, 0, r.Days)
	case r.Years > 0:
		until = r.Now.AddDate(r.Years, 0, 0)
	}
	template := &x509.Certificate{
		// Some products refuse a serial number that is zero or looks negative.
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: r.Name, Country: []string{country}},
		NotBefore:    r.Now.Add(-time.Hour).UTC(), NotAfter: until.UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SubjectKeyId:          id[:20], // RFC 7093, 2: any digest, cut to 160 bits
	}
	if r.Curve == "" {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	for _, h := range r.Hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	if len(r.Hosts) == 0 {
		template.DNSNames = []string{"as2.invalid"} // some products insist on an alternative name
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// WritePrivate writes a private key into a new file, PKCS#8 in PEM, for its owner
// alone.
func WritePrivate(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writeNew(path, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// WriteCertificates writes certificates into a new file, one behind the other in PEM.
func WriteCertificates(path string, certs []*x509.Certificate) error {
	var blocks []*pem.Block
	for _, cert := range certs {
		blocks = append(blocks, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	return writeNew(path, 0o644, blocks...)
}

// EncodeBundle puts certificates into a PKCS#7 bundle (.p7b).
func EncodeBundle(certs []*x509.Certificate) ([]byte, error) {
	var all []byte
	for _, cert := range certs {
		all = append(all, cert.Raw...)
	}
	return pkcs7.DegenerateCertificate(all)
}

func writeNew(path string, perm os.FileMode, blocks ...*pem.Block) error {
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(block)...)
	}
	return WriteNew(path, perm, text)
}

// WriteNew writes a file that is not there yet, and makes its folder for the owner
// alone. What could not be written whole is removed.
func WriteNew(path string, perm os.FileMode, content []byte) error {
	if err := access.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := create(path, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// create makes a new file, private from its first moment where nobody else shall read it.
func create(path string, perm os.FileMode) (*os.File, error) {
	if perm&0o077 == 0 {
		return access.Create(path)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
}
