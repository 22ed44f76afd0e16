package embedded

import (
	"encoding/base64"
	"fmt"
	"hash"
	"io"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// What a byte is in base64.
const (
	isNone = iota
	isDigit
	isWhite
	isPad
)

var digits = func() (c [256]uint8) {
	for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		c[b] = isDigit
	}
	for _, b := range " \t\r\n" {
		c[b] = isWhite
	}
	c['='] = isPad
	return c
}()

// decoder decodes base64 that comes in pieces, with white space anywhere (RFC 2045, 6.8,
// and xs:base64Binary), and knows the place of what is wrong.
type decoder struct {
	out         io.Writer
	sum         hash.Hash
	left, limit int64 // bytes that may still be written
	written     int64

	buf  []byte // digits that are not decoded yet
	raw  []byte // decoded ones
	pads int    // the = so far
	all  int64  // digits so far
}

// digitsAtOnce are decoded together: a multiple of four.
const digitsAtOnce = 32 << 10

// write takes a piece.
func (d *decoder) write(t *xmlstream.Token) error {
	if d.buf == nil {
		d.buf, d.raw = make([]byte, 0, digitsAtOnce), make([]byte, digitsAtOnce/4*3)
	}
	for i := 0; i < len(t.Data); {
		n := i
		for n < len(t.Data) && digits[t.Data[n]] == isDigit {
			n++
		}
		if n > i && d.pads > 0 {
			return d.fault(t, i, "base64 goes on behind its end, the =")
		}
		d.all += int64(n - i)
		for i < n {
			k := min(n-i, digitsAtOnce-len(d.buf))
			d.buf = append(d.buf, t.Data[i:i+k]...)
			i += k
			if len(d.buf) == digitsAtOnce {
				if err := d.flush(t.Line, t.Column); err != nil {
					return err
				}
			}
		}
		if n == len(t.Data) {
			return nil
		}
		switch digits[t.Data[n]] {
		case isPad:
			if d.pads++; d.pads > 2 {
				return d.fault(t, n, "base64 ends with more than two =")
			}
		case isNone:
			return d.fault(t, n, fmt.Sprintf("the character %q is none of base64", firstRune(t.Data[n:])))
		}
		i = n + 1
	}
	return nil
}

func firstRune(b []byte) rune {
	for _, c := range string(b[:min(len(b), 4)]) {
		return c
	}
	return 0
}

func (d *decoder) fault(t *xmlstream.Token, i int, fact string) error {
	line, column := t.At(i)
	return &Error{line, column, fact, "the embedded file is damaged: ask for the document again"}
}

// end is that of the content, with its place.
func (d *decoder) end(line, column int) error {
	fact := ""
	switch rest := d.all % 4; {
	case rest == 1, rest == 0 && d.pads > 0:
		fact = "base64 is cut off: it has one character too few or too many"
	case rest+int64(d.pads) != 4 && rest != 0:
		fact = "base64 is cut off: = is missing at its end"
	}
	if fact != "" {
		return &Error{line, column, fact, "the embedded file is damaged: ask for the document again"}
	}
	for range d.pads {
		d.buf = append(d.buf, '=')
	}
	return d.flush(line, column)
}

// flush decodes what is there, a multiple of four digits.
func (d *decoder) flush(line, column int) error {
	n, err := base64.StdEncoding.Decode(d.raw, d.buf)
	if err != nil {
		return &Error{line, column, "base64 cannot be decoded", "the embedded file is damaged: ask for the document again"}
	}
	d.buf = d.buf[:0]
	if int64(n) > d.left {
		return &Error{line, column, fmt.Sprintf("the embedded objects have more than %d bytes", d.limit), tooMuch}
	}
	d.left -= int64(n)
	d.written += int64(n)
	d.sum.Write(d.raw[:n])
	_, err = d.out.Write(d.raw[:n])
	return err
}
