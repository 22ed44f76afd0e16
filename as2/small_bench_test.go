package as2

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
)

// smallInvoice is a document of 10 KB as it goes into a bundle.
func smallInvoice() ([]byte, []bundle.Member) {
	text := []byte(strings.Repeat("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n", 200))[:10_000]
	return text, []bundle.Member{{Name: "INV-1.xml", Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}}
}

// private is how long one operation with the private key of RSA-2048 takes: each side does
// one for a message, which signs or unwraps the content key.
func private(b *testing.B) time.Duration {
	key := ours().Key.(*rsa.PrivateKey)
	digest := make([]byte, 32)
	const times = 20
	start := time.Now()
	for range times {
		if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / times
}

// beside reports what one message costs in all, as a ratio to its one private-key operation in
// the same run: 1 would be a message that costs nothing else.
func beside(b *testing.B, alone time.Duration) {
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(alone), "x/rsa")
}

func smallOptions() SealOptions {
	o := benchOptions()
	o.Receipt.Digests = []cms.Digest{cms.SHA256}
	o.Recipients = to(partners(), ours())
	return o
}

// One document of 10 KB, zipped, signed and encrypted for the partner and for us.
func BenchmarkSealDocument(b *testing.B) {
	o := smallOptions()
	_, members := smallInvoice()
	alone := private(b)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Seal(io.Discard, func(w io.Writer) error { _, err := bundle.Write(w, members); return err }, o)
		if err != nil {
			b.Fatal(err)
		}
	}
	beside(b, alone)
}

// The same document opened, verified and unzipped.
func BenchmarkOpenDocument(b *testing.B) {
	_, members := smallInvoice()
	var zipped bytes.Buffer
	if _, err := bundle.Write(&zipped, members); err != nil {
		b.Fatal(err)
	}
	s, body := sealBytes(b, zipped.Bytes(), smallOptions())
	e, err := ParseEnvelope(httpHeader(s.Header))
	if err != nil {
		b.Fatal(err)
	}
	alone := private(b)
	b.ReportAllocs()
	for b.Loop() {
		var payload bytes.Buffer
		if _, err := Open(e, bytes.NewReader(body), into(&payload), theirs()); err != nil {
			b.Fatal(err)
		}
		_, err := bundle.Unpack(bytes.NewReader(payload.Bytes()), int64(payload.Len()), bundle.Limits{}, func(int, string) (io.WriteCloser, error) {
			return nopCloser{io.Discard}, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	beside(b, alone)
}

// The signed receipt of one document.
func BenchmarkParseReceipt(b *testing.B) {
	h, body, trusted := signedReceipt(b)
	b.ReportAllocs()
	for b.Loop() {
		if m, err := ParseMDN(h, body, trusted, moment); err != nil || !m.Signed {
			b.Fatalf("%+v, %v", m, err)
		}
	}
}

func signedReceipt(t testing.TB) (h http.Header, body []byte, trusted cms.Trust) {
	t.Helper()
	o := mdnOptions()
	o.Sign = signer(partners(), cms.SHA256)
	h, body = build(t, o)
	return h, body, trust(partners())
}

// The buffers that a receipt is read through are larger than the receipt, and used again.
func TestReceiptsShareBuffers(t *testing.T) {
	h, body, trusted := signedReceipt(t)
	const receipts = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range receipts {
		if m, err := ParseMDN(h, body, trusted, moment); err != nil || !m.Signed {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / receipts; each > receiptBytes {
		t.Errorf("%d bytes for each receipt of %d", each, len(body))
	}
}
