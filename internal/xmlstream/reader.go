package xmlstream

import (
	"fmt"
	"io"

	"golang.org/x/text/encoding/charmap"
)

// windowBytes is what of the input is held at once. A name always fits.
const windowBytes = 64 << 10

// place is what part of a document is being read.
type place uint8

const (
	atBegin place = iota // nothing was read
	inProlog
	inContent
	inEpilog
)

// element is an open one.
type element struct {
	name  Name
	start int // of its name as written, in Reader.names
	bound int // declarations before it
	line  int // where it was opened
}

// binding is a namespace declaration in scope.
type binding struct{ prefix, space string }

// Reader pulls tokens from a document. It is not for use by several at once.
type Reader struct {
	src    io.Reader
	limits Limits
	err    error // what Next says from now on

	buf      []byte
	pos, end int   // the window: what is read and not yet used is buf[pos:end]
	base     int64 // offset of buf[0]
	srcErr   error // io.EOF, or why nothing more can be read

	line      int
	lineStart int64 // offset at which it begins
	trailing  int64 // bytes in it that begin no character

	encoding string           // its name, as in the declaration
	single   *charmap.Charmap // of a single-byte encoding; nil for UTF-8 and ASCII
	ascii    bool             // nothing above 0x7f is accepted
	marked   bool             // with a byte order mark

	place   place
	cdata   bool // inside of a CDATA section
	doctype bool // a document type was seen
	closing bool // the end of an empty element comes next

	open  []element
	bound []binding
	names []byte // of the open elements, as written
	held  int    // bytes in names and bound

	tok     Token
	scratch []byte // names and values of the tag that is being read
	piece   [8]byte
	raw     []rawAttr
	seen    map[Name]struct{}
	known   map[string]string
}

// NewReader returns a reader of one document. Errors of src come out as they are.
func NewReader(src io.Reader, limits Limits) *Reader {
	return &Reader{
		src: src, limits: limits.withDefaults(), buf: make([]byte, windowBytes), line: 1,
		bound: []binding{{"xml", xmlSpace}}, seen: map[Name]struct{}{}, known: map[string]string{},
	}
}

// Next returns the next token, io.EOF behind a document that is well-formed to its end, a
// *SyntaxError, or what reading the source returned. Every error is final.
func (r *Reader) Next() (*Token, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.next(); err != nil {
		if r.srcErr != nil && r.srcErr != io.EOF && err != io.EOF && r.pos == r.end {
			err = r.srcErr // the document ends here only because no more of it can be read
		}
		r.err = err
		return nil, err
	}
	return &r.tok, nil
}

// Space is the namespace that a prefix stands for at this place, with "" for the default.
func (r *Reader) Space(prefix string) (space string, ok bool) {
	for i := len(r.bound) - 1; i >= 0; i-- {
		if r.bound[i].prefix == prefix {
			return r.bound[i].space, r.bound[i].space != ""
		}
	}
	return "", false
}

// Prefix is the prefix that stands for a namespace at this place: the default namespace
// first, then the latest declaration.
func (r *Reader) Prefix(space string) (prefix string, ok bool) {
	if got, ok := r.Space(""); ok && got == space {
		return "", true
	}
	for i := len(r.bound) - 1; i >= 0; i-- {
		b := r.bound[i]
		if b.space != space {
			continue
		}
		if got, _ := r.Space(b.prefix); got == space { // not hidden by another declaration
			return b.prefix, true
		}
	}
	return "", false
}

// Encodes reports whether the document's encoding has the character.
func (r *Reader) Encodes(c rune) bool {
	switch {
	case r.ascii:
		return c < 0x80
	case r.single != nil:
		_, ok := r.single.EncodeRune(c)
		return ok
	}
	return true
}

// Encode writes text, of characters that Encodes knows, in the document's encoding.
func (r *Reader) Encode(text string) []byte {
	if r.single == nil {
		return []byte(text)
	}
	b := make([]byte, 0, len(text))
	for _, c := range text {
		x, _ := r.single.EncodeRune(c)
		b = append(b, x)
	}
	return b
}

// next makes the next token.
func (r *Reader) next() error {
	if r.place == atBegin {
		if err := r.begin(); err != nil {
			return err
		}
	}
	if r.closing {
		return r.endEmpty()
	}
	for {
		if !r.ensure(1) {
			return r.finish()
		}
		r.mark()
		if r.cdata || r.buf[r.pos] != '<' {
			done, err := r.text()
			if done || err != nil {
				return err
			}
			continue
		}
		r.ensure(2)
		switch r.peek(1) {
		case '!':
			if err := r.declaration(); err != nil {
				return err
			}
		case '?':
			if err := r.instruction(); err != nil {
				return err
			}
		case '/':
			return r.endTag()
		default:
			return r.startTag()
		}
	}
}

// finish is the end of the input.
func (r *Reader) finish() error {
	switch {
	case r.cdata:
		return r.fault("the document ends inside of a CDATA section")
	case len(r.open) > 0:
		e := r.open[len(r.open)-1]
		return r.fault("the document ends inside of <%s>, which was opened in line %d", r.names[e.start:], e.line)
	case r.place == inEpilog:
		if r.srcErr != io.EOF {
			return r.srcErr
		}
		return io.EOF
	case r.base+int64(r.pos) == 0:
		return r.fault("the document is empty")
	}
	return r.fault("the document has no element")
}

// mark lets the token begin here.
func (r *Reader) mark() {
	r.tok = Token{Attr: r.tok.Attr[:0], Offset: r.offset()}
	r.tok.Line, r.tok.Column = r.position()
}

func (r *Reader) offset() int64 { return r.base + int64(r.pos) }

// position is the line and column of the next byte.
func (r *Reader) position() (line, column int) {
	return r.line, int(r.offset()-r.lineStart-r.trailing) + 1
}

// fault is a SyntaxError at the next byte.
func (r *Reader) fault(format string, args ...any) error {
	line, column := r.position()
	return &SyntaxError{line, column, fmt.Sprintf(format, args...)}
}

// ensure makes n bytes available if the document has them.
func (r *Reader) ensure(n int) bool {
	for r.end-r.pos < n {
		if !r.more() {
			return false
		}
	}
	return true
}

// more reads at least one byte behind the window. Only what is before pos is given up.
func (r *Reader) more() bool {
	if r.srcErr != nil {
		return false
	}
	if r.pos == r.end || len(r.buf)-r.end < windowBytes/4 {
		copy(r.buf, r.buf[r.pos:r.end])
		r.base += int64(r.pos)
		r.end -= r.pos
		r.pos = 0
	}
	for range 100 { // a source that returns nothing for ever
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.srcErr = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	r.srcErr = io.ErrNoProgress
	return false
}

// peek is the byte that i others precede; zero, which no document contains, behind the end.
func (r *Reader) peek(i int) byte {
	if r.pos+i < r.end {
		return r.buf[r.pos+i]
	}
	return 0
}

// at reports whether the document goes on like this.
func (r *Reader) at(s string) bool {
	r.ensure(len(s))
	return r.end-r.pos >= len(s) && string(r.buf[r.pos:r.pos+len(s)]) == s
}

// skip passes n bytes over that are ASCII and no line end.
func (r *Reader) skip(n int) { r.pos += n }

// white passes white space over and reports whether there was any.
func (r *Reader) white() bool {
	any := false
	for r.ensure(1) {
		switch r.buf[r.pos] {
		case '\n':
			r.pos++
			r.newline()
		case ' ', '\t', '\r':
			r.pos++
		default:
			return any
		}
		any = true
	}
	return any
}

// newline says that the byte before pos ended a line.
func (r *Reader) newline() {
	r.line++
	r.lineStart, r.trailing = r.offset(), 0
}
