package cms

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"math"
	"testing"
	"time"
)

// benchSize is how much is sealed and opened: the old ciphers are slow.
func benchSize(c Cipher) int {
	if c.Legacy() {
		return 2 << 20
	}
	return 64 << 20
}

// bare is the time in seconds that the primitives alone take for n bytes, which they read
// from memory in chunks as we do: CBC one way, GCM as the standard library has it, CCM as
// counter mode and CBC. Before that RSA wraps the content key, or unwraps it.
func bare(b *testing.B, c Cipher, n int, us Identity, seal bool) float64 {
	b.Helper()
	spec := c.spec()
	block, err := spec.block(make([]byte, spec.keyLen), 8*spec.keyLen)
	if err != nil {
		b.Fatal(err)
	}
	iv := make([]byte, spec.ivLen)
	in, out := make([]byte, streamBuffer), make([]byte, streamBuffer+aeadTag)
	var step func() error
	switch spec.mode {
	case modeCBC:
		mode := cipher.NewCBCDecrypter(block, iv)
		if seal {
			mode = cipher.NewCBCEncrypter(block, iv)
		}
		step = func() error { mode.CryptBlocks(out[:len(in)], in); return nil }
	case modeCCM:
		ctr, mac := cipher.NewCTR(block, make([]byte, 16)), cipher.NewCBCEncrypter(block, make([]byte, 16))
		step = func() error { ctr.XORKeyStream(out, in); mac.CryptBlocks(in, in); return nil }
	case modeGCM:
		aead, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		step = func() error { aead.Seal(out[:0], iv, in, nil); return nil }
		if !seal {
			// Every chunk is the same ciphertext of zeros, with its tag behind it.
			in = aead.Seal(nil, iv, in, nil)
			step = func() error { _, err := aead.Open(out[:0], iv, in, nil); return err }
		}
	}
	source := bytes.NewReader(bytes.Repeat(in[:streamBuffer], n/streamBuffer))
	key := us.Key.(*rsa.PrivateKey)
	//lint:ignore SA1019 what every AS2 product understands
	wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, make([]byte, spec.keyLen))
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if seal {
		//lint:ignore SA1019 as above
		_, err = rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, make([]byte, spec.keyLen))
	} else {
		//lint:ignore SA1019 as above
		err = rsa.DecryptPKCS1v15SessionKey(nil, key, wrapped, make([]byte, spec.keyLen))
	}
	if err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := io.ReadFull(source, in[:streamBuffer]); err != nil {
			return time.Since(start).Seconds()
		}
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRatioOpen compares reading a sealed message with the primitives over as many bytes,
// in one run: "of-primitive" is the share of their speed, by the best time of both, for
// a busy machine disturbs the others. GCM is read in two passes: BenchmarkGCMPasses says
// what that costs.
func BenchmarkRatioOpen(b *testing.B) {
	us, _, _ := identities(b)
	for _, c := range every() {
		data := make([]byte, benchSize(c))
		sealed := seal(b, c, data, us)
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			ours, alone := math.Inf(1), math.Inf(1)
			for b.Loop() {
				start := time.Now()
				d, err := Decrypt(bytes.NewReader(sealed), DecryptOptions{Identities: []Identity{us}, Ciphers: every()})
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{d}, make([]byte, streamBuffer)); err != nil || n != int64(len(data)) {
					b.Fatal(n, err)
				}
				b.StopTimer()
				ours = min(ours, time.Since(start).Seconds())
				alone = min(alone, bare(b, c, len(data), us, false))
				b.StartTimer()
			}
			b.ReportMetric(alone/ours, "of-primitive")
		})
	}
}

// BenchmarkRatioSeal is the same for writing. CCM writes from memory what would be in a spool.
func BenchmarkRatioSeal(b *testing.B) {
	us, _, _ := identities(b)
	for _, c := range every() {
		data := make([]byte, benchSize(c))
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			ours, alone := math.Inf(1), math.Inf(1)
			for b.Loop() {
				start := time.Now()
				w, err := Encrypt(io.Discard, EncryptOptions{Cipher: c, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader,
					Spool: func() (Spool, error) { return hollow{}, nil }})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, streamBuffer)); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				ours = min(ours, time.Since(start).Seconds())
				alone = min(alone, bare(b, c, len(data), us, true))
				b.StartTimer()
			}
			b.ReportMetric(alone/ours, "of-primitive")
		})
	}
}

// BenchmarkGCMPasses compares reading a chunk of GCM in one pass, which the standard library
// does for who has the tag already, with the two that are left to a stream, whose tag comes
// last. What Open has decrypted under another tag it wipes out, so that it cannot be had without
// the hash; and the hash of Seal is over what comes out. "of-one-pass" is the most that
// BenchmarkRatioOpen can come to.
func BenchmarkGCMPasses(b *testing.B) {
	block, err := AES256GCM.spec().block(make([]byte, 32), 256)
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce, plain := make([]byte, gcmNonce), make([]byte, streamBuffer)
	sealed := aead.Seal(nil, nonce, plain, nil)
	stream, err := newGCM(block, nonce)
	if err != nil {
		b.Fatal(err)
	}
	passes := []func(){
		func() { _, err = aead.Open(plain[:0], nonce, sealed, nil) },
		func() { stream.hash.add(sealed[:streamBuffer]) },
		func() { stream.ctr.XORKeyStream(plain, sealed[:streamBuffer]) },
	}
	best := []time.Duration{1 << 62, 1 << 62, 1 << 62}
	for b.Loop() {
		for i, pass := range passes {
			start := time.Now()
			pass()
			best[i] = min(best[i], time.Since(start))
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	for i, name := range []string{"one-pass-ns", "hash-ns", "counter-ns"} {
		b.ReportMetric(float64(best[i]), name)
	}
	b.ReportMetric(float64(best[0])/float64(best[1]+best[2]), "of-one-pass")
}
