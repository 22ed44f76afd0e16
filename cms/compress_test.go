package cms

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
	"pgregory.net/rapid"
)

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := Compress(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func inflate(r io.Reader) ([]byte, error) {
	z, err := Decompress(r, Limits{})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestCompressedInflates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(rt, "data"), rapid.SampledFrom([]int{1, 10, 1000}).Draw(rt, "times"))
		c := compress(t, data)
		got, err := inflate(iotest.HalfReader(bytes.NewReader(c)))
		if err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("%d bytes: %d bytes, %v", len(data), len(got), err)
		}
		if der, err := newBER(bytes.NewReader(c), Limits{HeaderBytes: 10 << 20}).der("message"); err != nil {
			rt.Fatal(err)
		} else if got, err := inflate(bytes.NewReader(der)); err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("definite lengths: %d bytes, %v", len(got), err)
		}
	})
}

func TestBrokenCompression(t *testing.T) {
	c := compress(t, bytes.Repeat([]byte("invoice "), 10))
	for n := range len(c) {
		if got, err := inflate(bytes.NewReader(c[:n])); err == nil {
			t.Fatalf("%d of %d bytes inflate to %q", n, len(c), got)
		}
	}
	b := bytes.Clone(c)
	b[len(b)-14] ^= 1 // the checksum
	if _, err := inflate(bytes.NewReader(b)); !errors.Is(err, ErrDecompress) {
		t.Error(err)
	}
	b = bytes.Replace(c, algZlib[2:], append(bytes.Clone(algZlib[2:14]), 9), 1)
	if _, err := inflate(bytes.NewReader(b)); !errors.Is(err, ErrDecompress) {
		t.Errorf("another algorithm: %v", err)
	}
	if _, err := inflate(io.MultiReader(bytes.NewReader(c[:70]), iotest.ErrReader(errPass))); !errors.Is(err, errPass) || errors.Is(err, ErrDecompress) {
		t.Errorf("broken connection: %v", err)
	}
}

// compressedData is a CompressedData of definite lengths around what somebody deflated.
func compressedData(algorithm, deflated []byte) []byte {
	sequence := func(parts ...[]byte) []byte {
		return encode(header{constructed: true, tag: tagSequence}, bytes.Join(parts, nil))
	}
	explicit := func(content []byte) []byte { return encode(header{class: classContext, constructed: true}, content) }
	info := sequence(mustMarshal(oidData), explicit(encode(header{tag: tagOctetString}, deflated)))
	return sequence(mustMarshal(oidCompressedData), explicit(sequence([]byte{tagInteger, 1, 0}, algorithm, info)))
}

func TestFormsOfCompression(t *testing.T) {
	data := bytes.Repeat([]byte("invoice "), 10)
	deflated := func(w io.WriteCloser, buf *bytes.Buffer) []byte {
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	var z, f bytes.Buffer
	raw, err := flate.NewWriter(&f, 6)
	if err != nil {
		t.Fatal(err)
	}
	zipped, bare := deflated(zlib.NewWriter(&z), &z), deflated(raw, &f)
	withNull := append(bytes.Clone(algZlib), 5, 0)
	withNull[1] += 2
	for name, c := range map[string]struct {
		message []byte
		good    bool
	}{
		"as in the RFC":             {compressedData(algZlib, zipped), true},
		"parameters NULL":           {compressedData(withNull, zipped), true},
		"bytes behind the end":      {append(compressedData(algZlib, zipped), "\r\n"...), true},
		"bytes behind the checksum": {compressedData(algZlib, append(bytes.Clone(zipped), 0)), false},
		"without zlib header":       {compressedData(algZlib, bare), false},
		"nothing":                   {compressedData(algZlib, nil), false},
		"a dictionary of theirs":    {compressedData(algZlib, []byte{0x78, 0xbb, 1, 2, 3, 4}), false},
	} {
		got, err := inflate(bytes.NewReader(c.message))
		if (err == nil) != c.good || c.good && !bytes.Equal(got, data) || err != nil && !errors.Is(err, ErrDecompress) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add(compress(f, []byte("invoice")))
	f.Fuzz(func(t *testing.T, message []byte) {
		z, err := Decompress(bytes.NewReader(message), Limits{})
		if err != nil {
			return
		}
		io.Copy(io.Discard, io.LimitReader(z, 1<<20)) // any answer will do, but no panic
	})
}

// FuzzBER: whatever the reader takes, written again in DER it takes once more, with
// the same result.
func FuzzBER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'a', 4, 1, 'b', 0, 0, 0, 0})
	f.Add([]byte{0x30, 3, 2, 1, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		der, err := newBER(bytes.NewReader(in), Limits{}).der("element")
		if err != nil {
			return
		}
		again, err := newBER(bytes.NewReader(der), Limits{}).der("element")
		if err != nil || !bytes.Equal(der, again) {
			t.Errorf("%x became %x, then %x, %v", in, der, again, err)
		}
	})
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	for _, target := range []string{"FuzzBER", "FuzzEnveloped", "FuzzAuthEnveloped", "FuzzParseSignature", "FuzzDecompress"} {
		if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target)); err != nil || len(seeds) == 0 {
			t.Errorf("%s: %d seeds, %v", target, len(seeds), err)
		}
	}
}

func TestSniff(t *testing.T) {
	us, _, _ := identities(t)
	for want, message := range map[ContentType][]byte{
		Signed: sign(t, us, SHA256, nil), Enveloped: seal(t, AES256CBC, nil, us), Compressed: compress(t, nil), Unknown: []byte("<html>"),
	} {
		if got := sniffBytes(message); got != want {
			t.Errorf("%v taken for %v", want, got)
		}
	}
}
