//go:build interop

package interop

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// spoilerFor is what does the harm of a cell on the way, or nil.
func spoilerFor(c cell) *spoiler {
	switch c.fault {
	case brokenSignature:
		return &spoiler{request: func(m *message) {
			// The value of the signature is the last thing in its part, be that base64 or DER.
			change(m, bytes.LastIndex(m.Body, []byte("\r\n--"))-20)
		}}
	case brokenContent:
		return &spoiler{request: func(m *message) { change(m, bytes.Index(m.Body, []byte("compressible"))) }}
	case brokenZlib:
		return &spoiler{request: func(m *message) { change(m, len(m.Body)/2) }}
	case sentTwice:
		return &spoiler{again: true, once: true}
	case answerLost:
		return &spoiler{once: true, respond: func(*message) bool { return false }}
	case brokenReceipt:
		return &spoiler{respond: func(m *message) bool {
			change(m, bytes.Index(m.Body, []byte("automatic-action")))
			return true
		}}
	}
	return nil
}

// change puts another letter at a place of the body.
func change(m *message, i int) {
	if m.Body[i] == 'A' {
		m.replace(i, []byte("B"))
	} else {
		m.replace(i, []byte("A"))
	}
}

// certificate reads one of the committed certificates.
func certificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(pemFile(t, keyPath(t, name)+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// identity reads a certificate with its key.
func identity(t *testing.T, name string) cms.Identity {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(pemFile(t, keyPath(t, name)+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return cms.Identity{Certificate: certificate(t, name), Key: key.(crypto.PrivateKey)}
}

func pemFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s is no PEM", path)
	}
	return block.Bytes
}

// everyCipher is all that cms knows, the legacy ones too.
func everyCipher(t *testing.T) []cms.Cipher {
	t.Helper()
	var cs []cms.Cipher
	for _, name := range cms.Ciphers() {
		c, err := cms.ParseCipher(name)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	return cs
}

// memory is a spool of small content.
type memory struct{ bytes.Buffer }

func (m *memory) Rewind() (io.Reader, error) { return &m.Buffer, nil }
func (*memory) Close() error                 { return nil }

func memorySpool() (cms.Spool, error) { return &memory{}, nil }

// discard throws away what is written to it.
type discard struct{ io.Writer }

func (discard) Close() error { return nil }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
