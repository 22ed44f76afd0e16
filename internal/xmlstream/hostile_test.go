package xmlstream

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// endless repeats a pattern up to a number of bytes.
type endless struct {
	pattern string
	left    int64
	at      int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), e.left)]
	for n := 0; n < len(b); {
		k := copy(b[n:], e.pattern[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.pattern)
	}
	e.left -= int64(len(b))
	return len(b), nil
}

// around is begin, so many bytes of a pattern, end.
func around(begin, pattern string, bytes int64, end string) io.Reader {
	pattern = strings.Repeat(pattern, 1+100_000/len(pattern))
	return io.MultiReader(strings.NewReader(begin), &endless{pattern: pattern, left: bytes}, strings.NewReader(end))
}

// allocated is what this process has taken from the heap so far, bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// What is refused is refused early, whatever follows, and what is accepted is read in the
// memory of a small document.
func TestHostileDocuments(t *testing.T) {
	const many = (16 << 20) / min(share, 2) // more than what is held at most, in references
	for _, c := range []struct {
		name string
		src  io.Reader
		want string // the fault, empty for none
	}{
		{"billion laughs", strings.NewReader(`<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("ha", 1000) + `">]><a>&b;</a>`), "line 1, column 13: the document type declares entities"},
		{"entities from a file", strings.NewReader(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), "line 1, column 13: the document type declares entities"},
		{"an entity from elsewhere", strings.NewReader(`<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a>&b;</a>`), "line 1, column 48: the entity &b; is not defined"},
		{"deep", around("", "<a>", many, ""), "line 1, column 769: more than 256 elements"},
		{"deep in names of their own", around("", "<a b='c' xmlns='d'>", many, ""), "line 1, column 4855: too many namespaces"},
		{"attributes", around("<a", " b='c'", many, "/>"), "line 1, column 1540: more than 256 attributes"},
		{"an endless attribute", around("<a b='", "c", many, "'/>"), "line 1, column 1048582: more than 1048576 bytes in one tag"},
		{"an attribute of references", around("<a b='", "&lt;", many, "'/>"), "more than 1048576 bytes in one tag"},
		{"an endless name", around("<", "a", many, "/>"), "a name is longer than 1024 bytes"},
		{"an endless name of an end", around("<a></", "a", many, ">"), "a name is longer than 1024 bytes"},
		{"an endless entity", around("<a>&", "a", many, ";</a>"), "line 1, column 4: & begins no reference"},
		{"an endless target", around("<?", "a", many, "?><a/>"), "a name is longer than 1024 bytes"},
		{"long names, deep", around("", "<"+strings.Repeat("n", 1000)+" xmlns:p='"+strings.Repeat("u", 100_000)+"'>", many, ""), "more than 1048576 bytes in one tag and the names around it"},
		{"an endless number", around("<a>&#", "0", many, "65;</a>"), ""},
		{"an endless comment", around("<a><!--", "- x ", many, "--></a>"), ""},
		{"an endless instruction", around("<a><?p ", "? x>", many, "?></a>"), ""},
		{"an endless document type", around("<!DOCTYPE a SYSTEM '", "x", many/8, "'><a/>"), ""},
		{"endless CDATA", around("<a><![CDATA[", "<]&> ]]", many/7*7, "]]></a>"), ""},
		{"brackets", around("<a>", "]", many/8, "</a>"), ""},
		{"references", around("<a>", "&lt;", many, "</a>"), ""},
		{"white space before the root", around("", " \n", many, "<a/>"), ""},
		{"white space in a tag", around("<a", " \n", many, "/>"), ""},
		{"empty elements", around("<a>", "<b/>", many, "</a>"), ""},
		{"another name each time", io.MultiReader(strings.NewReader("<a>"), &names{n: 1_000_000 / share}, strings.NewReader("</a>")), ""},
		{"long lines of characters", around("<a>", "日本", many/6*6, "</a>"), ""},
	} {
		before := allocated()
		err := Check(c.src, Limits{})
		if used := allocated() - before; c.name != "another name each time" && used > 24<<20 {
			t.Errorf("%s: %d MiB", c.name, used>>20)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// names are empty elements, each with another name.
type names struct {
	n    int
	rest string
}

func (s *names) Read(b []byte) (int, error) {
	if s.rest == "" {
		if s.n == 0 {
			return 0, io.EOF
		}
		s.n--
		s.rest = fmt.Sprintf("<n%d c%d='v%d'/>", s.n, s.n, s.n)
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Names that never come again are not remembered for ever.
func TestNamesAreForgotten(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("<a>"), &names{n: 100_000}, strings.NewReader("</a>")), Limits{})
	for {
		if _, err := r.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(r.known) > 1024 || len(r.buf) != windowBytes || cap(r.scratch) > 1<<10 || cap(r.open) > 16 {
		t.Errorf("%d names, %d bytes of scratch, %d elements", len(r.known), cap(r.scratch), cap(r.open))
	}
}

// An attachment of 2 GiB in one text takes what a small document takes.
func TestTwoGigabytesInOneText(t *testing.T) {
	const size = (2 << 30) / share
	before := allocated()
	r := NewReader(around("<a>", "QUJD", size, "</a>"), Limits{})
	var n int64
	for {
		token, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += int64(len(token.Data))
	}
	if n != size {
		t.Errorf("%d bytes of text", n)
	}
	if used := allocated() - before; used > 1<<20 {
		t.Errorf("%d KiB for them", used>>10)
	}
}

// The limits are those that the caller sets, and the last of each is accepted.
func TestLimits(t *testing.T) {
	limits := Limits{Depth: 3, Attributes: 3, Namespaces: 4, NameBytes: 7, HeldBytes: 30}
	for doc, want := range map[string]string{
		"<a><a><a/></a></a>":                                                "",
		"<a><a><a><a/></a></a></a>":                                         "line 1, column 10: more than 3 elements are inside of each other",
		"<a b='' c='' d=''/>":                                               "",
		"<a b='' c='' d='' e=''/>":                                          "line 1, column 19: more than 3 attributes in one tag",
		"<a xmlns:b='u'><b xmlns:c='u'/></a>":                               "",
		"<a xmlns:b='u'><b xmlns:c='u' xmlns:d='u' xmlns:e='u'/></a>":       "line 1, column 43: too many namespaces are declared",
		"<abcdefg/>":                                                        "",
		"<abcdefgh/>":                                                       "line 1, column 10: a name is longer than 7 bytes",
		"<a b='" + strings.Repeat("x", 28) + "'/>":                          "",
		"<a b='" + strings.Repeat("x", 29) + "'/>":                          "line 1, column 36: more than 30 bytes in one tag and the names around it",
		"<abcde><a b='" + strings.Repeat("x", 24) + "'/></abcde>":           "line 1, column 38: more than 30 bytes in one tag and the names around it",
		"<a><abcde/><a b='" + strings.Repeat("x", 27) + "'/></a>":           "",
		"<a><a xmlns='abcde'/><a b='" + strings.Repeat("x", 27) + "'/></a>": "",
	} {
		if got := fmt.Sprint(Check(strings.NewReader(doc), limits)); got != want && (want != "" || got != "<nil>") {
			t.Errorf("%s\ngot  %s\nwant %s", doc, got, want)
		}
	}
}
