package xmlstream

import (
	"bytes"
	"unicode/utf8"
)

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// rawName is a name in Reader.scratch.
type rawName struct {
	from, to int
	colon    int // its place, or -1
}

// rawAttr is an attribute in Reader.scratch.
type rawAttr struct {
	rawName
	valueEnd     int // the value begins where the name ends
	line, column int
}

// startTag reads <name attribute="value"> and <name/> (3.1).
func (r *Reader) startTag() error {
	switch {
	case r.place == inEpilog:
		return r.fault("a second element behind the end of the root element")
	case len(r.open) == r.limits.Depth:
		return r.fault("more than %d elements are inside of each other", r.limits.Depth)
	}
	r.skip(1)
	r.scratch, r.raw = r.scratch[:0], r.raw[:0]
	n, err := r.name("< begins no tag: write &lt; in text", false)
	if err != nil {
		return err
	}
	for {
		space := r.white()
		switch {
		case !r.ensure(1):
			return r.fault("the document ends inside of the tag <%s>", r.scratch[n.from:n.to])
		case r.peek(0) == '>':
			r.skip(1)
			return r.started(n, false)
		case r.at("/>"):
			r.skip(2)
			return r.started(n, true)
		case !space:
			return r.fault("the tag <%s> is not closed, or white space is missing in it", r.scratch[n.from:n.to])
		case len(r.raw) == r.limits.Attributes:
			return r.fault("more than %d attributes in one tag", r.limits.Attributes)
		}
		if err := r.attribute(); err != nil {
			return err
		}
	}
}

// attribute reads one.
func (r *Reader) attribute() error {
	var a rawAttr
	a.line, a.column = r.position()
	var err error
	if a.rawName, err = r.name("an attribute has no name", false); err != nil {
		return err
	}
	r.white()
	if !r.at("=") {
		return r.fault("the attribute %s has no value", r.scratch[a.from:a.to])
	}
	r.skip(1)
	r.white()
	r.ensure(1)
	quote := r.peek(0)
	if quote != '"' && quote != '\'' {
		return r.fault("the value of the attribute %s is not in quotes", r.scratch[a.from:a.to])
	}
	r.skip(1)
	if err := r.value(quote); err != nil {
		return err
	}
	a.valueEnd = len(r.scratch)
	r.raw = append(r.raw, a)
	return nil
}

// value reads up to the closing quote into scratch and normalises (3.3.3).
func (r *Reader) value(quote byte) error {
	for r.ensure(1) {
		switch c := r.buf[r.pos]; {
		case c == quote:
			r.skip(1)
			return nil
		case c == '<':
			return r.fault("< stands in the value of an attribute: write &lt;, or its closing quote is missing")
		case c == '&':
			c, err := r.reference()
			if err != nil {
				return err
			}
			r.scratch = utf8.AppendRune(r.scratch, c)
		case c == '\r': // 2.11: with the \n behind it one line end
			r.ensure(2)
			r.skip(1)
			if r.peek(0) != '\n' {
				r.scratch = append(r.scratch, ' ')
			}
		case c == '\n':
			r.pos++
			r.newline()
			r.scratch = append(r.scratch, ' ')
		case c == '\t':
			r.skip(1)
			r.scratch = append(r.scratch, ' ')
		case c < 0x20 || c >= 0x80:
			c, size, err := r.character()
			if err != nil {
				return err
			}
			r.pass(size)
			r.scratch = utf8.AppendRune(r.scratch, c)
		default:
			i, end := r.pos+1, min(r.end, r.pos+r.limits.HeldBytes+1-r.held-len(r.scratch))
			for i < end && classes[r.buf[i]]&ordinary != 0 && r.buf[i] != quote && r.buf[i] != '\t' {
				i++
			}
			r.scratch = append(r.scratch, r.buf[r.pos:i]...)
			r.skip(i - r.pos)
		}
		if err := r.tooMuch(); err != nil {
			return err
		}
	}
	return r.fault("the document ends inside of the value of an attribute")
}

// tooMuch bounds what is held.
func (r *Reader) tooMuch() error {
	if r.held+len(r.scratch) > r.limits.HeldBytes {
		return r.fault("more than %d bytes in one tag and the names around it", r.limits.HeldBytes)
	}
	return nil
}

// name reads a name into scratch. Where there is none, none says so. A plain one has no
// colon: Namespaces in XML 1.0, 7.
func (r *Reader) name(none string, plain bool) (n rawName, err error) {
	n = rawName{from: len(r.scratch), colon: -1}
	first := true // of the name, or behind the colon
	for r.ensure(1) {
		c := r.buf[r.pos]
		switch {
		case c == ':':
			if first || plain || n.colon >= 0 {
				return n, r.fault("a name has a colon where none belongs")
			}
			n.colon = len(r.scratch)
			r.scratch = append(r.scratch, c)
			r.skip(1)
			first = true
			continue
		case c >= 0x80:
			c, size, err := r.character()
			if err != nil {
				return n, err
			}
			if !isName(c) || first && !isNameStart(c) {
				return r.named(n, none, first)
			}
			r.pass(size)
			r.scratch = utf8.AppendRune(r.scratch, c)
		case classes[c]&nameByte == 0 || first && classes[c]&nameStart == 0:
			return r.named(n, none, first)
		default:
			i, end := r.pos+1, min(r.end, r.pos+r.limits.NameBytes+1-(len(r.scratch)-n.from)) // so that the limit is in one place
			for i < end && classes[r.buf[i]]&nameByte != 0 {
				i++
			}
			r.scratch = append(r.scratch, r.buf[r.pos:i]...)
			r.skip(i - r.pos)
		}
		first = false
		if len(r.scratch)-n.from > r.limits.NameBytes {
			return n, r.fault("a name is longer than %d bytes", r.limits.NameBytes)
		}
	}
	return r.named(n, none, first)
}

// named is the end of a name.
func (r *Reader) named(n rawName, none string, first bool) (rawName, error) {
	n.to = len(r.scratch)
	switch {
	case n.to == n.from:
		return n, r.fault("%s", none)
	case first:
		return n, r.fault("a name ends with a colon")
	}
	return n, r.tooMuch()
}

// started makes the token of a start tag: the namespaces it declares, its name, its
// attributes.
func (r *Reader) started(n rawName, empty bool) error {
	e := element{start: len(r.names), bound: len(r.bound), line: r.tok.Line}
	for _, a := range r.raw {
		if err := r.declare(a); err != nil {
			return err
		}
	}
	var err error
	if e.name, err = r.resolve(n, r.tok.Line, r.tok.Column, true); err != nil {
		return err
	}
	clear(r.seen)
	for _, a := range r.raw {
		_, declares := r.declares(a.rawName)
		var name Name
		if declares {
			name = Name{Space: xmlnsSpace, Local: r.string(r.scratch[a.from:a.to])}
		} else {
			if name, err = r.resolve(a.rawName, a.line, a.column, false); err != nil {
				return err
			}
			r.tok.Attr = append(r.tok.Attr, Attr{name, r.string(r.scratch[a.to:a.valueEnd])})
		}
		if len(r.raw) == 1 {
			break
		}
		name.Prefix = ""
		if _, ok := r.seen[name]; ok {
			return &SyntaxError{a.line, a.column, "the attribute " + string(r.scratch[a.from:a.to]) + " comes twice"}
		}
		r.seen[name] = struct{}{}
	}
	r.names = append(r.names, r.scratch[n.from:n.to]...)
	r.held += n.to - n.from
	r.open = append(r.open, e)
	r.place, r.closing = inContent, empty
	r.tok.Kind, r.tok.Name, r.tok.Empty, r.tok.End = Start, e.name, empty, r.offset()
	return nil
}

// declares reports whether an attribute declares a namespace, and for which prefix.
func (r *Reader) declares(n rawName) (prefix []byte, ok bool) {
	name := r.scratch[n.from:n.to]
	if n.colon < 0 {
		return nil, string(name) == "xmlns"
	}
	return bytes.CutPrefix(name, []byte("xmlns:"))
}

// declare takes a namespace declaration: Namespaces in XML 1.0, 3.
func (r *Reader) declare(a rawAttr) error {
	prefix, ok := r.declares(a.rawName)
	if !ok {
		return nil
	}
	b := binding{r.string(prefix), r.string(r.scratch[a.to:a.valueEnd])}
	fact := ""
	switch {
	case b.prefix == "xmlns" || b.space == xmlnsSpace:
		fact = "xmlns cannot be declared"
	case (b.prefix == "xml") != (b.space == xmlSpace):
		fact = "the prefix xml has a namespace of its own"
	case b.prefix != "" && b.space == "":
		fact = "the prefix " + b.prefix + " is declared without a namespace"
	case len(r.bound) == r.limits.Namespaces:
		fact = "too many namespaces are declared"
	}
	if fact != "" {
		return &SyntaxError{a.line, a.column, fact}
	}
	r.bound = append(r.bound, b)
	r.held += len(b.prefix) + len(b.space)
	return nil
}

// resolve gives a name its namespace. The default one is for elements alone.
func (r *Reader) resolve(n rawName, line, column int, isElement bool) (Name, error) {
	if n.colon < 0 {
		name := Name{Local: r.string(r.scratch[n.from:n.to])}
		if isElement {
			name.Space, _ = r.Space("")
		}
		return name, nil
	}
	name := Name{Prefix: r.string(r.scratch[n.from:n.colon]), Local: r.string(r.scratch[n.colon+1 : n.to])}
	var ok bool
	if name.Space, ok = r.Space(name.Prefix); !ok {
		return name, &SyntaxError{line, column, "the prefix " + name.Prefix + " is not declared"}
	}
	return name, nil
}

// endTag reads </name>.
func (r *Reader) endTag() error {
	if len(r.open) == 0 {
		return r.fault("an end tag, and no element is open")
	}
	r.skip(2)
	r.scratch = r.scratch[:0]
	n, err := r.name("</ begins no end tag", false)
	if err != nil {
		return err
	}
	e := r.open[len(r.open)-1]
	if written := r.scratch[n.from:n.to]; !bytes.Equal(written, r.names[e.start:]) {
		return &SyntaxError{r.tok.Line, r.tok.Column, "</" + string(written) + "> stands where <" + string(r.names[e.start:]) + "> has to be closed, which was opened in line " + decimal(e.line)}
	}
	r.white()
	if !r.at(">") {
		return r.fault("the tag </%s> is not closed", r.scratch[n.from:n.to])
	}
	r.skip(1)
	r.ended()
	return nil
}

// endEmpty is the end of <name/>.
func (r *Reader) endEmpty() error {
	r.closing = false
	r.mark()
	r.ended()
	return nil
}

func (r *Reader) ended() {
	e := r.open[len(r.open)-1]
	for _, b := range r.bound[e.bound:] {
		r.held -= len(b.prefix) + len(b.space)
	}
	r.held -= len(r.names) - e.start
	r.names, r.bound, r.open = r.names[:e.start], r.bound[:e.bound], r.open[:len(r.open)-1]
	if len(r.open) == 0 {
		r.place = inEpilog
	}
	r.tok.Kind, r.tok.Name, r.tok.End = End, e.name, r.offset()
}

// string keeps short strings that come again and again.
func (r *Reader) string(b []byte) string {
	if s, ok := r.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) <= 128 && len(r.known) < 1024 {
		r.known[s] = s
	}
	return s
}
