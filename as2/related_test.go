package as2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// batch builds a multipart of the given Content-Type without boundary.
func batch(typ string, parts ...string) string {
	var b strings.Builder
	b.WriteString("Content-Type: " + typ + "; boundary=\"b 'x'\"\r\n\r\npreamble\r\n")
	for _, p := range parts {
		b.WriteString("--b 'x'\r\n" + p + "\r\n")
	}
	b.WriteString("--b 'x'--\r\n")
	return b.String()
}

// openBatch opens an encrypted entity and returns the files.
func openBatch(t *testing.T, entity string, change func(*OpenOptions)) (*Opened, []string, error) {
	t.Helper()
	h, body := encryptedEntity(t, cms.AES128CBC, entity)
	e, err := ParseEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	o := theirs()
	if change != nil {
		change(&o)
	}
	var c collector
	opened, err := Open(e, bytes.NewReader(body), c.sink, o)
	var files []string
	for _, f := range c.files {
		files = append(files, f.String())
	}
	return opened, files, err
}

// RFC 6362 and RFC 2387: each part is a file; the root is what start names, or the
// first; the MIC is over the whole multipart.
func TestRelatedIsABatch(t *testing.T) {
	const (
		doc  = "Content-Type: application/xml\r\nContent-ID: <doc@x>\r\nContent-Disposition: attachment; filename=INV-1.xml\r\n\r\n<a/>"
		scan = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <scan@x>\r\n\r\nJVBERg==\r\n"
		bare = "\r\nno header"
		none = "UNB+no header, no empty line"
	)
	for name, c := range map[string]struct {
		entity   string
		files    []string
		document int
		note     string
	}{
		"first is the root":        {batch(`multipart/related; type="application/xml"`, doc, scan), []string{"<a/>", "%PDF"}, 0, ""},
		"start names the root":     {batch(`multipart/related; start="<doc@x>"; type="application/xml"`, scan, doc), []string{"%PDF", "<a/>"}, 1, ""},
		"start without brackets":   {batch(`multipart/related; start=doc@x`, scan, doc), []string{"%PDF", "<a/>"}, 1, ""},
		"start names nothing":      {batch(`multipart/related; start="<other@x>"`, scan, doc), []string{"%PDF", "<a/>"}, 0, "no part has the Content-ID"},
		"root that is there twice": {batch(`multipart/related; start="<doc@x>"`, doc, doc), []string{"<a/>", "<a/>"}, 0, ""},
		"no type parameter":        {batch(`multipart/related`, doc, scan), []string{"<a/>", "%PDF"}, 0, ""},
		"mixed":                    {batch(`multipart/mixed`, doc, scan), []string{"<a/>", "%PDF"}, 0, "multipart/mixed"},
		"parts without headers":    {batch(`multipart/related`, bare, none), []string{"no header", "UNB+no header, no empty line"}, 0, ""},
		"one part":                 {batch(`multipart/related`, doc), []string{"<a/>"}, 0, ""},
		"nested": {batch(`multipart/related`, doc, strings.ReplaceAll(batch("multipart/mixed", scan, bare), "b 'x'", "inner")),
			[]string{"<a/>", "%PDF", "no header"}, 0, "multipart/mixed"},
		"a signed file stays as it is": {batch(`multipart/related`, doc, "Content-Type: application/pkcs7-mime\r\n\r\n0\x80..."), []string{"<a/>", "0\x80..."}, 0, ""},
		"bare line feeds":              {strings.ReplaceAll(batch(`multipart/related`, doc), "\r\n", "\n"), []string{"<a/>"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			opened, files, err := openBatch(t, c.entity, nil)
			if err != nil || fmt.Sprint(files) != fmt.Sprint(c.files) {
				t.Fatalf("%q, %v", files, err)
			}
			size := int64(0)
			for i, p := range opened.Parts {
				size += p.Size
				if p.Index != i || p.Document != (i == c.document) || p.Size != int64(len(files[i])) {
					t.Errorf("%+v", p)
				}
			}
			if opened.Size != size {
				t.Error("size", opened.Size)
			}
			d := cms.SHA1.New()
			io.WriteString(d, c.entity)
			if !bytes.Equal(opened.MICs[0].Sum, d.Sum(nil)) {
				t.Error("the MIC is not over the whole multipart")
			}
			if notes := strings.Join(opened.Notes, "\n"); (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// squeezedPart is a part that was compressed by itself.
func squeezedPart(t *testing.T, header, entity string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := cms.Compress(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, entity); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return "Content-Type: application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z\r\n" + header + "\r\n" + b.String()
}

// A part that its sender compressed by itself is inflated, whatever is inside of it; it
// keeps its place as the root.
func TestPartsThatAreCompressed(t *testing.T) {
	const (
		doc   = "Content-Type: application/xml\r\nContent-Disposition: attachment; filename=INV-1.xml\r\n\r\n<a/>"
		scan  = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: attachment; filename=s.pdf\r\n\r\n%PDF=00=\r\n-1"
		outer = "Content-ID: <doc@x>\r\nContent-Disposition: attachment; filename=smime.p7z\r\n"
	)
	for name, c := range map[string]struct {
		entity string
		files  []string
		names  []string
		root   int
	}{
		"the document":          {batch(`multipart/related; start="<doc@x>"`, scan, squeezedPart(t, outer, doc)), []string{"%PDF\x00-1", "<a/>"}, []string{"s.pdf", "INV-1.xml"}, 1},
		"an attachment":         {batch(`multipart/related`, doc, squeezedPart(t, "", scan)), []string{"<a/>", "%PDF\x00-1"}, []string{"INV-1.xml", "s.pdf"}, 0},
		"without a header":      {batch(`multipart/related`, doc, squeezedPart(t, "Content-Disposition: attachment; filename=raw.bin\r\n", "\x01\x02")), []string{"<a/>", "\x01\x02"}, []string{"INV-1.xml", "raw.bin"}, 0},
		"an empty name for it":  {batch(`multipart/related`, doc, squeezedPart(t, outer, "\x01\x02")), []string{"<a/>", "\x01\x02"}, []string{"INV-1.xml", ""}, 0},
		"several files inside":  {batch(`multipart/related`, doc, squeezedPart(t, "", strings.ReplaceAll(batch("multipart/related", scan, doc), "b 'x'", "inner"))), []string{"<a/>", "%PDF\x00-1", "<a/>"}, []string{"INV-1.xml", "s.pdf", "INV-1.xml"}, 0},
		"compressed once again": {batch(`multipart/related`, doc, squeezedPart(t, "", squeezedPart(t, "", scan))), []string{"<a/>", "%PDF\x00-1"}, []string{"INV-1.xml", "s.pdf"}, 0},
	} {
		opened, files, err := openBatch(t, c.entity, nil)
		if err != nil || fmt.Sprintf("%q", files) != fmt.Sprintf("%q", c.files) {
			t.Errorf("%s: %q, %v", name, files, err)
			continue
		}
		for i, p := range opened.Parts {
			if p.Filename != c.names[i] || p.Document != (i == c.root) {
				t.Errorf("%s: %+v", name, p)
			}
		}
		// The MIC is over the parts as they were sent.
		d := cms.SHA1.New()
		io.WriteString(d, c.entity)
		if !bytes.Equal(opened.MICs[0].Sum, d.Sum(nil)) || opened.Compressed || !strings.Contains(strings.Join(opened.Notes, "\n"), "was compressed by itself") {
			t.Errorf("%s: %+v", name, opened)
		}
	}
	good := squeezedPart(t, "", doc)
	several := squeezedPart(t, "", strings.ReplaceAll(batch("multipart/related", doc), "b 'x'", "inner"))
	for name, c := range map[string]struct{ part, modifier, says string }{
		"a wrong sum behind several files": {strings.Replace(several, several[len(several)-12:len(several)-10], "\xff\xff", 1), DecompressionFailed, ""},
		"cut short":                        {good[:len(good)-12], DecompressionFailed, ""},
		"no compression":                   {"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n<a/>", DecompressionFailed, ""},
		"a wrong sum":                      {strings.Replace(good, good[len(good)-12:len(good)-10], "\xff\xff", 1), DecompressionFailed, ""},
		"nested too deep":                  {squeezedPart(t, "", squeezedPart(t, "", squeezedPart(t, "", squeezedPart(t, "", squeezedPart(t, "", doc))))), UnexpectedProcessing, "nested deeper"},
		"a bomb":                           {squeezedPart(t, "", "Content-Type: multipart/mixed; boundary=b\r\n\r\n"+strings.Repeat("x", 64<<20)), UnexpectedProcessing, "it inflates to more than"},
	} {
		entity := batch("multipart/related", c.part)
		head, body, _ := strings.Cut(entity, "\r\n\r\n")
		if _, _, err := openBytes(plainly(strings.TrimPrefix(head, "Content-Type: ")), strings.NewReader(body), theirs()); modifierOf(err) != c.modifier || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q %v", name, modifierOf(err), err)
		}
	}
}

// What makes no sense as a batch is refused, at any layer.
func TestBrokenBatches(t *testing.T) {
	const doc = "Content-Type: a/b\r\n\r\nx"
	deep := doc
	for i := range 6 {
		deep = strings.ReplaceAll(batch("multipart/mixed", deep), "b 'x'", fmt.Sprint("level", i))
	}
	many := func(o *OpenOptions) { o.MaxParts = 3 }
	for name, c := range map[string]struct {
		entity   string
		change   func(*OpenOptions)
		modifier string
	}{
		"no part at all":      {batch("multipart/related"), nil, DecryptionFailed},
		"no closing boundary": {strings.Replace(batch("multipart/related", doc), "--\r\n", "", 1), nil, DecryptionFailed},
		"no boundary":         {"Content-Type: multipart/related\r\n\r\n--b\r\n\r\nx\r\n--b--", nil, DecryptionFailed},
		"boundary too long":   {"Content-Type: multipart/related; boundary=" + strings.Repeat("b", 300) + "\r\n\r\nx", nil, DecryptionFailed},
		"nested too deep":     {deep, nil, DecryptionFailed},
		"too many files":      {batch("multipart/related", doc, doc, doc, doc), many, UnexpectedProcessing},
		"a report":            {batch("multipart/report", doc), nil, DecryptionFailed},
	} {
		opened, _, err := openBatch(t, c.entity, c.change)
		if modifierOf(err) != c.modifier || opened != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if opened, _, err := openBatch(t, batch("multipart/related", doc, doc, doc), many); err != nil || len(opened.Parts) != 3 {
		t.Errorf("%+v, %v", opened, err)
	}
}

// Files are closed one by one, and a disk that fails is our fault, not the sender's.
func TestSinkThatFails(t *testing.T) {
	h := http.Header{"As2-From": {"A"}, "As2-To": {"B"}, "Message-Id": {"x"}}
	entity := batch("multipart/related", "\r\none", "\r\ntwo", "\r\nthree")
	head, body, _ := strings.Cut(entity, "\r\n\r\n")
	h.Set("Content-Type", strings.TrimPrefix(head, "Content-Type: "))
	e, err := ParseEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]func(i int) (io.WriteCloser, error){
		"opening": func(i int) (io.WriteCloser, error) {
			if i == 1 {
				return nil, errDisk
			}
			return nowhere{}, nil
		},
		"writing": func(i int) (io.WriteCloser, error) {
			if i == 1 {
				return nopCloser{failingWriter{}}, nil
			}
			return nowhere{}, nil
		},
		"closing": func(i int) (io.WriteCloser, error) { return failingCloser(i == 1), nil },
	} {
		var asked []int
		_, err := Open(e, strings.NewReader(body), func(p Part) (io.WriteCloser, error) {
			asked = append(asked, p.Index)
			return fail(p.Index)
		}, theirs())
		var f *Fault
		if errors.As(err, &f) || !errors.Is(err, errDisk) && !errors.Is(err, errNetwork) || len(asked) != 2 {
			t.Errorf("%s: %v, asked for %v", name, err, asked)
		}
	}
}

type failingCloser bool

func (failingCloser) Write(p []byte) (int, error) { return len(p), nil }
func (f failingCloser) Close() error {
	if f {
		return errDisk
	}
	return nil
}
