package as2

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

func nameType(typ string) string {
	if typ == "" {
		return "of no stated type"
	}
	return typ
}

// describeAnswer says what stands where a receipt belongs.
func describeAnswer(typ string, body []byte) string {
	if typ == "text/html" || typ == "application/xhtml+xml" {
		if title := pageTitle(body); title != "" {
			return fmt.Sprintf("a web page (%s) with the title %q", typ, title)
		}
	}
	start := bytes.TrimSpace(body[:min(len(body), 200)])
	return fmt.Sprintf("%s and begins %q", nameType(typ), start[:min(len(start), 80)])
}

// pageTitle finds the title of an HTML page near its beginning.
func pageTitle(body []byte) string {
	start := body[:min(len(body), 4<<10)]
	lower := bytes.ToLower(start)
	from := bytes.Index(lower, []byte("<title"))
	if from < 0 || len(lower) != len(start) {
		return ""
	}
	open := bytes.IndexByte(lower[from:], '>')
	if open < 0 {
		return ""
	}
	title := start[from+open+1:]
	if end := bytes.IndexByte(title, '<'); end >= 0 {
		title = title[:end]
	}
	words := strings.Join(strings.Fields(string(title)), " ")
	return words[:min(len(words), 120)]
}

// maxText is how much of the text for people is kept, in bytes.
const maxText = 4 << 10

// humanText is the text of a part for people; of a multipart/alternative its first.
func humanText(typ string, params map[string]string, content []byte) string {
	if typ == "multipart/alternative" {
		ps, err := newParts(bytes.NewReader(content), params["boundary"])
		if err != nil || ps.next() != nil {
			return ""
		}
		br := bufio.NewReader(ps)
		_, h, err := readMIMEHeader(br)
		if err != nil {
			return ""
		}
		if content, err = decodeAll(br, h); err != nil {
			return ""
		}
		typ, _ = mediaType(h.Get("Content-Type"))
	}
	// A part without a type is text (RFC 2045, 5.2). text/rfc822-headers is the header of
	// our own message, sent back.
	if typ != "" && (!strings.HasPrefix(typ, "text/") || typ == "text/rfc822-headers") {
		return ""
	}
	content = bytes.TrimSpace(content)
	content = content[:min(len(content), maxText)]
	for len(content) > 0 && !utf8.RuneStart(content[len(content)-1]) {
		content = content[:len(content)-1] // half a character
	}
	if utf8.Valid(content) {
		return string(content)
	}
	latin := make([]rune, len(content)) // ISO 8859-1 is what products write that are not in UTF-8
	for i, c := range content {
		latin[i] = rune(c)
	}
	return string(latin)
}
