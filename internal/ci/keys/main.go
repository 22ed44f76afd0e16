// Command keys makes the key pairs in testdata/keys that captured vectors are
// encrypted to and signed with: us, partner and stranger, each with an RSA key of 2048
// bits and an ECDSA key on P-256, as a self-signed certificate (.pem) and a PKCS#8 key
// (.key). They are for tests alone, and everybody has them.
//
// It runs in the root of the repository and leaves files alone that are there, because
// vectors depend on them:
//
//	go run ./internal/ci/keys
package main

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
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(filepath.Join("testdata", "keys")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for i, who := range []string{"us", "partner", "stranger"} {
		for j, kind := range []string{"rsa", "ecdsa"} {
			name := who + "-" + kind
			switch _, err := os.Stat(filepath.Join(dir, name+".pem")); {
			case err == nil:
				continue
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
			if err := pair(dir, name, kind, int64(2*i+j+1)); err != nil {
				return fmt.Errorf("keys: %s: %w", name, err)
			}
		}
	}
	return nil
}

// pair writes the key first, so that a certificate is never there without one.
func pair(dir, name, kind string, serial int64) error {
	key, err := generate(kind)
	if err != nil {
		return err
	}
	cert, err := certify(name, key, serial)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		extension string
		block     pem.Block
	}{{".key", pem.Block{Type: "PRIVATE KEY", Bytes: der}}, {".pem", pem.Block{Type: "CERTIFICATE", Bytes: cert}}} {
		if err := os.WriteFile(filepath.Join(dir, name+f.extension), pem.EncodeToMemory(&f.block), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func generate(kind string) (crypto.Signer, error) {
	if kind == "rsa" {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// certify signs a certificate with its own key, good for messages and for TLS on
// 127.0.0.1, and long enough that no test sees its end.
func certify(name string, key crypto.Signer, serial int64) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(spki) // RFC 7093, 2, method 1 allows any digest cut to 160 bits
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "as2drop test " + name, Organization: []string{"as2drop"}, Country: []string{"AT"}},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		SubjectKeyId: id[:20],
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	return x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
}
