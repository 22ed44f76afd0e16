// Package xmlstream reads XML 1.0 with namespaces, documents of any size in constant memory.
//
// A Reader is pulled. Start and end tags come whole, text comes in pieces, and each
// token says which bytes of the input it was, so that whoever changes one place of a
// document copies everything else byte for byte:
//
//	r := xmlstream.NewReader(file, xmlstream.Limits{})
//	for {
//		t, err := r.Next()
//		if err == io.EOF {
//			return nil // well-formed to its end
//		}
//		if err != nil {
//			return err // line 12, column 7: ...
//		}
//		switch t.Kind { ... }
//	}
//
// It is as strict as the recommendation: what it takes to its end is well-formed, and
// namespace-well-formed. Comments and instructions are checked and passed over. The
// document may be in UTF-8, US-ASCII or a single-byte character set of Europe, which all
// contain ASCII, and comes out as UTF-8. UTF-16 is refused with what to do.
//
// Nothing is ever fetched or expanded: a document type without declarations of its own is
// passed over, one with declarations is refused, and the only entities are the five of
// XML. Depth, names, attributes and what is held at once have limits, nothing recurses,
// and no time grows with more than the size of the input.
package xmlstream

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
)

// Kind is what a token is.
type Kind uint8

// The kinds of tokens.
const (
	Start Kind = iota + 1 // a start tag, or one of an empty element: then the end comes next
	End                   // an end tag
	Text                  // a piece of text: the pieces up to the next tag belong together
)

// Name is a name with its namespace.
type Name struct {
	Space  string // the namespace, empty for none
	Prefix string // as written, empty for none
	Local  string
}

// Is reports whether it is this name in this namespace, whatever its prefix.
func (n Name) Is(space, local string) bool { return n.Local == local && n.Space == space }

// Attr is an attribute that is no namespace declaration. Its value is normalised as the
// recommendation says (3.3.3).
type Attr struct {
	Name  Name
	Value string
}

// Token is valid until the next call of Next.
type Token struct {
	Kind  Kind
	Name  Name   // of tags
	Attr  []Attr // of start tags
	Empty bool   // a start tag that is its own end: <a/>
	Data  []byte // of text, in UTF-8; references are resolved, line ends are \n

	// The bytes of the input from Offset up to, not including, End. The end of an empty
	// element has none.
	Offset, End int64
	// Where it begins, both from 1; columns count characters.
	Line, Column int
}

// Value is that of the attribute without namespace, empty if there is none.
func (t *Token) Value(local string) string {
	for _, a := range t.Attr {
		if a.Name.Is("", local) {
			return a.Value
		}
	}
	return ""
}

// At is where byte i of a piece of text stands in the document.
func (t *Token) At(i int) (line, column int) {
	line, column = t.Line, t.Column
	for _, c := range t.Data[:i] {
		switch {
		case c == '\n':
			line, column = line+1, 1
		case c&0xc0 != 0x80:
			column++
		}
	}
	return line, column
}

// Limits bound what a document may ask for. Zero is the default.
type Limits struct {
	Depth      int // open elements; default 256, as libxml2 has it
	Attributes int // of one tag, declarations of namespaces among them; default 256
	Namespaces int // declarations in scope; default 256
	NameBytes  int // of one name; default 1024
	HeldBytes  int // names and namespaces of the open elements and one tag; default 1 MiB
}

func (l Limits) withDefaults() Limits {
	l.Depth = cmp.Or(l.Depth, 256)
	l.Attributes = cmp.Or(l.Attributes, 256)
	l.Namespaces = cmp.Or(l.Namespaces, 256)
	l.NameBytes = cmp.Or(l.NameBytes, 1<<10)
	l.HeldBytes = cmp.Or(l.HeldBytes, 1<<20)
	return l
}

// SyntaxError says where a document stops being well-formed, or within the limits.
type SyntaxError struct {
	Line, Column int // from 1; columns count characters
	Fact         string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Fact)
}

// Begins reports whether a file whose first bytes are these is meant to be XML: behind a
// mark of UTF-8 and white space stands a tag.
func Begins(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<"))
}

// Check reads to the end and says what the first fault is.
func Check(src io.Reader, limits Limits) error {
	r := NewReader(src, limits)
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
