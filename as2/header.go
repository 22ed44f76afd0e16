package as2

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
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
// header; nothing was taken then.
func readMIMEHeader(r *bufio.Reader) (raw []byte, h textproto.MIMEHeader, err error) {
	start, err := r.Peek(128)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	// A part without any header begins with its empty line.
	if !looksLikeHeader(start) && !bytes.HasPrefix(start, []byte("\r\n")) && !bytes.HasPrefix(start, []byte("\n")) {
		return nil, nil, errNoHeader
	}
	for {
		line, err := r.ReadSlice('\n')
		raw = append(raw, line...)
		if err == bufio.ErrBufferFull && len(raw) <= maxHeader {
			continue
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, nil, err
		}
		if len(raw) > maxHeader {
			return nil, nil, fmt.Errorf("as2: MIME header longer than %d bytes", maxHeader)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	h, err = textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader()
	if err != nil {
		return nil, nil, fmt.Errorf("as2: MIME header: %w", err)
	}
	return raw, h, nil
}

// looksLikeHeader reports whether b begins with a field name and a colon. Names of
// MIME fields have letters, digits and hyphens; anything more would take an EDIFACT
// interchange (UNB+UNOA:3+...) for a header.
func looksLikeHeader(b []byte) bool {
	for i, c := range b {
		switch {
		case c == ':':
			return i > 0
		case c == '-', '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		default:
			return false
		}
	}
	return false
}

// mediaType parses a Content-Type as products write it: parameters in any case,
// blanks anywhere, the whole value in quotes.
func mediaType(value string) (typ string, params map[string]string) {
	value = strings.TrimSpace(value)
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' && !strings.Contains(value[1:len(value)-1], `"`) {
		value = value[1 : len(value)-1]
	}
	typ, params, err := mime.ParseMediaType(value)
	if err != nil {
		// What comes before the first mistake is still worth reading.
		typ, _, _ = strings.Cut(value, ";")
		typ = strings.ToLower(strings.TrimSpace(typ))
		if params == nil {
			params = looseParams(value)
		}
	}
	return typ, params
}

// looseParams reads "a=b; c="d"" without minding what the grammar says.
func looseParams(value string) map[string]string {
	params := map[string]string{}
	_, rest, _ := strings.Cut(value, ";")
	for p := range strings.SplitSeq(rest, ";") {
		name, v, ok := strings.Cut(p, "=")
		if ok {
			params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return params
}

// fileName finds the name a part gives its content, verbatim: Content-Disposition
// first, then the name of the Content-Type. It is a foreign name.
func fileName(h textproto.MIMEHeader) string {
	_, params := mediaType(h.Get("Content-Disposition"))
	name := params["filename"]
	if name == "" {
		_, params = mediaType(h.Get("Content-Type"))
		name = params["name"]
	}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = decoded
	}
	return strings.Trim(name, `"`)
}

// maxName is the longest AS2 name (RFC 4130, 6.2).
const maxName = 128

// QuoteName writes an AS2 name as it stands in AS2-From and AS2-To: quoted if and
// only if needed (RFC 4130, 6.2).
func QuoteName(name string) string {
	if !strings.ContainsAny(name, " \"\\\t") {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// UnquoteName reads an AS2 name from a header. Case matters.
func UnquoteName(value string) string {
	value = strings.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var b strings.Builder
	escaped := false
	for _, r := range value[1 : len(value)-1] {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		b.WriteRune(r)
	}
	return b.String()
}

// CheckName reports why a name is no AS2 name.
func CheckName(name string) error {
	if name == "" {
		return errors.New("an AS2 name must not be empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("%q has %d characters; an AS2 name has %d at most", name, len(name), maxName)
	}
	for _, r := range name {
		if r < 0x20 || r > 0x7e {
			return fmt.Errorf("%q has the character %q; an AS2 name is printable ASCII", name, r)
		}
	}
	return nil
}

// StripID takes the angle brackets off a Message-ID, which is how identifiers are
// compared.
func StripID(id string) string {
	id = strings.TrimSpace(id)
	if len(id) > 1 && id[0] == '<' && id[len(id)-1] == '>' {
		id = id[1 : len(id)-1]
	}
	return id
}
