package xmlstream

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples are documents as they are in the trade, and documents that use everything that
// XML has.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"everything": []byte("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<!-- é -->\n<?p q?><!DOCTYPE a>\n" +
			"<a xmlns='u:1' xmlns:p=\"u:2\" b='1 &lt; 2' p:b=\"ü\n&#10;\">\n <p:c xmlns=''><d/></p:c>]] &amp;&#x20AC;<![CDATA[<x>&]]]>\r\n<e xml:lang='de'>日本 📎</e>\r</a>\n<?z?>"),
		"least": []byte("<a/>"),
	}
	for _, pattern := range []string{"../../testdata/ubl/*.xml", "../../testdata/samples/*/*.xml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if all[filepath.Base(file)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all) < 4 {
		t.Fatal("no documents under testdata")
	}
	return all
}

// mutate changes a few places as editors, programs and bad lines do.
func mutate(r *rand.Rand, doc []byte) []byte {
	doc = bytes.Clone(doc)
	const interesting = "<>&;/='\"!-[]?: \r\n\t:xa0#\x00\x01\x7f\x80\xc3\xe4\xff"
	for range 1 + r.IntN(2) {
		if len(doc) == 0 {
			return doc
		}
		i := r.IntN(len(doc))
		j := min(len(doc), i+r.IntN(12))
		switch r.IntN(9) {
		case 6, 7, 8: // what seldom harms
			doc[i] = "abcN01 .:\n"[r.IntN(10)]
		case 0:
			doc[i] = interesting[r.IntN(len(interesting))]
		case 1:
			doc = append(doc[:i], doc[j:]...)
		case 2:
			doc = append(doc[:j], append(bytes.Clone(doc[i:j]), doc[j:]...)...)
		case 3:
			doc = append(doc[:i], append([]byte{interesting[r.IntN(len(interesting))]}, doc[i:]...)...)
		case 4:
			doc = doc[:i]
		case 5:
			k := r.IntN(len(doc))
			piece := bytes.Clone(doc[k:min(len(doc), k+r.IntN(40))])
			doc = append(doc[:i], append(piece, doc[i:]...)...)
		}
	}
	return doc
}

// standard says what the standard library reads, as events does. Values are compared
// without their white space, which it does not normalise.
func standard(doc []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) { return nil, fmt.Errorf("charset %s", label) }
	var b, text strings.Builder
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return b.String(), err
		}
		if c, ok := token.(xml.CharData); ok {
			if depth > 0 {
				text.Write(c)
			}
			continue
		}
		flush := func() {
			if text.Len() > 0 {
				fmt.Fprintf(&b, "%q ", text.String())
				text.Reset()
			}
		}
		switch x := token.(type) {
		case xml.StartElement:
			flush()
			depth++
			fmt.Fprintf(&b, "<{%s}%s", space(x.Name.Space), x.Name.Local)
			for _, a := range x.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				fmt.Fprintf(&b, " {%s}%s=%q", space(a.Name.Space), a.Name.Local, a.Value)
			}
			b.WriteString("> ")
		case xml.EndElement:
			flush()
			depth--
			fmt.Fprintf(&b, "</{%s}%s> ", space(x.Name.Space), x.Name.Local)
		}
	}
}

func space(s string) string {
	if s == "xml" {
		return xmlSpace
	}
	return s
}

// plain takes white space in values out of a comparison.
func plain(s string) string {
	return strings.NewReplacer(`\n`, " ", `\t`, " ", "\n", " ", "\t", " ").Replace(s)
}

// agrees holds one document against the standard library, which lets a good deal through
// that is not well-formed, but reads what is.
func agrees(t testing.TB, doc []byte) {
	t.Helper()
	got, err := inEveryPiece(t, string(doc))
	if err != nil {
		return
	}
	want, wantErr := standard(doc)
	if wantErr != nil {
		for _, known := range []string{
			"charset",                  // we know more of them
			"unsupported version",      // XML 1.0, fifth edition, 2.8: 1.1 to 1.9 are read as 1.0
			"invalid XML name",         // it has the names of the fourth edition
			"expected element name",    // the same
			"expected attribute name",  // the same
			"expected target name",     // the same
			"invalid character entity", // it knows no more than six hexadecimal digits
		} {
			if strings.Contains(wantErr.Error(), known) && (known == "charset" || known == "unsupported version" || !isASCII(doc)) {
				return
			}
		}
		t.Fatalf("%q\nwe read it, the standard library says %v", doc, wantErr)
	}
	if plain(got) != plain(want) {
		t.Fatalf("%q\nwe                    %s\nthe standard library  %s", doc, got, want)
	}
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func TestLikeTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2026))
	for name, doc := range samples(t) {
		if _, err := inEveryPiece(t, string(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		agrees(t, doc)
		rounds := 20_000_000 / share / (len(doc) + 10_000)
		for range rounds {
			agrees(t, mutate(r, doc))
		}
	}
}
