package xmlstream

import "unicode/utf8"

// text makes a token of a piece of text. It is not done where the document goes on with
// something else, or has a line end to be read in two steps.
func (r *Reader) text() (done bool, err error) {
	if r.place != inContent {
		return false, r.outside()
	}
	switch c := r.buf[r.pos]; {
	case c == '\r': // 2.11: \r\n and \r are \n
		r.ensure(2)
		r.skip(1)
		if r.peek(0) == '\n' {
			return false, nil
		}
		return true, r.one('\n')
	case c == '&' && !r.cdata:
		c, err := r.reference()
		if err != nil {
			return false, err
		}
		return true, r.one(c)
	case c == ']' && r.at("]]>"):
		if !r.cdata {
			return false, r.fault("]]> stands in text: write ]]&gt;")
		}
		r.cdata = false
		r.skip(3)
		return false, nil
	case c >= 0x80 && r.single != nil:
		c, size, err := r.character()
		if err != nil {
			return false, err
		}
		r.pass(size)
		return true, r.one(c)
	case c >= 0x80:
		r.ensure(utf8.UTFMax)
	case c == ']':
		r.skip(1)
		return true, r.one(']')
	}
	return true, r.stretch()
}

// outside is white space before and behind the root element.
func (r *Reader) outside() error {
	switch {
	case r.white():
		return nil
	case r.place == inProlog:
		return r.fault("text before the root element")
	}
	return r.fault("text behind the end of the root element")
}

// one is a piece of one character.
func (r *Reader) one(c rune) error {
	r.tok.Kind, r.tok.End = Text, r.offset()
	r.tok.Data = utf8.AppendRune(r.piece[:0], c)
	return nil
}

// stretch is a piece that stands in the window as it is. It ends before what has to be
// looked at, and at the end of the window.
func (r *Reader) stretch() error {
	start := r.pos
	for {
		r.pos += run(r.buf[r.pos:r.end])
		if r.pos == r.end {
			break
		}
		c := r.buf[r.pos]
		if c == '\n' {
			r.pos++
			r.newline()
			continue
		}
		if r.cdata && (c == '<' || c == '&') {
			r.pos++
			continue
		}
		if c == '<' || c == '&' || c == ']' || c == '\r' || c >= 0x80 && r.single != nil {
			break
		}
		if r.pos > start && !utf8.FullRune(r.buf[r.pos:r.end]) {
			break // with what the next window has of it
		}
		_, size, err := r.inWindow()
		if err != nil {
			return err
		}
		r.pass(size)
	}
	r.tok.Kind, r.tok.End, r.tok.Data = Text, r.offset(), r.buf[start:r.pos]
	return nil
}

// inWindow decodes a character that the window has, or all that there is of it.
func (r *Reader) inWindow() (rune, int, error) {
	c, size := utf8.DecodeRune(r.buf[r.pos:r.end])
	if size > 1 && !r.ascii && isChar(c) {
		return c, size, nil
	}
	return r.character()
}

// reference resolves &lt; and the like, and &#228; (4.1).
func (r *Reader) reference() (rune, error) {
	line, column := r.position()
	fault := func(fact string) error { return &SyntaxError{line, column, fact} }
	r.skip(1)
	if r.at("#") {
		r.skip(1)
		return r.numeric(fault)
	}
	from := len(r.scratch)
	n, err := r.name("&", true)
	if much := r.tooMuch(); much != nil {
		return 0, much
	}
	if err != nil || !r.at(";") {
		return 0, fault("& begins no reference: write &amp;")
	}
	r.skip(1)
	name := string(r.scratch[n.from:n.to])
	r.scratch = r.scratch[:from]
	switch name {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "apos":
		return '\'', nil
	case "quot":
		return '"', nil
	}
	return 0, fault("the entity &" + name + "; is not defined: only lt, gt, amp, apos and quot are, and what others a document type defines is not fetched")
}

// numeric is the rest of &#...;
func (r *Reader) numeric(fault func(string) error) (rune, error) {
	base, digits := rune(10), 0
	if r.at("x") {
		r.skip(1)
		base = 16
	}
	var c rune
	for r.ensure(1) {
		d := rune(-1)
		switch b := rune(r.peek(0)); {
		case b >= '0' && b <= '9':
			d = b - '0'
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			d = b | 0x20 - 'a' + 10
		}
		if d < 0 || d >= base {
			break
		}
		c = min(c*base+d, 0x110000) // which is no character
		digits++
		r.skip(1)
	}
	switch {
	case digits == 0 || !r.at(";"):
		return 0, fault("&# begins no reference to a character")
	case !isChar(c):
		return 0, fault("&# refers to a character that is not allowed in XML")
	}
	r.skip(1)
	return c, nil
}
