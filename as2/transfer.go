package as2

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
)

func transferEncoding(h textproto.MIMEHeader) string {
	return strings.ToLower(strings.Trim(h.Get("Content-Transfer-Encoding"), blanks+`"`))
}

// decodeTransfer undoes a Content-Transfer-Encoding. None means binary in AS2
// (RFC 4130, 5.2.1), and one that nobody knows is left as it is.
func decodeTransfer(r io.Reader, h textproto.MIMEHeader) io.Reader {
	switch transferEncoding(h) {
	case "base64":
		return newBase64(r)
	case "quoted-printable":
		return &structured{quotedprintable.NewReader(r)}
	}
	return r
}

func knownTransfer(h textproto.MIMEHeader) bool {
	switch transferEncoding(h) {
	case "", "binary", "8bit", "7bit", "base64", "quoted-printable":
		return true
	}
	return false
}

// decodeCMS undoes the transfer encoding of a CMS structure by looking at it: the
// header is missing or wrong often enough. A SEQUENCE whose length does not fit one
// octet begins 30 8x, which is no base64; in base64 it begins with an M. contrary
// tells that the header says something else.
func decodeCMS(r *bufio.Reader, h textproto.MIMEHeader) (decoded io.Reader, contrary bool) {
	stated := transferEncoding(h)
	start, _ := r.Peek(64) // a shorter stream shows what it has
	text := strings.TrimLeft(string(start), blanks)
	switch {
	case len(start) > 1 && start[0] == 0x30 && start[1] >= 0x80:
		return r, stated == "base64" || stated == "quoted-printable"
	case strings.HasPrefix(text, "M") && stated != "quoted-printable":
		return newBase64(r), stated == "binary"
	}
	return decodeTransfer(r, h), false
}

// newBase64 decodes base64 in lines of any length, with blanks at their ends.
func newBase64(r io.Reader) io.Reader {
	return &structured{base64.NewDecoder(base64.StdEncoding, &unblanked{r})}
}

// unblanked leaves blanks out; line ends the decoder itself passes over.
type unblanked struct{ r io.Reader }

func (u *unblanked) Read(p []byte) (int, error) {
	for {
		n, err := u.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if c != ' ' && c != '\t' {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil || n == 0 {
			return kept, err
		}
	}
}

// structured says of a bad transfer encoding that the structure is bad.
type structured struct{ r io.Reader }

func (s *structured) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) || err != nil && strings.HasPrefix(err.Error(), "quotedprintable: ") {
		err = fmt.Errorf("%w: %v", errStructure, err)
	}
	return n, err
}

// maxLines is how many lines are encoded at a time.
const maxLines = 256

// lines encodes to base64 in lines of 76 characters that end with CRLF (RFC 2045, 6.8).
type lines struct {
	w    io.Writer
	in   [maxLines * 57]byte
	n    int // of in, not yet encoded
	text [maxLines * 78]byte
}

func (l *lines) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := copy(l.in[l.n:], p)
		l.n += n
		p = p[n:]
		if l.n == len(l.in) {
			if err := l.flush(); err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}

// Close writes the last line. It does not close w.
func (l *lines) Close() error { return l.flush() }

func (l *lines) flush() error {
	text := l.text[:0]
	for rest := l.in[:l.n]; len(rest) > 0; {
		n := min(57, len(rest))
		text = append(base64.StdEncoding.AppendEncode(text, rest[:n]), "\r\n"...)
		rest = rest[n:]
	}
	l.n = 0
	_, err := l.w.Write(text)
	return err
}
