package cms

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

func sniffBytes(b []byte) ContentType { return Sniff(bufio.NewReader(bytes.NewReader(b))) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// hollow is a spool for any number of zeros, which are all that is written.
type hollow struct{}

func (hollow) Write(p []byte) (int, error) { return len(p), nil }
func (hollow) Rewind() (io.Reader, error)  { return zeros{}, nil }
func (hollow) Close() error                { return nil }

// Whatever the cipher, 64 MiB pass through a few buffers: in all, both ends take less
// than 2 MiB from the heap.
func TestConstantMemory(t *testing.T) {
	const size = 64 << 20
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES256CBC, AES256GCM, AES256CCM} {
		before := allocated()
		pr, pw := io.Pipe()
		go func() {
			w, err := Encrypt(pw, EncryptOptions{Cipher: c, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader,
				Spool: func() (Spool, error) { return hollow{}, nil }})
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(zeros{}, size), make([]byte, streamBuffer))
			}
			if err == nil {
				err = w.Close()
			}
			pw.CloseWithError(err)
		}()
		d, err := Decrypt(pr, DecryptOptions{Identities: []Identity{us}})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, d); err != nil || n != size {
			t.Errorf("%v: %d bytes, %v", c, n, err)
		}
		if bytes := allocated() - before; bytes > 2<<20 {
			t.Errorf("%v: %d bytes from the heap", c, bytes)
		}
	}
}

// BenchmarkSealOpen3GiB signs, seals, opens and verifies 3 GiB in one pass through a
// pipe and reports the peak memory of the process. Run it alone:
//
//	go test -run '^$' -bench 3GiB -benchtime 1x ./cms
func BenchmarkSealOpen3GiB(b *testing.B) {
	for _, c := range []Cipher{AES256CBC, AES256GCM} {
		b.Run(c.String(), func(b *testing.B) { sealOpen3GiB(b, c) })
	}
}

func sealOpen3GiB(b *testing.B, c Cipher) {
	const size = 3 << 30
	us, partner, _ := identities(b)
	b.SetBytes(size)
	for b.Loop() {
		pr, pw := io.Pipe()
		signature := make(chan []byte, 1)
		go func() {
			w, err := Encrypt(pw, EncryptOptions{Cipher: c, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader})
			if err == nil {
				h := SHA256.New()
				_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, h)}, io.LimitReader(zeros{}, size), make([]byte, streamBuffer))
				if err == nil {
					var der []byte
					der, err = signerOf(partner, SHA256).Sign(h.Sum(nil), moment)
					signature <- der
				}
			}
			if err == nil {
				err = w.Close()
			}
			pw.CloseWithError(err)
		}()
		d, err := Decrypt(pr, DecryptOptions{Identities: []Identity{us}})
		if err != nil {
			b.Fatal(err)
		}
		h := SHA256.New()
		if n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{d}, make([]byte, streamBuffer)); err != nil || n != size {
			b.Fatal(n, err)
		}
		s, err := ParseSignature(bytes.NewReader(<-signature), Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Verify(map[Digest][]byte{SHA256: h.Sum(nil)}, Pinned(partner.Certificate), moment); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(peakRSS(b), "peak-RSS-MiB")
}

// peakRSS is the most memory this process ever had, where the system tells.
func peakRSS(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1 // not Linux
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(kib)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	return -1
}
