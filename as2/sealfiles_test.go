package as2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/cms"
)

// sent is a file that is sent in a test.
type sent struct{ typ, name, content string }

func filesOf(list ...sent) (files []File) {
	for _, f := range list {
		files = append(files, File{f.typ, f.name, func(w io.Writer) error { _, err := io.WriteString(w, f.content); return err }})
	}
	return files
}

func sealFiles(t interface{ Fatal(...any) }, o SealOptions, list ...sent) (*Sealed, []byte) {
	var body bytes.Buffer
	s, err := SealFiles(&body, filesOf(list...), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Length != int64(body.Len()) {
		t.Fatal("length", s.Length, body.Len())
	}
	return s, body.Bytes()
}

// invoice and scan are a batch: text with bare line feeds, and bytes that are no text.
var (
	invoice = sent{"application/xml", "INV-1.xml", "<Invoice>\n</Invoice>\n"}
	scan    = sent{"application/pdf", "INV-1_scan.pdf", "%PDF-1.7\r\n\x00\xff\r\n--\r\n"}
	sheet   = sent{"application/octet-stream", "INV-1_Blatt \"ä\".csv", ""}
)

// The bytes of a plain batch, from the first boundary to the last (RFC 2046, 5.1.1;
// RFC 2387).
func TestFilesOnTheWire(t *testing.T) {
	o := options()
	o.Rand, o.ContentType, o.Filename = zeroRand{}, "of/nothing", "nothing" // those of a single payload
	random := strings.Repeat("07", 16)
	s, body := sealFiles(t, o, invoice, scan, sheet)
	if got, want := Get(s.Header, "Content-Type"), `multipart/related; type="application/xml"; start="<1.`+random+`@as2drop>"; boundary="as2drop-`+random+`"`; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	want := "--as2drop-" + random + "\r\n" +
		"Content-Type: application/xml\r\nContent-ID: <1." + random + "@as2drop>\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: attachment; filename=\"INV-1.xml\"\r\n\r\n" +
		invoice.content + "\r\n--as2drop-" + random + "\r\n" +
		"Content-Type: application/pdf\r\nContent-ID: <2." + random + "@as2drop>\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: attachment; filename=\"INV-1_scan.pdf\"\r\n\r\n" +
		scan.content + "\r\n--as2drop-" + random + "\r\n" +
		"Content-Type: application/octet-stream\r\nContent-ID: <3." + random + "@as2drop>\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: attachment; filename=\"INV-1_Blatt \\\"_\\\".csv\"; filename*=utf-8''INV-1_Blatt%20%22%C3%A4%22.csv\r\n\r\n" +
		"\r\n--as2drop-" + random + "--\r\n"
	if string(body) != want {
		t.Errorf("%q\nwant\n%q", body, want)
	}
	for _, name := range []string{"Content-Transfer-Encoding", "Content-Disposition", "Content-ID"} {
		if Get(s.Header, name) != "" {
			t.Errorf("%s in the HTTP header", name)
		}
	}
	if len(s.Files) != 3 || s.Files[0] != (SealedFile{ContentType: "application/xml", Filename: "INV-1.xml", Size: int64(len(invoice.content))}) || s.Files[2].Size != 0 {
		t.Errorf("%+v", s.Files)
	}
	// RFC 4130, 7.3.1: the MIC of a plain message is over the body without any header.
	if !bytes.Equal(s.MICs[0].Sum, sumOf(body)) {
		t.Error("the MIC is not over the body")
	}
}

func sumOf(b []byte) []byte {
	d := cms.SHA256.New()
	d.Write(b)
	return d.Sum(nil)
}

// Every order of layers, both forms of signature, and every quirk that touches the
// files: a reader that is not ours opens the message, Go's own multipart reader finds
// the files, and the MIC is over what that reader says.
func TestFilesBySecondOpinion(t *testing.T) {
	seen := 0
	for _, compress := range []Compression{NoCompression, CompressBeforeSign, CompressAfterSign} {
		for _, sign := range []string{"", "detached", "opaque"} {
			for _, encrypt := range []bool{false, true} {
				for _, q := range []Quirks{{}, {PayloadBase64: true}, {UnquotedFilename: true}, {NoFilename: true}, {HTTPTransferEncoding: true}} {
					o := options()
					o.Compress, o.Quirks = compress, q
					if sign != "" {
						o.Sign, o.Quirks.OpaqueSignature = signer(ours(), cms.SHA256), sign == "opaque"
					}
					if encrypt {
						o.Cipher, o.Recipients = cms.AES256CBC, to(partners(), ours())
					}
					seen++
					checkFiles(t, o)
				}
			}
		}
	}
	if seen != 90 {
		t.Error(seen)
	}
}

func checkFiles(t *testing.T, o SealOptions) {
	t.Helper()
	list := []sent{invoice, scan, sheet}
	s, body := sealFiles(t, o, list...)
	h := httpHeader(s.Header)
	second := secondOpinion(t, h, body)
	if want := expectedLayers(o); !slices.Equal(second.layers, want) {
		t.Fatalf("%v, want %v", second.layers, want)
	}
	if !bytes.Equal(sumOf(second.mic), s.MICs[0].Sum) {
		t.Errorf("%v: our MIC is not over what is said to be", second.layers)
	}
	typ, params, err := mime.ParseMediaType(second.header.Get("Content-Type"))
	if err != nil || typ != "multipart/related" || params["type"] != "application/xml" {
		t.Fatalf("%s %v %v", typ, params, err)
	}
	r := multipart.NewReader(bytes.NewReader(second.payload), params["boundary"])
	for i, want := range list {
		p, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && p.Header.Get("Content-ID") != params["start"] {
			t.Errorf("start is %s, the root has %s", params["start"], p.Header.Get("Content-ID"))
		}
		content, err := io.ReadAll(decodeTransfer(p, p.Header))
		if err != nil || string(content) != want.content || p.Header.Get("Content-Type") != want.typ {
			t.Errorf("%d: %q %v %v", i, content, p.Header, err)
		}
		encoding, name := "binary", want.name
		if o.Quirks.PayloadBase64 {
			encoding = "base64"
		}
		if o.Quirks.NoFilename {
			name = ""
		}
		if p.Header.Get("Content-Transfer-Encoding") != encoding || p.FileName() != name || name == "" && len(p.Header["Content-Disposition"]) > 0 {
			t.Errorf("%d: %v", i, p.Header)
		}
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		t.Error("more than the files:", err)
	}
	checkOpened(t, o, s, h, body, list)
}

// checkOpened lets our own reader open it, and make its MIC anew in another digest.
func checkOpened(t *testing.T, o SealOptions, s *Sealed, h http.Header, body []byte, list []sent) {
	t.Helper()
	e, err := ParseEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	var c collector
	opened, err := Open(e, bytes.NewReader(body), c.sink, theirs())
	if err != nil || !opened.MICs[0].Equal(s.MICs[0]) || len(opened.Notes) > 0 || len(c.files) != len(list) {
		t.Fatalf("%+v, %v", opened, err)
	}
	for i, f := range list {
		if p := opened.Parts[i]; c.files[i].String() != f.content || p.Document != (i == 0) || p.ContentType != f.typ || !o.Quirks.NoFilename && p.Filename != f.name {
			t.Errorf("%d: %+v %q", i, p, c.files[i])
		}
	}
	opts := OpenOptions{Identities: []cms.Identity{ours()}}
	other, err := Recompute(s, bytes.NewReader(body), cms.SHA512, opts)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Recompute(s, bytes.NewReader(body), s.MICs[0].Digest, opts)
	if err != nil || !again.Equal(s.MICs[0]) || other.Digest != cms.SHA512 {
		t.Errorf("%v, %v, %v", again, other, err)
	}
}

// Any number of files with any content and any name: what comes out is what went in,
// however the bytes arrive.
func TestSealedFilesOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := options()
		if rapid.Bool().Draw(t, "sign") {
			o.Sign = signer(ours(), cms.SHA256)
		}
		if rapid.Bool().Draw(t, "encrypt") {
			o.Cipher, o.Recipients = cms.AES128CBC, to(partners())
		}
		o.Compress = rapid.SampledFrom([]Compression{NoCompression, CompressBeforeSign, CompressAfterSign}).Draw(t, "compress")
		o.Quirks.PayloadBase64 = rapid.Bool().Draw(t, "base64")
		piece := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 300), rapid.SampledFrom([][]byte{[]byte("\r\n--as2drop-"), []byte("\r\n--"), []byte("--\r\n"), []byte("\r"), []byte("\n"), []byte("Content-Type: text/plain\r\n\r\n"), bytes.Repeat([]byte("x\r\n"), 30_000)}))
		var list []sent
		for range rapid.IntRange(2, 6).Draw(t, "files") {
			content := slices.Concat(rapid.SliceOfN(piece, 0, 4).Draw(t, "content")...)
			list = append(list, sent{rapid.SampledFrom([]string{"application/xml", "a/b; charset=utf-8", "application/pkcs7-mime", "multipart/signed; boundary=x"}).Draw(t, "type"),
				rapid.StringN(1, 30, 200).Draw(t, "name"), string(content)})
		}
		s, body := sealFiles(t, o, list...)
		var r io.Reader = bytes.NewReader(body)
		if len(body) < 5000 {
			r = rapid.SampledFrom([]func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}).Draw(t, "reader")(r)
		}
		e, err := ParseEnvelope(httpHeader(s.Header))
		if err != nil {
			t.Fatal(err)
		}
		var c collector
		opened, err := Open(e, r, c.sink, theirs())
		if err != nil || len(c.files) != len(list) || !opened.MICs[0].Equal(s.MICs[0]) {
			t.Fatalf("%d files of %d: %v", len(c.files), len(list), err)
		}
		for i, f := range list {
			// Quotes around a name are taken for a liberty of the sender's, and words that
			// look like RFC 2047 for what they look like.
			plain := strings.Trim(f.name, `"`) == f.name && !strings.Contains(f.name, "=?")
			if c.files[i].String() != f.content || plain && opened.Parts[i].Filename != f.name || opened.Parts[i].Document != (i == 0) {
				t.Fatalf("%d: %q, %+v", i, f.name, opened.Parts[i])
			}
		}
	})
}

// A message of ours is a file like any other: the boundary is drawn anew each time.
func TestBoundariesDoNotCollide(t *testing.T) {
	s, body := sealFiles(t, options(), invoice, scan)
	first := sent{"application/octet-stream", "message", Get(s.Header, "Content-Type") + "\r\n\r\n" + string(body)}
	o := options()
	o.Sign = signer(ours(), cms.SHA256)
	s, body = sealFiles(t, o, first, first)
	checkOpened(t, o, s, httpHeader(s.Header), body, []sent{first, first})
	seen := map[string]bool{}
	for b := range bytes.Lines(body) {
		if bytes.HasPrefix(b, []byte("--as2drop-")) {
			seen[string(b[:42])] = true
		}
	}
	if len(seen) != 3 { // of the file, of the batch, of the signature
		t.Errorf("%d boundaries", len(seen))
	}
}

// Thousands of parts, as many as a receiver agrees to.
func TestManyFiles(t *testing.T) {
	list := slices.Repeat([]sent{{"application/xml", "a.xml", "<a/>"}}, 5000)
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES128CBC, to(partners())
	s, body := sealFiles(t, o, list...)
	e, err := ParseEnvelope(httpHeader(s.Header))
	if err != nil {
		t.Fatal(err)
	}
	opts := theirs()
	opts.MaxParts = 5000
	opened, err := Open(e, bytes.NewReader(body), into(io.Discard), opts)
	if err != nil || len(opened.Parts) != 5000 || opened.Size != 20_000 || opened.Parts[4999].ContentID != strings.Replace(opened.Parts[0].ContentID, "1.", "5000.", 1) {
		t.Errorf("%d parts, %v", len(opened.Parts), err)
	}
	opts.MaxParts = 4999
	if _, err := Open(e, bytes.NewReader(body), into(io.Discard), opts); modifierOf(err) != UnexpectedProcessing {
		t.Error(err)
	}
}

// What cannot be sealed is an error, and no message.
func TestFilesThatCannotBeSealed(t *testing.T) {
	for name, c := range map[string]struct {
		files []File
		is    string
		wrote bool
	}{
		"none":                  {nil, "as2: there is no file to send", false},
		"a type of two lines":   {filesOf(invoice, sent{"a/b\r\nX: y", "x", ""}), `as2: Content-Type: "a/b\r\nX: y" cannot stand in a header line`, false},
		"one that fails to end": {append(filesOf(invoice), File{"a/b", "x", func(io.Writer) error { return errDisk }}), errDisk.Error(), true},
	} {
		var out bytes.Buffer
		s, err := SealFiles(&out, c.files, options())
		if err == nil || err.Error() != c.is || s != nil || !c.wrote && out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
	o := options()
	o.Rand = iotest.ErrReader(errDisk)
	if _, err := SealFiles(io.Discard, filesOf(invoice, scan), o); !errors.Is(err, errDisk) {
		t.Error("random bytes:", err)
	}
}

// A name is one line of a header, whatever it holds.
func TestNamesOfFiles(t *testing.T) {
	for name, plain := range map[string]string{
		"INV 1.xml":                   `filename="INV 1.xml"`,
		`a"b\c.xml`:                   `filename="a\"b\\c.xml"`,
		"a\r\nX-Evil: 1\r\n\r\nb.xml": `filename="a__X-Evil: 1____b.xml"; filename*=utf-8''a%0D%0AX-Evil%3A%201%0D%0A%0D%0Ab.xml`,
		"Prüf ß 検.pdf":                `filename="Pr_f _ _.pdf"; filename*=utf-8''Pr%C3%BCf%20%C3%9F%20%E6%A4%9C.pdf`,
		"a;b=c.xml":                   `filename="a;b=c.xml"`,
		"100%.xml":                    `filename="100%.xml"`,
	} {
		s, body := sealFiles(t, options(), invoice, sent{"a/b", name, "x"})
		if !strings.Contains(string(body), "Content-Disposition: attachment; "+plain+"\r\n\r\nx\r\n--") {
			t.Errorf("%q:\n%s", name, body)
		}
		e, err := ParseEnvelope(httpHeader(s.Header))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := Open(e, bytes.NewReader(body), into(io.Discard), theirs())
		if err != nil || opened.Parts[1].Filename != name {
			t.Errorf("%q: %+v, %v", name, opened, err)
		}
		_, params, err := mime.ParseMediaType("attachment; " + plain)
		if err != nil || params["filename"] != name {
			t.Errorf("%q: Go reads %q, %v", name, params["filename"], err)
		}
	}
}

// The type of the root may come with parameters; the one that is stated has none (RFC
// 2387, 3.1).
func TestTypeOfTheRoot(t *testing.T) {
	for typ, want := range map[string]string{
		"Application/XML; charset=utf-8": "application/xml",
		"text/xml":                       "text/xml",
	} {
		s, _ := sealFiles(t, options(), sent{typ, "a", ""}, scan)
		if got := Get(s.Header, "Content-Type"); !strings.HasPrefix(got, fmt.Sprintf("multipart/related; type=%q; start=", want)) {
			t.Error(got)
		}
	}
}
