//go:build interop

package interop

import (
	"bytes"
	"crypto/x509"
	"io"
	"os"
	"testing"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/testdata/keys"
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

// certificate is one of the committed certificates.
func certificate(name string) *x509.Certificate {
	c, _ := keys.Load(name + "-rsa")
	return c
}

// elliptic is the certificate of the same side with an ECDSA key.
func elliptic(name string) *x509.Certificate {
	c, _ := keys.Load(name + "-ecdsa")
	return c
}

// identity is a committed certificate with its key.
func identity(name string) cms.Identity {
	c, key := keys.Load(name + "-rsa")
	return cms.Identity{Certificate: c, Key: key}
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
