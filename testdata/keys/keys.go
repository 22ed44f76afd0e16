// Package keys carries the key pairs that captured vectors are encrypted to and signed
// with. They are for tests alone: go run ./internal/ci/keys made them, and no package of
// the program may import this one.
package keys

import (
	"crypto"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
)

//go:embed *.pem *.key
var files embed.FS

// Names lists what Load takes: us, partner and stranger, each -rsa and -ecdsa.
func Names() []string {
	return []string{"us-rsa", "us-ecdsa", "partner-rsa", "partner-ecdsa", "stranger-rsa", "stranger-ecdsa"}
}

// Load returns a certificate, valid from 2020 to 2100, and its key. It panics if there
// is none by the name.
func Load(name string) (*x509.Certificate, crypto.Signer) {
	cert, err := x509.ParseCertificate(read(name + ".pem"))
	if err != nil {
		panic(fmt.Errorf("keys: %s.pem: %w", name, err))
	}
	key, err := x509.ParsePKCS8PrivateKey(read(name + ".key"))
	if err != nil {
		panic(fmt.Errorf("keys: %s.key: %w", name, err))
	}
	return cert, key.(crypto.Signer)
}

func read(name string) []byte {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		panic(fmt.Errorf("keys: %s: no PEM", name))
	}
	return block.Bytes
}
