package xmlstream

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// events reads a document to its end and writes what it says, pieces of text put
// together. It holds every token against the bytes it says it was.
func events(t testing.TB, src io.Reader, doc string, limits Limits) (string, error) {
	t.Helper()
	r := NewReader(src, limits)
	var b, text strings.Builder
	var last int64
	for {
		token, err := r.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return b.String(), err
		}
		if token.Offset < last || token.End < token.Offset || token.End > int64(len(doc)) {
			t.Fatalf("token from %d to %d behind one that ends at %d, of %d bytes", token.Offset, token.End, last, len(doc))
		}
		last = token.End
		raw := doc[token.Offset:token.End]
		if token.Kind == Text {
			if len(token.Data) == 0 {
				t.Fatalf("an empty piece of text at %d", token.Offset)
			}
			text.Write(token.Data)
			continue
		}
		if text.Len() > 0 {
			fmt.Fprintf(&b, "%q ", text.String())
			text.Reset()
		}
		qname := token.Name.Local
		if token.Name.Prefix != "" {
			qname = token.Name.Prefix + ":" + qname
		}
		switch {
		case token.Kind == Start:
			if r.encoding == "UTF-8" && !strings.HasPrefix(raw, "<"+qname) || !strings.HasSuffix(raw, ">") || token.Empty != strings.HasSuffix(raw, "/>") {
				t.Fatalf("the start tag of %s is %q", qname, raw)
			}
			fmt.Fprintf(&b, "<{%s}%s", token.Name.Space, token.Name.Local)
			for _, a := range token.Attr {
				fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
			}
			b.WriteString("> ")
		case raw != "" && (r.encoding == "UTF-8" && !strings.HasPrefix(raw, "</"+qname) || !strings.HasSuffix(raw, ">")):
			t.Fatalf("the end tag of %s is %q", qname, raw)
		default:
			fmt.Fprintf(&b, "</{%s}%s> ", token.Name.Space, token.Name.Local)
		}
	}
}

// inEveryPiece reads a document whole and byte by byte: it must say the same.
func inEveryPiece(t testing.TB, doc string) (string, error) {
	t.Helper()
	got, err := events(t, strings.NewReader(doc), doc, Limits{})
	slow, slowErr := events(t, iotest.OneByteReader(strings.NewReader(doc)), doc, Limits{})
	if fmt.Sprint(err) != fmt.Sprint(slowErr) || err == nil && got != slow {
		t.Fatalf("%.200q\nat once        %s, %v\nbyte by byte   %s, %v", doc, got, err, slow, slowErr)
	}
	return got, err
}

func TestWhatADocumentSays(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"the least", `<a/>`, `<{}a> </{}a> `},
		{"white space around", " \r\n\t<a></a>\r\n \n", `<{}a> </{}a> `},
		{"declaration", `<?xml version="1.0"?><a/>`, `<{}a> </{}a> `},
		{"all of the declaration", "<?xml version = '1.0'\n encoding='utf-8' standalone=\"yes\" ?>\n<a/>", `<{}a> </{}a> `},
		{"version and standalone", `<?xml version="1.0" standalone='no'?><a/>`, `<{}a> </{}a> `},
		{"byte order mark", "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a>ä</a>", `<{}a> "ä" </{}a> `},
		{"byte order mark alone", "\xef\xbb\xbf<a/>", `<{}a> </{}a> `},
		{"nothing of a declaration", `<?xml-stylesheet href="a.xsl"?><a/>`, `<{}a> </{}a> `},
		{"comments and instructions", `<!-- - <& --><?p?><a><!----><?p <>&?>t<!-- x -->u</a><?p ??><!-- y -->`, `<{}a> "tu" </{}a> `},
		{"references", `<a b="&lt;&#x41;&quot;">&amp;&gt;&apos;&#228;&#x1F4CE;&#000000000000000000065;</a>`, `<{}a {}b="<A\""> "&>'ä📎A" </{}a> `},
		{"CDATA", `<a>x<![CDATA[<&]] ]>]]]]><![CDATA[>]]></a>`, `<{}a> "x<&]] ]>]]>" </{}a> `},
		{"brackets", `<a>] ]] ]>]] ></a>`, `<{}a> "] ]] ]>]] >" </{}a> `},
		{"line ends", "<a b='1\r\n2\r3\n4\t5&#10;6'>1\r\n2\r3\n\r4\r\r\n5&#13;</a>", `<{}a {}b="1 2 3 4 5\n6"> "1\n2\n3\n\n4\n\n5\r" </{}a> `},
		{"namespaces", `<a xmlns="u:1" xmlns:p="u:2" c="1" p:c="2"><p:b xmlns=""><d/></p:b><e xmlns:p="u:3"><p:f/></e><p:g xml:lang="de"/></a>`,
			`<{u:1}a {}c="1" {u:2}c="2"> <{u:2}b> <{}d> </{}d> </{u:2}b> <{u:1}e> <{u:3}f> </{u:3}f> </{u:1}e> <{u:2}g {http://www.w3.org/XML/1998/namespace}lang="de"> </{u:2}g> </{u:1}a> `},
		{"a prefix declared behind its use", `<p:a p:b="1" xmlns:p="u"/>`, `<{u}a {u}b="1"> </{u}a> `},
		{"white space in tags", "<a\n\tb = '1'\r\nc=\"2\"\n></a\n >", `<{}a {}b="1" {}c="2"> </{}a> `},
		{"quotes in quotes", `<a b='"' c="'"/>`, `<{}a {}b="\"" {}c="'"> </{}a> `},
		{"names", `<Straße ä·1='x'><日本/><_-.1/></Straße>`, `<{}Straße {}ä·1="x"> <{}日本> </{}日本> <{}_-.1> </{}_-.1> </{}Straße> `},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe4'>Stra\xdfe\x85</a>", "<{}a {}b=\"ä\"> \"Straße\\u0085\" </{}a> "},
		{"Latin-9", "<?xml version='1.0' encoding='iso-8859-15'?><a>\xa4</a>", `<{}a> "€" </{}a> `},
		{"names in Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><\xe4/>", "<{}ä> </{}ä> "},
		{"windows-1252", "<?xml version='1.0' encoding='Windows-1252'?><a>\x80</a>", `<{}a> "€" </{}a> `},
		{"windows-1250", "<?xml version='1.0' encoding='windows-1250'?><a>\x8a</a>", `<{}a> "Š" </{}a> `},
		{"ASCII", "<?xml version='1.0' encoding='US-ASCII'?><a>&#228;</a>", `<{}a> "ä" </{}a> `},
		{"a document type", `<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.024/cXML.dtd"><cXML/>`, `<{}cXML> </{}cXML> `},
		{"a public document type", "<!DOCTYPE a PUBLIC '-//X//DTD Y 1.0//EN'\n \"y>[.dtd\" ><a/>", `<{}a> </{}a> `},
		{"a bare document type", `<!DOCTYPE a><a/>`, `<{}a> </{}a> `},
		{"the last characters", "<a>\ud7ff\ue000\ufffd\U00010000\U0010ffff\x7f\u0080</a>", "<{}a> \"\\ud7ff\\ue000�𐀀\\U0010ffff\\x7f\\u0080\" </{}a> "},
	} {
		if got, err := inEveryPiece(t, c.doc); err != nil || got != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

// Text comes as it stands: a long one without copying, and nothing is lost where windows meet.
func TestTextOverManyWindows(t *testing.T) {
	for _, unit := range []string{"QUJD", "ä", "日x", "📎", "\r\n", "]]", "&amp;", "a\r"} {
		for shift := range 5 {
			body := strings.Repeat(" ", shift) + strings.Repeat(unit, 200_000/len(unit))
			doc := "<a>" + body + "</a>"
			want := strings.NewReplacer("\r\n", "\n", "\r", "\n", "&amp;", "&").Replace(body)
			if got, err := events(t, strings.NewReader(doc), doc, Limits{}); err != nil || got != fmt.Sprintf("<{}a> %q </{}a> ", want) {
				t.Errorf("%q shifted by %d: %d bytes, %v", unit, shift, len(got), err)
			}
		}
	}
}

// Names, values and references are whole, wherever a window ends.
func TestTagsOverManyWindows(t *testing.T) {
	tag := "<prefix:element xmlns:prefix='u:ü' attribute=\"wert &amp; ü\">&#228;<![CDATA[x]]></prefix:element>"
	doc := "<a>" + strings.Repeat(tag, 2000) + "</a>"
	want := "<{}a> " + strings.Repeat("<{u:ü}element {}attribute=\"wert & ü\"> \"äx\" </{u:ü}element> ", 2000) + "</{}a> "
	if got, err := events(t, strings.NewReader(doc), doc, Limits{}); err != nil || got != want {
		t.Errorf("%.300s, %v", got, err)
	}
}

func TestWhereATokenStands(t *testing.T) {
	doc := "\xef\xbb\xbf<a>\r\n <b>ä\n ß</b>\n</a>"
	r := NewReader(strings.NewReader(doc), Limits{})
	var got []string
	for {
		token, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		place := fmt.Sprintf("%d:%d", token.Line, token.Column)
		if token.Kind == Text {
			line, column := token.At(len(token.Data))
			place += fmt.Sprintf("-%d:%d", line, column)
		}
		got = append(got, place)
	}
	want := "1:1 1:5-2:2 2:2 2:5-3:3 3:3 3:7-4:1 4:1"
	if got := strings.Join(got, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is in scope is that around the next thing: behind a start tag inside of the
// element, behind an end tag outside of it.
func TestNamespacesInScope(t *testing.T) {
	r := NewReader(strings.NewReader(`<a xmlns="u:1" xmlns:p="u:2" xmlns:q="u:2"><b xmlns="" xmlns:q="u:3"/></a>`), Limits{})
	state := func() string {
		one, ok1 := r.Prefix("u:1")
		two, ok2 := r.Prefix("u:2")
		space, ok := r.Space("")
		return fmt.Sprintf("%d %s %v, %s %v, %s %v", len(r.open), one, ok1, two, ok2, space, ok)
	}
	for _, want := range []string{
		"1  true, q true, u:1 true",
		"2  false, p true,  false",
		"1  true, q true, u:1 true",
		"0  false,  false,  false",
	} {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCharactersOfTheEncoding(t *testing.T) {
	for _, c := range []struct {
		declared   string
		has, lacks string
		encoded    string
	}{
		{"UTF-8", "ä€📎", "", "ä€📎"},
		{"US-ASCII", "a", "ä", "a"},
		{"ISO-8859-1", "ä", "€", "\xe4"},
		{"ISO-8859-15", "ä€", "📎", "\xe4\xa4"},
		{"windows-1252", "€", "📎", "\x80"},
	} {
		r := NewReader(strings.NewReader("<?xml version='1.0' encoding='"+c.declared+"'?><a/>"), Limits{})
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		for _, x := range c.has {
			if !r.Encodes(x) {
				t.Errorf("%s: lacks %c", c.declared, x)
			}
		}
		for _, x := range c.lacks {
			if r.Encodes(x) {
				t.Errorf("%s: has %c", c.declared, x)
			}
		}
		if got := string(r.Encode(c.has)); got != c.encoded {
			t.Errorf("%s: %q", c.declared, got)
		}
	}
}

// What reading returns comes out as it is, not as a fault of the document.
func TestSourceThatFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, doc := range []string{"", "<a", "<a b='", "<a>", "<a>text", "<a>&am", "<a><![CDATA[", "<a><!--", "<a/>", "<?xml version"} {
		src := io.MultiReader(strings.NewReader(doc), iotest.ErrReader(broken))
		if err := Check(src, Limits{}); err != broken {
			t.Errorf("%q: %v", doc, err)
		}
	}
	if err := Check(lazy{}, Limits{}); err != io.ErrNoProgress {
		t.Errorf("a source that returns nothing: %v", err)
	}
}

type lazy struct{}

func (lazy) Read([]byte) (int, error) { return 0, nil }
