package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExtract(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"none", inInvoice(at("a.pdf"), named("b.pdf", ""), named("c.pdf", " \n")), ""},
		{"one", inInvoice(named("a.pdf", "YWJj")), "a.pdf=abc"},
		{"in lines", inInvoice(named("a.pdf", "\r\n YW\t\n Jj\r\n")), "a.pdf=abc"},
		{"in pieces", inInvoice(named("a.pdf", "Y<!-- x -->W<?y?><![CDATA[J]]>&#106;")), "a.pdf=abc"},
		{"padding", inInvoice(named("a.pdf", "YQ=="), named("b.pdf", "YWI="), named("c.pdf", "YQ = =\n")), "a.pdf=a b.pdf=ab c.pdf=a"},
		{"a folder", inInvoice(named(`C:\scans\a.pdf`, "YWJj"), named("../../b.pdf", "YWJj")), "a.pdf=abc b.pdf=abc"},
		{"the same name twice", inInvoice(named("a.pdf", "YWJj"), named("a.pdf", "YQ==")), "a.pdf=abc a.pdf=a"},
		{"by the identifier", inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="image/png">YWJj</cbc:EmbeddedDocumentBinaryObject>`), "R-1.png=abc"},
		{"by the place", inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="image/png">YWJj</cbc:EmbeddedDocumentBinaryObject>` + at("x/a.png")), "R-1.png=abc"},
		{"of no known type", inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="x/y">YWJj</cbc:EmbeddedDocumentBinaryObject>`), "R-1.bin=abc"},
		{"without anything", invoiceHead + `<cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="Text/CSV; charset=utf-8">YWJj</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></Invoice>`, "attachment-1.csv=abc"},
		{"an identifier that is a file name", inCII(`<ram:IssuerAssignedID>a.jpeg</ram:IssuerAssignedID><ram:AttachmentBinaryObject mimeCode="image/jpeg">YWJj</ram:AttachmentBinaryObject>`), "a.jpeg=abc"},
		{"CII", inCII(`<ram:URIID>u.pdf</ram:URIID><ram:AttachmentBinaryObject>YWJj</ram:AttachmentBinaryObject><ram:AttachmentBinaryObject filename="b.pdf">YQ==</ram:AttachmentBinaryObject>`), "u.pdf=abc b.pdf=a"},
		{"another kind", "<a>" + named("a.pdf", "YWJj") + "</a>", ""},
	} {
		objects, files, err := taken([]byte(strings.ReplaceAll(c.doc, "<a><cbc:", "<a xmlns:cbc='u'><cbc:")))
		var got []string
		for i, f := range files {
			got = append(got, f.name+"="+string(f.data))
			if o := objects[i]; o.Name != f.name || o.Size != int64(len(f.data)) || o.SHA256 != sha256.Sum256(f.data) || o.Line == 0 {
				t.Errorf("%s: %+v", c.name, o)
			}
		}
		if got := strings.Join(got, " "); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestDamagedBase64(t *testing.T) {
	for content, want := range map[string]string{
		"YWJ":                                  "line 2, column 151: base64 is cut off: = is missing at its end",
		"YW":                                   "line 2, column 150: base64 is cut off: = is missing at its end",
		"YW=":                                  "line 2, column 151: base64 is cut off: = is missing at its end",
		"Y":                                    "line 2, column 149: base64 is cut off: it has one character too few or too many",
		"YWJjY":                                "line 2, column 153: base64 is cut off: it has one character too few or too many",
		"YWJj=":                                "line 2, column 153: base64 is cut off: it has one character too few or too many",
		"YWJ==":                                "line 2, column 153: base64 is cut off: = is missing at its end",
		"YQ===":                                "line 2, column 152: base64 ends with more than two =",
		"YQ==YQ==":                             "line 2, column 152: base64 goes on behind its end, the =",
		"YW\n Jj\nYW.j":                        "line 4, column 3: the character '.' is none of base64",
		"YW\n Jj\nYWäj":                        "line 4, column 3: the character 'ä' is none of base64",
		"YW-_":                                 "line 2, column 150: the character '-' is none of base64",
		"&#89;W&lt;":                           "line 2, column 154: the character '<' is none of base64",
		"YWJj</cbc:Embedded>":                  "has to be closed",
		strings.Repeat("YWJj", 50_000) + "\n!": "line 3, column 1: the character '!' is none of base64",
	} {
		_, _, err := taken([]byte(inInvoice(named("a.pdf", content))))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Next == "" {
			t.Errorf("%.40q\ngot  %v\nwant %s", content, err, want)
		}
	}
}

// closing notes that a file was closed.
type closing struct {
	io.Writer
	closed int
	err    error
}

func (c *closing) Close() error { c.closed++; return c.err }

func TestExtractionThatFails(t *testing.T) {
	gone := errors.New("the disk is full")
	doc := inInvoice(named("a.pdf", "YWJj"), named("b.pdf", "YWJj"))
	for name, c := range map[string]struct {
		doc   string
		out   *closing
		limit Limits
		want  string
	}{
		"writing":        {doc, &closing{Writer: failingWriter{gone}}, Limits{}, gone.Error()},
		"closing":        {doc, &closing{Writer: io.Discard, err: gone}, Limits{}, gone.Error()},
		"broken behind":  {doc[:len(doc)-30], &closing{Writer: io.Discard}, Limits{}, "stands where"},
		"broken within":  {doc[:strings.Index(doc, "Jj<")], &closing{Writer: io.Discard}, Limits{}, "the document ends inside"},
		"too many":       {doc, &closing{Writer: io.Discard}, Limits{Objects: 1}, "line 3, column 70: more than 1 embedded objects"},
		"too many bytes": {doc, &closing{Writer: io.Discard}, Limits{Bytes: 5}, "the embedded objects have more than 5 bytes"},
		"no bytes":       {doc, &closing{Writer: io.Discard}, Limits{Bytes: -1}, "the embedded objects have more than 0 bytes"},
		"none":           {doc, &closing{Writer: io.Discard}, Limits{Objects: -1}, "more than 0 embedded objects"},
	} {
		opened := 0
		kind, objects, err := Extract(strings.NewReader(c.doc), c.limit, func(int, Object) (io.WriteCloser, error) {
			opened++
			return c.out, nil
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || objects != nil || kind != Invoice || c.out.closed != opened || (opened == 0) != (c.limit.Objects < 0) {
			t.Errorf("%s: %v, %v, %d opened, %d closed", name, objects, err, opened, c.out.closed)
		}
	}
	if _, _, err := Extract(strings.NewReader(doc), Limits{}, func(int, Object) (io.WriteCloser, error) { return nil, gone }); err != gone {
		t.Error(err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// Base64 with white space anywhere is read as the standard library reads it without.
func TestBase64LikeTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data")
		data = bytes.Repeat(data, rapid.IntRange(1, 400).Draw(t, "times"))
		text := []byte(base64.StdEncoding.EncodeToString(data))
		width := rapid.IntRange(1, 100).Draw(t, "width")
		var content strings.Builder
		for len(text) > 0 {
			n := min(width, len(text))
			content.Write(text[:n])
			content.WriteString(rapid.SampledFrom([]string{"\n", "\r\n", " ", "\t", "", "<!---->"}).Draw(t, "between"))
			text = text[n:]
			if rapid.IntRange(0, 20).Draw(t, "the rest at once") == 0 {
				width = len(text) + 1
			}
		}
		_, files, err := taken([]byte(inInvoice(named("a", content.String()))))
		if err != nil || len(files) != 1 || !bytes.Equal(files[0].data, data) {
			t.Fatalf("%d files, %v", len(files), err)
		}
	})
}

// allocated is what this process has taken from the heap so far, bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// zeros writes so many bytes.
func zeros(n int64) Source {
	return func(w io.Writer) error {
		_, err := io.CopyN(w, zero{}, n)
		return err
	}
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A file of a gigabyte and a half, in base64 more than two: in and out again, without ever
// being held.
func TestLargeAttachmentTakesNoMemory(t *testing.T) {
	const size = (3 << 29) / share
	doc := []byte(inInvoice(at("a.pdf")))
	before := allocated()
	plan, err := NewPlan(bytes.NewReader(doc), []string{"a.pdf"})
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(plan.Write(w, file{"", doc}.write, []Source{zeros(size)})) }()
	_, objects, err := Extract(r, Limits{}, func(int, Object) (io.WriteCloser, error) { return &closing{Writer: io.Discard}, nil })
	if err != nil || len(objects) != 1 || objects[0].Size != size {
		t.Fatalf("%+v, %v", objects, err)
	}
	if used := allocated() - before; used > 2<<20 {
		t.Errorf("%d KiB for it", used>>10)
	}
}

// What embedding and extracting cost beside copying the same bytes.
func BenchmarkEmbed(b *testing.B) {
	const size = 64 << 20
	doc := []byte(inInvoice(at("a.pdf")))
	plan, err := NewPlan(bytes.NewReader(doc), []string{"a.pdf"})
	if err != nil {
		b.Fatal(err)
	}
	var whole bytes.Buffer
	if err := plan.Write(&whole, file{"", doc}.write, []Source{zeros(size)}); err != nil {
		b.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"copy":  func() error { return zeros(size)(struct{ io.Writer }{io.Discard}) },
		"embed": func() error { return plan.Write(io.Discard, file{"", doc}.write, []Source{zeros(size)}) },
		"extract": func() error {
			_, _, err := Extract(bytes.NewReader(whole.Bytes()), Limits{}, func(int, Object) (io.WriteCloser, error) { return &closing{Writer: io.Discard}, nil })
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for range b.N {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
