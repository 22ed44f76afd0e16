package embedded

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// Limits bound what is taken out of one document. Zero is the default, less than zero is
// nothing at all.
type Limits struct {
	Objects int   // default 10,000
	Bytes   int64 // of all of them together, decoded; default 256 GiB
}

func (l Limits) withDefaults() Limits {
	return Limits{max(cmp.Or(l.Objects, 10_000), 0), max(cmp.Or(l.Bytes, 256<<30), 0)}
}

// Object is a file that was embedded in a document.
type Object struct {
	// Name is the file name that the document gives, without folders; where it gives none,
	// the identifier of the reference, or attachment-N, with an extension for its type. It
	// is from outside, no name for a disk, and need not be the only one of its kind.
	Name     string
	MIMECode string // as written, empty if it is not
	ID       string // of the reference, empty if it has none

	Size         int64
	SHA256       [sha256.Size]byte
	Line, Column int // where it begins, from 1
}

// Extract reads a document to its end and writes each embedded file that has content to
// what create returns for it, which gets what is known before it is read. Nothing is
// taken out of a document of another kind: it is Unknown, without error, and not read
// any further.
//
// An *Error says what is wrong with the document, and that what was written is void; other
// errors are those of src and of create and its writers.
func Extract(src io.Reader, limits Limits, create func(i int, o Object) (io.WriteCloser, error)) (Kind, []Object, error) {
	e := &extraction{w: newWalker(src), limits: limits.withDefaults(), create: create}
	e.w.onData, e.w.onEnd = e.data, e.end
	for {
		_, err := e.w.next()
		switch {
		case err == io.EOF:
			return e.w.kind, e.objects, nil
		case err != nil:
			if e.out != nil {
				e.out.Close() // the error that ended it counts
			}
			return e.w.kind, nil, err
		case e.w.kind == Unknown:
			return Unknown, nil, nil
		}
	}
}

// extraction is under way.
type extraction struct {
	w       *walker
	limits  Limits
	create  func(i int, o Object) (io.WriteCloser, error)
	objects []Object
	total   int64

	out     io.WriteCloser // of the object that is read; nil before its first byte
	decoder decoder
}

// data decodes a piece of content.
func (e *extraction) data(s *slot, b *binary, t *xmlstream.Token) error {
	if !b.content {
		return nil
	}
	if e.out == nil {
		if err := e.begin(s, b); err != nil {
			return err
		}
	}
	return e.decoder.write(t)
}

// begin makes the file.
func (e *extraction) begin(s *slot, b *binary) error {
	if len(e.objects) == e.limits.Objects {
		return &Error{b.line, b.column, fmt.Sprintf("more than %d embedded objects", e.limits.Objects), tooMuch}
	}
	o := Object{Name: nameOf(s, b, len(e.objects)+1), MIMECode: b.mimeCode, ID: s.id, Line: b.line, Column: b.column}
	out, err := e.create(len(e.objects), o)
	if err != nil {
		return err
	}
	e.objects, e.out = append(e.objects, o), out
	e.decoder = decoder{out: out, sum: sha256.New(), left: e.limits.Bytes - e.total, limit: e.limits.Bytes, buf: e.decoder.buf, raw: e.decoder.raw}
	return nil
}

const tooMuch = "ask the partner whether this is meant; what is accepted at most has limits"

// end completes the file.
func (e *extraction) end(t *xmlstream.Token) error {
	if e.out == nil {
		return nil
	}
	err := e.decoder.end(t.Line, t.Column)
	out := e.out
	e.out = nil
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	o := &e.objects[len(e.objects)-1]
	o.Size = e.decoder.written
	e.decoder.sum.Sum(o.SHA256[:0])
	e.total += o.Size
	return err
}

// nameOf is the name of an embedded file.
func nameOf(s *slot, b *binary, number int) string {
	if name := base(b.name); name != "" {
		return name
	}
	if names := s.elsewhere(); len(names) > 0 {
		return names[0]
	}
	name := cmp.Or(base(s.id), "attachment-"+strconv.Itoa(number))
	ext := cmp.Or(extensionOf(b.mimeCode), ".bin")
	if own := path.Ext(name); strings.EqualFold(own, ext) || own != "" && mimeCode(name) == mimeCode("x"+ext) {
		return name
	}
	return name + ext
}
