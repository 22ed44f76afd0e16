package cms

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func sniffBytes(b []byte) ContentType { return Sniff(bufio.NewReader(bytes.NewReader(b))) }

// bareDecrypt is the time in seconds that the cipher alone takes for n bytes.
func bareDecrypt(c Cipher, n int) float64 {
	spec := c.spec()
	block, err := spec.block(make([]byte, spec.keyLen), 0)
	if err != nil {
		panic(err)
	}
	mode := cipher.NewCBCDecrypter(block, make([]byte, spec.ivLen))
	buf := make([]byte, streamBuffer)
	start := time.Now()
	for done := 0; done < n; done += len(buf) {
		mode.CryptBlocks(buf, buf)
	}
	return time.Since(start).Seconds()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// BenchmarkSealOpen3GiB signs, seals, opens and verifies 3 GiB in one pass through a
// pipe and reports the peak memory of the process. Run it alone:
//
//	go test -run '^$' -bench 3GiB -benchtime 1x ./cms
func BenchmarkSealOpen3GiB(b *testing.B) {
	const size = 3 << 30
	us, partner, _ := identities(b)
	b.SetBytes(size)
	for b.Loop() {
		pr, pw := io.Pipe()
		signature := make(chan []byte, 1)
		go func() {
			w, err := Encrypt(pw, EncryptOptions{Cipher: AES256CBC, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader})
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
