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
