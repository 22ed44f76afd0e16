package as2

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
)

// batchSize is the length of the document of a large batch, in bytes.
const batchSize = 256 << 20

// largeBatch is a file of noise, or of a text, as the only member of a bundle.
func largeBatch(b *testing.B, text bool) []bundle.Member {
	name := filepath.Join(b.TempDir(), "INV-1.xml")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	var source io.Reader = rand.NewChaCha8([32]byte{1})
	if text {
		source = &repeated{text: bytes.Repeat([]byte("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n"), 1000)}
	}
	if _, err := io.CopyN(f, source, batchSize); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return []bundle.Member{{Name: "INV-1.xml", Size: batchSize, Open: func() (io.ReadCloser, error) { return os.Open(name) }}}
}

type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// slowest is how long the cipher, or where that takes longer the digest, needs for one core
// and batchSize bytes.
func slowest(b *testing.B, c cms.Cipher, seal bool) time.Duration {
	block := aesBlock(b)
	var step func(p []byte)
	switch {
	case c == cms.AES256GCM:
		stream := cipher.NewCTR(block, make([]byte, 16)) // less than the digest takes
		step = func(p []byte) { stream.XORKeyStream(p, p) }
	case seal:
		mode := cipher.NewCBCEncrypter(block, make([]byte, 16))
		step = func(p []byte) { mode.CryptBlocks(p, p) }
	default:
		mode := cipher.NewCBCDecrypter(block, make([]byte, 16))
		step = func(p []byte) { mode.CryptBlocks(p, p) }
	}
	digest := sha256.New()
	alone := func(step func(p []byte)) time.Duration {
		buf := make([]byte, streamBuffer)
		start := time.Now()
		for done := 0; done < batchSize; done += len(buf) {
			step(buf)
		}
		return time.Since(start)
	}
	return max(alone(step), alone(func(p []byte) { digest.Write(p) }))
}

// durable is a file that is synced when it is closed.
type durable struct{ *os.File }

func (d durable) Close() error {
	err := d.Sync()
	if cerr := d.File.Close(); err == nil {
		err = cerr
	}
	return err
}

// BenchmarkBatch seals a large document from its file to a synced one, and opens it from there
// into a synced zip and from that into a synced document: "x/slowest" is the time as a
// multiple of what the slowest primitive of one core takes in the same run. Text is deflated
// by all cores.
//
//	go test -run '^$' -bench Batch -benchtime 3x ./as2
func BenchmarkBatch(b *testing.B) {
	for name, text := range map[string]bool{"noise": false, "text": true} {
		members := largeBatch(b, text)
		for _, c := range []cms.Cipher{cms.AES256CBC, cms.AES256GCM} {
			o := smallOptions()
			o.Cipher = c
			message := filepath.Join(b.TempDir(), "message")
			var sealed *Sealed
			seal := func(b *testing.B) {
				f, err := os.Create(message)
				if err != nil {
					b.Fatal(err)
				}
				if sealed, err = Seal(f, func(w io.Writer) error { _, err := bundle.Write(w, members); return err }, o); err != nil {
					b.Fatal(err)
				}
				if err := (durable{f}).Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(name+"/"+c.String()+"/seal", func(b *testing.B) { timed(b, slowest(b, c, true), func() { seal(b) }) })
			seal(b)
			b.Run(name+"/"+c.String()+"/open", func(b *testing.B) { timed(b, slowest(b, c, false), func() { openLarge(b, sealed, message) }) })
		}
	}
}

func timed(b *testing.B, alone time.Duration, do func()) {
	b.SetBytes(batchSize)
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(alone), "x/slowest")
}

func openLarge(b *testing.B, s *Sealed, message string) {
	e, err := ParseEnvelope(httpHeader(s.Header))
	if err != nil {
		b.Fatal(err)
	}
	body, err := os.Open(message)
	if err != nil {
		b.Fatal(err)
	}
	defer body.Close() // opened for reading: nothing can be lost
	zipped, err := os.Create(message + ".zip")
	if err != nil {
		b.Fatal(err)
	}
	opened, err := Open(e, body, func(Part) (io.WriteCloser, error) { return durable{zipped}, nil }, theirs())
	if err != nil {
		b.Fatal(err)
	}
	from, err := os.Open(zipped.Name())
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close() // as above
	_, err = bundle.Unpack(from, opened.Size, bundle.Limits{}, func(int, string) (io.WriteCloser, error) {
		f, err := os.Create(message + ".xml")
		return durable{f}, err
	})
	if err != nil {
		b.Fatal(err)
	}
}
