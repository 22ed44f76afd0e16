package embedded

import (
	"bytes"
	"io"
	"strings"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// role is what an open element means here.
type role uint8

const (
	other    role = iota
	holder        // of an attachment: a slot
	external      // cac:ExternalReference
	object        // the content itself
	identifier
	location
	fileName
)

// slot is a place for one attachment, or in CII for several.
type slot struct {
	id       string // of the reference that it belongs to
	uri      string // where the content is, as written
	fileName string // of an external reference in UBL
	objects  []binary
	line     int
	column   int

	inside  int64  // offset at which the next object can be put in; zero in an empty element
	indent  string // before it
	names   scope  // how to write it there
	entered bool   // the first child was seen
}

// binary is one embedded object.
type binary struct {
	name, mimeCode string
	hasMIME        bool
	content        bool  // it has some
	tag            int64 // where its start tag ends
	qname          string
	empty          bool // <object/>
	line, column   int
}

// frame is an open element.
type frame struct {
	role role
	id   string
	slot *slot
}

// walker goes through a document and knows what its elements mean. The functions are
// called if they are there.
type walker struct {
	r    *xmlstream.Reader
	kind Kind
	open []frame

	onData func(*slot, *binary, *xmlstream.Token) error // a piece of content was read
	onEnd  func(*xmlstream.Token) error                 // and its end tag
	onSlot func(*slot) error                            // so was that of the slot
	onID   func(string) error                           // an identifier in a reference

	before string // the line end and white space before the last start tag

	text  []byte // of the element that is read
	white []byte // text since the last tag, while it is white space
	crlf  bool   // with \r\n in it
	last  int64  // where the last token ended
}

func newWalker(src io.Reader) *walker {
	return &walker{r: xmlstream.NewReader(src, xmlstream.Limits{})}
}

// next returns the next token. Its kind is known from the first one on.
func (w *walker) next() (*xmlstream.Token, error) {
	t, err := w.r.Next()
	if err != nil {
		return nil, broken(err)
	}
	switch t.Kind {
	case xmlstream.Start:
		if len(w.open) == 0 {
			w.kind = kindOf(t.Name)
		}
		err = w.start(t)
	case xmlstream.Text:
		err = w.piece(t)
	case xmlstream.End:
		err = w.end(t)
	}
	w.last = t.End
	return t, err
}

// start enters an element.
func (w *walker) start(t *xmlstream.Token) error {
	var parent frame
	if n := len(w.open); n > 0 {
		parent = w.open[n-1]
	}
	if parent.role == object {
		return &Error{t.Line, t.Column, "an element stands inside of an embedded object, where only base64 belongs", correct}
	}
	f := frame{role: w.roleOf(parent.role, t.Name), slot: parent.slot}
	w.before = w.indent()
	if parent.role == holder && !parent.slot.entered {
		parent.slot.entered, parent.slot.indent = true, w.before
	}
	switch f.role {
	case holder:
		f.slot = &slot{id: parent.id, line: t.Line, column: t.Column, names: scopeOf(w.r)}
		if !t.Empty {
			f.slot.inside = t.End
		}
	case object:
		b := binary{mimeCode: t.Value("mimeCode"), name: t.Value("filename"), tag: t.End, empty: t.Empty, line: t.Line, column: t.Column, qname: qname(t.Name)}
		for _, a := range t.Attr {
			b.hasMIME = b.hasMIME || a.Name.Is("", "mimeCode")
		}
		if len(f.slot.objects) == maxSlots {
			return &Error{t.Line, t.Column, "too many embedded objects beside each other", correct}
		}
		f.slot.objects = append(f.slot.objects, b)
	}
	w.open = append(w.open, f)
	w.text, w.white, w.crlf = w.text[:0], w.emptied(), false
	return nil
}

func (s *slot) current() *binary { return &s.objects[len(s.objects)-1] }

// roleOf says what an element means inside of another.
func (w *walker) roleOf(parent role, n xmlstream.Name) role {
	switch {
	case w.kind == Unknown:
		return other
	case w.kind == CrossIndustryInvoice:
		if n.Space != ram {
			return other
		}
		switch {
		case strings.HasSuffix(n.Local, "ReferencedDocument"):
			return holder
		case parent != holder:
			return other
		case n.Local == "AttachmentBinaryObject":
			return object
		case n.Local == "IssuerAssignedID":
			return identifier
		case n.Local == "URIID":
			return location
		}
		return other
	case n.Is(cac, "Attachment"):
		return holder
	case parent == holder && n.Is(cbc, "EmbeddedDocumentBinaryObject"):
		return object
	case parent == holder && n.Is(cac, "ExternalReference"):
		return external
	case parent == external && n.Is(cbc, "URI"):
		return location
	case parent == external && n.Is(cbc, "FileName"):
		return fileName
	case parent == other && n.Is(cbc, "ID"):
		return identifier
	}
	return other
}

// piece takes text in.
func (w *walker) piece(t *xmlstream.Token) error {
	f := w.open[len(w.open)-1]
	switch f.role {
	case object:
		b := f.slot.current()
		if !b.content && len(bytes.Trim(t.Data, " \t\r\n")) > 0 {
			b.content = true
		}
		if w.onData != nil {
			return w.onData(f.slot, b, t)
		}
		return nil
	case identifier, location, fileName:
		if len(w.text) <= maxText {
			w.text = append(w.text, t.Data[:min(len(t.Data), maxText)]...)
		}
		return nil
	}
	switch {
	case w.white == nil:
	case len(w.white)+len(t.Data) > 1<<10 || len(bytes.Trim(t.Data, " \t\r\n")) > 0:
		w.white = nil
	default:
		w.crlf = w.crlf || t.Data[0] == '\n' && t.Offset == w.last+1
		w.white = append(w.white, t.Data...)
	}
	return nil
}

// indent is the line end and the white space before the tag that is read now, empty if
// there is something else.
func (w *walker) indent() string {
	i := bytes.LastIndexByte(w.white, '\n')
	if i < 0 {
		return ""
	}
	if w.crlf {
		return "\r" + string(w.white[i:])
	}
	return string(w.white[i:])
}

// end leaves an element.
func (w *walker) end(t *xmlstream.Token) error {
	f := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	var err error
	switch f.role {
	case holder:
		if w.onSlot != nil {
			err = w.onSlot(f.slot)
		}
	case object:
		if w.onEnd != nil {
			err = w.onEnd(t)
		}
	case identifier:
		id := w.taken()
		if w.kind == CrossIndustryInvoice {
			f.slot.id = id
		} else {
			w.open[len(w.open)-1].id = id
		}
		if w.onID != nil {
			err = w.onID(id)
		}
	case location:
		f.slot.uri = w.taken()
	case fileName:
		f.slot.fileName = w.taken()
	}
	// CII wants the object behind these, UBL before everything else.
	if n := len(w.open); n > 0 && w.kind == CrossIndustryInvoice && w.open[n-1].role == holder && beforeObject[t.Name.Local] {
		w.open[n-1].slot.inside = t.End
	}
	w.text, w.white, w.crlf = w.text[:0], w.emptied(), false
	return err
}

// beforeObject are the children of a CII ReferencedDocumentType that come before the
// objects, and the objects.
var beforeObject = map[string]bool{
	"IssuerAssignedID": true, "URIID": true, "StatusCode": true, "CopyIndicator": true, "LineID": true, "TypeCode": true, "GlobalID": true,
	"RevisionID": true, "Name": true, "AttachmentBinaryObject": true,
}

// taken is the text of the element that was read; one that is too long is none.
func (w *walker) taken() string {
	if len(w.text) > maxText {
		return ""
	}
	return string(bytes.Trim(w.text, " \t\r\n"))
}

// emptied is white space of no length, which is not the same as none.
func (w *walker) emptied() []byte {
	if w.white == nil {
		return []byte{}
	}
	return w.white[:0]
}

func qname(n xmlstream.Name) string {
	if n.Prefix == "" {
		return n.Local
	}
	return n.Prefix + ":" + n.Local
}
