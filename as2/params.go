package as2

import (
	"fmt"
	"mime"
	"net/textproto"
	"strconv"
	"strings"
	"unicode/utf8"
)

// mediaType reads a Content-Type or Content-Disposition as products write it:
// parameters in any case, quoted or not, blanks, tabs and folds anywhere, doubled
// quotes, the whole value in quotes, values in the forms of RFC 2231. Of a parameter
// that is there twice the first one counts. The names come in lower case.
func mediaType(value string) (typ string, params map[string]string) {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, `"`) {
		// "multipart/signed; boundary=\"b\"" as a whole: no type begins with a quote.
		value = strings.ReplaceAll(strings.TrimSuffix(value[1:], `"`), `\"`, `"`)
	}
	typ, rest, _ := strings.Cut(value, ";")
	raw := map[string]string{}
	for rest != "" {
		var name, v string
		name, v, rest = nextParam(rest)
		if _, twice := raw[name]; name != "" && !twice {
			raw[name] = v
		}
	}
	return strings.ToLower(strings.Trim(strings.TrimSpace(typ), `"`)), decodeParams(raw)
}

// blanks are what may stand around the words of a header field.
const blanks = " \t\r\n"

// nextParam takes one "name=value" off the front of s.
func nextParam(s string) (name, value, rest string) {
	end := strings.IndexAny(s, "=;")
	if end < 0 {
		return "", "", ""
	}
	name = strings.ToLower(strings.Trim(s[:end], blanks))
	if s[end] == ';' {
		return "", "", s[end+1:]
	}
	s = strings.TrimLeft(s[end+1:], blanks)
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return name, strings.Trim(value, blanks), rest
	}
	s = s[1:]
	if len(s) > 1 && s[0] == '"' && !strings.ContainsRune(blanks+";", rune(s[1])) {
		s = s[1:] // ""INV-1.zip"": the quotes are doubled
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			_, rest, _ = strings.Cut(s[i:], ";")
			return name, b.String(), rest
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++ // other backslashes are part of a name such as C:\out\INV-1.xml
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return name, b.String(), ""
}

// maxPieces bounds the continuations of one parameter (RFC 2231, 3).
const maxPieces = 100

// decodeParams joins continuations and decodes extended values (RFC 2231, 3 and 4).
// An extended value counts more than a plain one of the same name, which is there for
// readers that know no better.
func decodeParams(raw map[string]string) map[string]string {
	params := make(map[string]string, len(raw))
	for name, v := range raw {
		if !strings.Contains(name, "*") {
			params[name] = v
		}
	}
	for name, v := range raw {
		base, piece, extended := strings.Cut(name, "*")
		switch {
		case !extended || base == "": // "*=x" extends nothing
		case piece == "":
			charset, text := cutCharset(v)
			params[base] = decodeText(charset, unescape(text))
		case piece == "0" || piece == "0*":
			if _, whole := raw[base+"*"]; !whole {
				params[base] = joinPieces(raw, base)
			}
		}
	}
	return params
}

func joinPieces(raw map[string]string, base string) string {
	charset := ""
	var b strings.Builder
	for i := range maxPieces {
		name := base + "*" + strconv.Itoa(i)
		v, ok := raw[name]
		if encoded, there := raw[name+"*"]; there {
			if i == 0 {
				charset, encoded = cutCharset(encoded)
			}
			v, ok = unescape(encoded), true
		}
		if !ok {
			break
		}
		b.WriteString(v)
	}
	return decodeText(charset, b.String())
}

// cutCharset takes charset'language' off the front of an extended value.
func cutCharset(v string) (charset, text string) {
	charset, rest, ok := strings.Cut(v, "'")
	if !ok {
		return "", v
	}
	_, text, ok = strings.Cut(rest, "'")
	if !ok {
		return "", v
	}
	return strings.ToLower(charset), text
}

// unescape undoes %XX and leaves alone what is none.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// decodeText makes UTF-8 of bytes in a charset. Bytes that are no UTF-8, whatever they
// are said to be, are read as Latin-1, which cannot fail.
func decodeText(charset, s string) string {
	if charset == "iso-8859-1" || charset == "windows-1252" || !utf8.ValidString(s) {
		return latin1(s)
	}
	return s
}

func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
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
	if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil { // RFC 2047, where it has no business but is
		name = decoded
	}
	return strings.Trim(decodeText("", name), `"`)
}

// disposition names a file in a Content-Disposition: in quotes, with the form of
// RFC 2231 behind it where the name is not ASCII. unquoted leaves the quotes out where
// the name can do without.
func disposition(name string, unquoted bool) string {
	plain := strings.Map(func(r rune) rune {
		if r > 0x7e || r < 0x20 {
			return '_'
		}
		return r
	}, name)
	quoted := `"` + quoting.Replace(plain) + `"`
	if unquoted && isToken(plain) {
		quoted = plain
	}
	value := "attachment; filename=" + quoted
	if plain == name {
		return value
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		if c < 0x7f && isToken(string(rune(c))) && !strings.ContainsRune("*'%", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return value + "; filename*=utf-8''" + b.String()
}

// isToken reports whether a value may stand without quotes (RFC 2045, 5.1).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > 0x7e || strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c)) {
			return false
		}
	}
	return s != ""
}
