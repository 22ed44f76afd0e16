package xmlstream

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// singles are the single-byte encodings, all of which contain ASCII, by their names in
// the registry of IANA in lower case.
var singles = map[string]*charmap.Charmap{
	"iso-8859-1": charmap.ISO8859_1, "latin1": charmap.ISO8859_1, "l1": charmap.ISO8859_1,
	"iso-8859-2": charmap.ISO8859_2, "latin2": charmap.ISO8859_2,
	"iso-8859-5": charmap.ISO8859_5, "iso-8859-7": charmap.ISO8859_7,
	"iso-8859-9": charmap.ISO8859_9, "latin5": charmap.ISO8859_9,
	"iso-8859-15": charmap.ISO8859_15, "latin-9": charmap.ISO8859_15,
	"windows-1250": charmap.Windows1250, "windows-1251": charmap.Windows1251, "windows-1252": charmap.Windows1252,
	"windows-1253": charmap.Windows1253, "windows-1254": charmap.Windows1254,
}

// strangers are the first bytes of documents in encodings that do not contain ASCII
// (XML 1.0, appendix F).
var strangers = []struct{ begin, encoding string }{
	{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"}, {"<\x00\x00\x00", "UTF-32"}, {"\x00\x00\x00<", "UTF-32"},
	{"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"}, {"<\x00", "UTF-16"}, {"\x00<", "UTF-16"},
	{"\x4c\x6f\xa7\x94", "EBCDIC"},
}

// begin reads byte order mark and XML declaration.
func (r *Reader) begin() error {
	r.place, r.encoding = inProlog, "UTF-8"
	r.ensure(4)
	for _, s := range strangers {
		if bytes.HasPrefix(r.buf[r.pos:r.end], []byte(s.begin)) {
			return r.notRead(s.encoding)
		}
	}
	if r.at("\xef\xbb\xbf") {
		r.pos += 3
		r.lineStart, r.marked = 3, true
	}
	if r.at("<?xml") && r.ensure(6) && isWhite(r.peek(5)) {
		return r.xmlDeclaration()
	}
	return nil
}

func (r *Reader) notRead(encoding string) error {
	return r.fault("the document is in %s, which is not read here: write it in UTF-8", encoding)
}

// setEncoding takes the name from the declaration.
func (r *Reader) setEncoding(name string) error {
	if name == "" || classes[name[0]]&nameStart == 0 || name[0] == '_' { // 4.3.3: it begins with a letter
		return r.fault("%q is no name of an encoding", name)
	}
	lower := strings.ToLower(name)
	single, ok := singles[lower]
	switch {
	case lower == "utf-8" || lower == "utf8":
	case r.marked:
		return r.fault("the byte order mark says UTF-8, the declaration %q", name)
	case lower == "us-ascii" || lower == "ascii":
		r.ascii = true
	case ok:
		r.single = single
	default:
		return r.notRead(name)
	}
	r.encoding = name
	return nil
}

// xmlDeclaration reads <?xml version="1.0" encoding="..." standalone="..."?> (2.8).
func (r *Reader) xmlDeclaration() error {
	r.skip(len("<?xml"))
	space := false
	for i, name := range []string{"version", "encoding", "standalone"} {
		space = r.white() || space
		if r.at("?>") && i > 0 {
			break
		}
		if !space {
			return r.fault("white space is missing in the XML declaration")
		}
		if !r.at(name) {
			if i == 0 {
				return r.fault("the XML declaration does not begin with the version")
			}
			continue // and the white space is that before the next
		}
		space = false
		r.skip(len(name))
		value, err := r.declared(name)
		if err != nil {
			return err
		}
		switch name {
		case "version":
			if rest, ok := strings.CutPrefix(value, "1."); !ok || rest == "" || strings.Trim(rest, "0123456789") != "" {
				err = r.fault("%q is no version of XML", value)
			}
		case "encoding":
			err = r.setEncoding(value)
		case "standalone":
			if value != "yes" && value != "no" {
				err = r.fault("standalone is %q, not yes or no", value)
			}
		}
		if err != nil {
			return err
		}
	}
	r.white()
	if !r.at("?>") {
		return r.fault("the XML declaration has something else than version, encoding and standalone, in this order")
	}
	r.skip(2)
	return nil
}

// declared reads = and a value in quotes.
func (r *Reader) declared(name string) (string, error) {
	r.white()
	if !r.at("=") {
		return "", r.fault("= is missing after %s", name)
	}
	r.skip(1)
	r.white()
	r.ensure(1)
	quote := r.peek(0)
	if quote != '"' && quote != '\'' {
		return "", r.fault("the value of %s is not in quotes", name)
	}
	r.skip(1)
	var value []byte
	for r.ensure(1) && r.peek(0) != quote {
		c := r.peek(0)
		if classes[c]&nameByte == 0 || len(value) == 40 {
			return "", r.fault("the value of %s is none", name)
		}
		value = append(value, c)
		r.skip(1)
	}
	if !r.at(string(quote)) {
		return "", r.fault("the document ends inside of the XML declaration")
	}
	r.skip(1)
	return string(value), nil
}

func isWhite(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
