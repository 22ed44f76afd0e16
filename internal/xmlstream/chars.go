package xmlstream

import (
	"encoding/binary"
	"unicode/utf8"
)

// What a byte below 0x80 can be.
const (
	nameStart = 1 << iota
	nameByte
	ordinary // in text: neither markup nor a line end, ] nor a control character
)

var classes = func() (c [256]byte) {
	for b := 0x20; b < 0x80; b++ {
		c[b] = ordinary
	}
	c['\t'] = ordinary
	for _, b := range "<&]" {
		c[b] = 0
	}
	for b := byte('a'); b <= 'z'; b++ {
		c[b] |= nameStart | nameByte
		c[b-'a'+'A'] |= nameStart | nameByte
	}
	for b := byte('0'); b <= '9'; b++ {
		c[b] |= nameByte
	}
	c['_'] |= nameStart | nameByte
	c['-'] |= nameByte
	c['.'] |= nameByte
	return c
}()

// The ranges of XML 1.0, fifth edition, 2.3, above ASCII. The colon is none of them:
// Namespaces in XML 1.0.
var nameStartRanges = [][2]rune{
	{0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x2ff}, {0x370, 0x37d}, {0x37f, 0x1fff}, {0x200c, 0x200d}, {0x2070, 0x218f},
	{0x2c00, 0x2fef}, {0x3001, 0xd7ff}, {0xf900, 0xfdcf}, {0xfdf0, 0xfffd}, {0x10000, 0xeffff},
}

func isNameStart(c rune) bool {
	for _, r := range nameStartRanges {
		if c <= r[1] {
			return c >= r[0]
		}
	}
	return false
}

func isName(c rune) bool {
	return isNameStart(c) || c == 0xb7 || c >= 0x300 && c <= 0x36f || c == 0x203f || c == 0x2040
}

// isChar is XML 1.0, 2.2.
func isChar(c rune) bool {
	switch {
	case c < 0x20:
		return c == '\t' || c == '\n' || c == '\r'
	case c < 0xd800:
		return true
	}
	return c >= 0xe000 && c <= 0xfffd || c >= 0x10000 && c <= 0x10ffff
}

// run is how many bytes at the beginning are ordinary.
func run(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		lt, amp, bracket := x^ones*'<', x^ones*'&', x^ones*']'
		// The high bit of a byte is set if it is one of these, below 0x20 or above 0x7f. A
		// borrow can set it for the byte behind such a one, so what follows looks again.
		if (x|(x-ones*0x20)|(lt-ones)&^lt|(amp-ones)&^amp|(bracket-ones)&^bracket)&highs == 0 {
			i += 8
			continue
		}
		for end := i + 8; i < end; i++ {
			if classes[b[i]]&ordinary == 0 {
				return i
			}
		}
	}
	for i < len(b) && classes[b[i]]&ordinary != 0 {
		i++
	}
	return i
}

// character decodes the next one and refuses what is none of the encoding or of XML.
func (r *Reader) character() (c rune, size int, err error) {
	r.ensure(utf8.UTFMax)
	b := r.buf[r.pos]
	switch {
	case b < 0x80:
		c, size = rune(b), 1
	case r.ascii:
		return 0, 0, r.unreadable("not US-ASCII, which the document says it is in")
	case r.single != nil:
		if c, size = r.single.DecodeByte(b), 1; c == utf8.RuneError {
			return 0, 0, r.unreadable("no character of " + r.encoding)
		}
	default:
		if c, size = utf8.DecodeRune(r.buf[r.pos:r.end]); c == utf8.RuneError && size == 1 {
			return 0, 0, r.unreadable("not UTF-8, which a document is in that does not say otherwise")
		}
	}
	if !isChar(c) {
		return 0, 0, r.fault("the character U+%04X is not allowed in XML", c)
	}
	return c, size, nil
}

func (r *Reader) unreadable(why string) error {
	return r.fault("the byte 0x%02X is %s: correct the encoding in the first line, or write the document anew", r.buf[r.pos], why)
}

// pass passes a character over that is no line end.
func (r *Reader) pass(size int) {
	r.pos += size
	r.trailing += int64(size - 1)
}
