package filetype

import (
	"bytes"
	"slices"
	"strings"
)

// root is the name of the first element of an XML text, without its prefix; empty if the
// head has none.
func (s *Sniffer) root() string {
	b := s.start()
	for len(b) > 1 && b[0] == '<' {
		var end string
		switch {
		case bytes.HasPrefix(b, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(b, []byte("<!--")):
			end = "-->"
		case b[1] == '!':
			b = afterDoctype(b)
			continue
		default:
			name := b[1:]
			if i := bytes.IndexAny(name, " \t\r\n/>"); i >= 0 {
				name = name[:i]
			}
			return string(name[bytes.IndexByte(name, ':')+1:])
		}
		i := bytes.Index(b, []byte(end))
		if i < 0 {
			return ""
		}
		b = bytes.TrimLeft(b[i+len(end):], " \t\r\n")
	}
	return ""
}

// afterDoctype is what follows a document type, with or without declarations in it.
func afterDoctype(b []byte) []byte {
	i := bytes.IndexAny(b, "[>")
	if i >= 0 && b[i] == '[' {
		b = b[i:]
		if i = bytes.IndexByte(b, ']'); i >= 0 {
			b = b[i:]
			i = bytes.IndexByte(b, '>')
		}
	}
	if i < 0 {
		return nil
	}
	return bytes.TrimLeft(b[i+1:], " \t\r\n")
}

// xml reports whether the content begins as XML does: with a declaration, or with what
// may stand before the first element, or with that.
func (s *Sniffer) xml() bool {
	b := s.start()
	if len(b) < 2 || b[0] != '<' {
		return false
	}
	c := b[1]
	return c == '?' || c == '!' || c == '_' || c >= 0x80 || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// htmlTags are with what pages begin that programs write without a frame.
var htmlTags = []string{"a", "b", "br", "center", "div", "font", "form", "h1", "h2", "h3", "hr", "img", "link", "main", "meta", "p", "pre", "script", "section", "span", "style", "table", "title", "ul"}

// html is written in many ways, and begins with a tag or a comment in all of them.
func (s *Sniffer) html() bool {
	b := bytes.ToLower(s.start())
	if len(b) == 0 || b[0] != '<' {
		return false
	}
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if bytes.Contains(b, []byte(tag)) {
			return true
		}
	}
	return slices.Contains(htmlTags, strings.ToLower(s.root()))
}

// mailFields are those of which a mail has one at least.
var mailFields = []string{"from", "to", "date", "subject", "received", "mime-version", "message-id", "return-path", "delivered-to", "content-type", "sender", "cc"}

// mail reports whether the content begins with header fields of a mail.
func (s *Sniffer) mail() bool {
	known := false
	lines := bytes.SplitAfter(s.start(), []byte("\n"))
	for i, line := range lines {
		whole := bytes.HasSuffix(line, []byte("\n"))
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || !whole && i > 0 {
			break // the header's end, or the head's
		}
		if line[0] == ' ' || line[0] == '\t' || i == 0 && bytes.HasPrefix(line, []byte("From ")) {
			continue // folded, or the line that mailboxes have before each mail
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t<>\"") {
			return false
		}
		for _, f := range mailFields {
			known = known || strings.EqualFold(f, string(name))
		}
	}
	return known
}
