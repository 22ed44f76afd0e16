package as2

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
)

// Field is one header line. Lists of fields are written in their order, and lines
// are never folded: many products cannot read folded ones.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Get returns the first value of a header field, in any case.
func Get(fields []Field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// appendFields writes a header block and the empty line behind it.
func appendFields(b []byte, fields []Field) []byte {
	for _, f := range fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// maxHeader bounds a MIME header block, in bytes.
const maxHeader = 64 << 10

var errNoHeader = errors.New("as2: no MIME header where one belongs")

// readMIMEHeader takes a header block off the stream: its exact bytes, the empty line
// included, and the fields. errNoHeader means that the stream does not begin with a
// header; nothing was taken then. With every other error raw is what was taken.
func readMIMEHeader(r *bufio.Reader) (raw []byte, h textproto.MIMEHeader, err error) {
	start, err := r.Peek(128)
	if len(start) == 0 && err != nil && err != io.EOF {
		return nil, nil, err // behind some bytes it comes again when they were read
	}
	// A part without any header begins with its empty line.
	if !looksLikeHeader(start) && !bytes.HasPrefix(start, []byte("\r\n")) && !bytes.HasPrefix(start, []byte("\n")) {
		return nil, nil, errNoHeader
	}
	for {
		line, err := r.ReadSlice('\n')
		raw = append(raw, line...)
		if len(raw) > maxHeader {
			return raw, nil, fmt.Errorf("%w: a MIME header longer than %d bytes", errStructure, maxHeader)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return raw, nil, err
		}
		if line := raw[bytes.LastIndexByte(raw[:len(raw)-1], '\n')+1:]; len(bytes.TrimRight(line, "\r\n")) == 0 {
			return raw, parseHeader(raw), nil
		}
	}
}

// parseHeader reads the fields of a header block: folded lines are joined, blanks
// before the colon do no harm, lines that are no field are passed over.
func parseHeader(raw []byte) textproto.MIMEHeader {
	h := textproto.MIMEHeader{}
	name, value := "", ""
	add := func() {
		if name != "" {
			h.Add(name, strings.TrimSpace(value))
		}
		name, value = "", ""
	}
	for line := range bytes.Lines(raw) {
		text := strings.TrimRight(string(line), "\r\n")
		if strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t") {
			value += " " + strings.TrimSpace(text)
			continue
		}
		add()
		if before, after, ok := strings.Cut(text, ":"); ok {
			name, value = strings.TrimSpace(before), after
		}
	}
	add()
	return h
}

// looksLikeHeader reports whether b begins with a field that MIME entities have.
// Anything more would take an interchange (UNA:+.? 'UNB+UNOA:3+...) for a header.
func looksLikeHeader(b []byte) bool {
	name, _, ok := bytes.Cut(b, []byte(":"))
	if !ok || len(name) > 60 {
		return false
	}
	field := strings.ToLower(strings.TrimRight(string(name), " \t"))
	for _, prefix := range []string{"content-", "mime-", "x-"} {
		if rest, found := strings.CutPrefix(field, prefix); found && isToken(rest) {
			return true
		}
	}
	switch field {
	case "message-id", "date", "from", "to", "cc", "subject", "sender", "reply-to", "received", "return-path", "organization":
		return true
	}
	return false
}
