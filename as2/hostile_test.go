package as2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/cms"
)

// plainly are the headers of a message that nothing protects.
func plainly(contentType string) http.Header {
	return http.Header{"As2-From": {"Ours"}, "As2-To": {"Theirs"}, "Message-Id": {"x"}, "Content-Type": {contentType}}
}

// endlessly gives one byte without end.
type endlessly struct{ b byte }

func (z endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = z.b
	}
	return len(p), nil
}

func compress(t testing.TB, r io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := cms.Compress(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const compressedType = "application/pkcs7-mime; smime-type=compressed-data"

// What inflates without end is refused, also where it never becomes payload: in a
// preamble, in a layer inside.
func TestInflationIsLimited(t *testing.T) {
	const mib = 1 << 20
	entity := func(contentType, body string) io.Reader {
		return io.MultiReader(strings.NewReader("Content-Type: "+contentType+"\r\n\r\n"), strings.NewReader(body))
	}
	endless := func(contentType string, size int64) io.Reader {
		return io.MultiReader(entity(contentType, ""), io.LimitReader(endlessly{}, size))
	}
	twice := compress(t, endless("application/octet-stream", 40*mib))
	twice = compress(t, io.MultiReader(entity(compressedType, ""), bytes.NewReader(twice)))
	for name, c := range map[string]struct {
		body    []byte
		payload int64 // OpenOptions.MaxPayload
		most    int64 // bytes that may have been written
	}{
		"in the payload":         {compress(t, endless("application/octet-stream", 3*mib)), mib, mib},
		"in a preamble":          {compress(t, endless("multipart/related; boundary=b", 64*mib)), mib, 0},
		"in two layers":          {twice, 0, 40 * mib},
		"in two layers, limited": {twice, mib, mib},
	} {
		var written countingSink
		e, err := ParseEnvelope(plainly(compressedType))
		if err != nil {
			t.Fatal(err)
		}
		o := theirs()
		o.MaxPayload = c.payload
		_, err = Open(e, bytes.NewReader(c.body), written.sink, o)
		if modifierOf(err) != UnexpectedProcessing || !strings.Contains(err.Error(), errTooLong.Error()) || written.n > c.most {
			t.Errorf("%s: %d bytes compressed, %d written: %v", name, len(c.body), written.n, err)
		}
	}
	// What an honest sender compresses passes: a ratio of some hundreds.
	o := theirs()
	o.MaxPayload = 40 * mib
	if opened, _, err := openBytes(plainly(compressedType), bytes.NewReader(compress(t, endless("a/b", 40*mib))), o); err != nil || opened.Size != 40*mib {
		t.Errorf("%+v, %v", opened, err)
	}
}

type countingSink struct{ n int64 }

func (c *countingSink) sink(Part) (io.WriteCloser, error) { return c, nil }
func (c *countingSink) Write(p []byte) (int, error)       { c.n += int64(len(p)); return len(p), nil }
func (c *countingSink) Close() error                      { return nil }

// Layers, headers and parts have limits, and reaching one takes little.
func TestLimits(t *testing.T) {
	layers := func(n int) []byte {
		entity := []byte("Content-Type: a/b\r\n\r\nx")
		for range n {
			entity = append([]byte("Content-Type: "+compressedType+"\r\n\r\n"), compress(t, bytes.NewReader(entity))...)
		}
		return bytes.TrimPrefix(entity, []byte("Content-Type: "+compressedType+"\r\n\r\n"))
	}
	header := func(n int) []byte {
		return compress(t, strings.NewReader("Content-Type: a/b\r\nX-Long: "+strings.Repeat("x", n)+"\r\n\r\nx"))
	}
	lines := func(n int) []byte {
		return compress(t, strings.NewReader("Content-Type: a/b\r\n"+strings.Repeat("X: y\r\n", n)+"\r\nx"))
	}
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		want        string
	}{
		"six layers":                        {compressedType, layers(6), ""},
		"seven layers":                      {compressedType, layers(7), UnexpectedProcessing},
		"a header of 60 KiB":                {compressedType, header(60 << 10), ""},
		"a header of 70 KiB":                {compressedType, header(70 << 10), UnexpectedProcessing},
		"a header of 1 MiB":                 {compressedType, header(1 << 20), UnexpectedProcessing},
		"header of 10,000 lines":            {compressedType, lines(10_000), ""},
		"header of 20,000 lines":            {compressedType, lines(20_000), UnexpectedProcessing},
		"1,000 files":                       {"multipart/related; boundary=b", []byte(strings.Repeat("--b\r\n\r\nx\r\n", 1000) + "--b--"), ""},
		"100,000 files":                     {"multipart/related; boundary=b", []byte(strings.Repeat("--b\r\n\r\nx\r\n", 100_000) + "--b--"), UnexpectedProcessing},
		"100,000 parts in multipart/signed": {"multipart/signed; boundary=b", []byte(strings.Repeat("--b\r\n\r\nx\r\n", 100_000) + "--b--"), UnexpectedProcessing},
		"a parameter in 10,000 pieces":      {"a/b; " + pieces(10_000), []byte("x"), ""},
	} {
		_, _, err := openBytes(plainly(c.contentType), bytes.NewReader(c.body), theirs())
		if modifierOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is written down of a message is bounded too.
func TestNotesAreLimited(t *testing.T) {
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "--b\r\nContent-Transfer-Encoding: x-%d%s\r\n\r\nx\r\n", i, strings.Repeat("y", 10_000))
	}
	opened, _, err := openBytes(plainly("multipart/related; boundary=b"), strings.NewReader(body.String()+"--b--"), theirs())
	if err != nil || len(opened.Notes) != maxNotes || len(opened.Notes[0]) > maxNote+3 {
		t.Errorf("%+v, %v", opened, err)
	}
}

func pieces(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "filename*%d=x; ", i)
	}
	return b.String()
}

// delimiter is what one of the two readers takes for a boundary: the standard library is
// content with a CR or a hyphen behind it.
var delimiter = regexp.MustCompile(`\n--b0undary[-\s]`)

// Parts are split as the standard library splits them, in whatever pieces they arrive
// and whatever looks like a boundary without being one.
func TestPartsLikeTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 100), rapid.SampledFrom([][]byte{
			[]byte("\r\n--b0undary"), []byte("\r\n--b0undaryX\r\n"), []byte("\r\n-"), []byte("\r"), []byte("\n"), []byte("\r\n--b0undar\r\n"), []byte("\r\n --b0undary\r\n"),
			bytes.Repeat([]byte("y"), 64<<10-20), bytes.Repeat([]byte("x\r\n"), 22_000),
		}))
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		if err := w.SetBoundary("b0undary"); err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			content := slices.Concat(rapid.SliceOfN(piece, 0, 5).Draw(t, "content")...)
			whole := slices.Concat([]byte("\r\n"), content, []byte("\r\n"))
			if delimiter.Match(whole) {
				continue // a boundary indeed, or one to the standard library
			}
			p, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"a/b"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Write(content); err != nil {
				t.Fatal(err)
			}
			want = append(want, content)
		}
		if len(want) == 0 {
			return
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var r io.Reader = bytes.NewReader(body.Bytes())
		if body.Len() < 5000 {
			r = rapid.SampledFrom([]func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}).Draw(t, "reader")(r)
		}
		e, err := ParseEnvelope(plainly("multipart/related; boundary=b0undary"))
		if err != nil {
			t.Fatal(err)
		}
		var c collector
		if _, err := Open(e, r, c.sink, theirs()); err != nil {
			t.Fatal(err)
		}
		stdlib := multipart.NewReader(bytes.NewReader(body.Bytes()), "b0undary")
		for i, f := range c.files {
			p, err := stdlib.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := io.ReadAll(p)
			if err != nil || !bytes.Equal(f.Bytes(), theirs) || !bytes.Equal(f.Bytes(), want[i]) {
				t.Fatalf("part %d: %d bytes, the standard library has %d, written were %d: %v", i, f.Len(), len(theirs), len(want[i]), err)
			}
		}
		if len(c.files) != len(want) {
			t.Fatalf("%d parts of %d", len(c.files), len(want))
		}
	})
}

// 32 MiB pass in both directions with the memory of a few buffers, whatever the layers.
func TestConstantMemory(t *testing.T) {
	const size = 32 << 20
	half := func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(endlessly{'a'}, size/2)); return err }
	for name, change := range map[string]func(*SealOptions){
		"plain": func(*SealOptions) {},
		"signed and encrypted": func(o *SealOptions) {
			o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES256CBC, to(partners())
		},
		"opaque in GCM": func(o *SealOptions) {
			o.Sign, o.Cipher, o.Recipients, o.Quirks.OpaqueSignature = signer(ours(), cms.SHA256), cms.AES256GCM, to(partners()), true
		},
		"compressed, signed, base64": func(o *SealOptions) {
			o.Sign, o.Compress, o.Quirks.PayloadBase64 = signer(ours(), cms.SHA256), CompressAfterSign, true
		},
		"plain, two files": func(*SealOptions) {},
		"compressed, signed, encrypted, base64, two files": func(o *SealOptions) {
			o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES256CBC, to(partners())
			o.Compress, o.Quirks.PayloadBase64 = CompressBeforeSign, true
		},
	} {
		o := options()
		o.Rand = zeroRand{} // the same boundary each time
		change(&o)
		files := func(half func(io.Writer) error) []File {
			if strings.HasSuffix(name, "two files") {
				return []File{{"application/xml", "INV-1.xml", half}, {"application/pdf", "INV-1_scan.pdf", half}}
			}
			return []File{{o.ContentType, o.Filename, func(w io.Writer) error { return errors.Join(half(w), half(w)) }}}
		}
		short, err := SealFiles(io.Discard, files(func(io.Writer) error { return nil }), o)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEnvelope(httpHeader(short.Header))
		if err != nil {
			t.Fatal(err)
		}
		var written countingSink
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, w := io.Pipe()
		go func() {
			_, err := SealFiles(w, files(half), o)
			w.CloseWithError(err)
		}()
		_, err = Open(e, r, written.sink, theirs())
		runtime.ReadMemStats(&after)
		if err != nil || written.n != size {
			t.Errorf("%s: %d bytes, %v", name, written.n, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, used, size)
		}
	}
}
