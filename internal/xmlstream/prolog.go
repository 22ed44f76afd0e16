package xmlstream

import (
	"strconv"
	"strings"
)

func decimal(n int) string { return strconv.Itoa(n) }

// declaration reads what begins with <!: a comment, a CDATA section, a document type.
func (r *Reader) declaration() error {
	switch {
	case r.at("<!--"):
		r.skip(4)
		if err := r.passTo("--", "a comment"); err != nil {
			return err
		}
		if !r.at(">") { // 2.5
			return r.fault("-- stands inside of a comment")
		}
		r.skip(1)
		return nil
	case r.at("<![CDATA["):
		if r.place != inContent {
			return r.fault("a CDATA section outside of the root element")
		}
		r.skip(len("<![CDATA["))
		r.cdata = true
		return nil
	case r.at("<!DOCTYPE"):
		return r.documentType()
	}
	return r.fault("<! begins neither a comment nor a CDATA section nor a document type")
}

// instruction reads <?target ...?> (2.6).
func (r *Reader) instruction() error {
	r.skip(2)
	r.scratch = r.scratch[:0]
	n, err := r.name("<? begins no processing instruction", true)
	if err != nil {
		return err
	}
	if strings.EqualFold(string(r.scratch[n.from:n.to]), "xml") {
		if r.tok.Line == 1 && r.tok.Column == 1 {
			return r.fault("the XML declaration has no version, or is not in lower case")
		}
		return &SyntaxError{r.tok.Line, r.tok.Column, "the XML declaration stands not at the very beginning: take away what is before it"}
	}
	if !r.at("?>") && !r.white() {
		return r.fault("white space is missing in a processing instruction")
	}
	return r.passTo("?>", "a processing instruction")
}

// passTo passes characters over, and what they end with.
func (r *Reader) passTo(stop, in string) error {
	for r.ensure(1) {
		switch c := r.buf[r.pos]; {
		case c == stop[0] && r.at(stop):
			r.skip(len(stop))
			return nil
		case c == '\n':
			r.pos++
			r.newline()
		case c == '\r' || c >= 0x20 && c < 0x80:
			r.skip(1)
			for r.pos < r.end && classes[r.buf[r.pos]]&ordinary != 0 && r.buf[r.pos] != stop[0] {
				r.skip(1)
			}
		default:
			_, size, err := r.character()
			if err != nil {
				return err
			}
			r.pass(size)
		}
	}
	return r.fault("the document ends inside of %s", in)
}

// documentType reads <!DOCTYPE name SYSTEM "..."> (2.8) and fetches nothing. One with
// declarations inside is refused: they are what entity bombs are made of, and no business
// document has them.
func (r *Reader) documentType() error {
	if r.place != inProlog || r.doctype {
		return r.fault("a document type where none belongs")
	}
	r.doctype = true
	r.skip(len("<!DOCTYPE"))
	if !r.white() {
		return r.fault("white space is missing in the document type")
	}
	r.scratch = r.scratch[:0]
	if _, err := r.name("the document type has no name", false); err != nil {
		return err
	}
	space := r.white()
	literals := 0
	switch {
	case space && r.at("SYSTEM"):
		literals = 1
	case space && r.at("PUBLIC"):
		literals = 2
	}
	if literals > 0 {
		r.skip(len("SYSTEM"))
	}
	for i := range literals {
		if !r.white() {
			return r.fault("white space is missing in the document type")
		}
		if err := r.literal(literals == 2 && i == 0); err != nil {
			return err
		}
	}
	r.white()
	switch {
	case r.at("["):
		return r.fault("the document type declares entities or elements of its own, which are not read, as they can make a small document endless: take it away")
	case !r.at(">"):
		return r.fault("the document type is not closed")
	}
	r.skip(1)
	return nil
}

// literal reads one in quotes. That of a public identifier has few characters (2.3).
func (r *Reader) literal(public bool) error {
	r.ensure(1)
	quote := r.peek(0)
	if quote != '"' && quote != '\'' {
		return r.fault("an identifier of the document type is not in quotes")
	}
	r.skip(1)
	const others = " \r\n-'()+,./:=?;!*#@$_%"
	for r.ensure(1) && r.peek(0) != quote {
		c, size, err := r.character()
		switch {
		case err != nil:
			return err
		case public && (c >= 0x80 || classes[c]&nameByte == 0 && !strings.ContainsRune(others, c)):
			return r.fault("the public identifier of the document type has a character that is not allowed there")
		}
		r.pass(size)
		if c == '\n' {
			r.newline()
		}
	}
	if !r.at(string(quote)) {
		return r.fault("the document ends inside of the document type")
	}
	r.skip(1)
	return nil
}
