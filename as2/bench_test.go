package as2

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
)

const benchSize = 64 << 20

// primitive is how long the cryptography alone takes for benchSize bytes: SHA-256 once
// and AES-256-CBC in the given direction, a buffer at a time.
func primitive(mode cipher.BlockMode) time.Duration {
	buf := make([]byte, streamBuffer)
	h := sha256.New()
	start := time.Now()
	for done := 0; done < benchSize; done += len(buf) {
		h.Write(buf)
		mode.CryptBlocks(buf, buf)
	}
	return time.Since(start)
}

func aesBlock(b *testing.B) cipher.Block {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	return block
}

// report states the speed as a ratio to the primitives in the same run: 1 would be a
// message that costs nothing but its cryptography.
func report(b *testing.B, alone time.Duration) {
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(alone), "x/primitives")
}

func benchOptions() SealOptions {
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES256CBC, to(partners())
	return o
}

func BenchmarkSeal(b *testing.B) {
	o, payload := benchOptions(), make([]byte, benchSize)
	alone := primitive(cipher.NewCBCEncrypter(aesBlock(b), make([]byte, aes.BlockSize)))
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := Seal(io.Discard, func(w io.Writer) error { _, err := w.Write(payload); return err }, o); err != nil {
			b.Fatal(err)
		}
	}
	report(b, alone)
}

func BenchmarkOpen(b *testing.B) {
	s, body := sealBytes(b, make([]byte, benchSize), benchOptions())
	e, err := ParseEnvelope(httpHeader(s.Header))
	if err != nil {
		b.Fatal(err)
	}
	alone := primitive(cipher.NewCBCDecrypter(aesBlock(b), make([]byte, aes.BlockSize)))
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := Open(e, bytes.NewReader(body), into(io.Discard), theirs()); err != nil {
			b.Fatal(err)
		}
	}
	report(b, alone)
}
