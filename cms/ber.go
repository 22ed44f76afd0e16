package cms

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Limits bound what a reader accepts from outside.
type Limits struct {
	Depth       int   // nested constructed encodings; default 32
	HeaderBytes int64 // everything that is held in memory (recipients, certificates, signers); default 1 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.HeaderBytes == 0 {
		l.HeaderBytes = 1 << 20
	}
	return l
}

// ErrSyntax is wrapped by every error about bytes that are no well-formed BER, or
// not the structure that was expected.
var ErrSyntax = errors.New("malformed CMS structure")

func syntaxError(format string, args ...any) error {
	return fmt.Errorf("cms: %w: %s", ErrSyntax, fmt.Sprintf(format, args...))
}

const (
	classUniversal = 0
	classContext   = 2

	tagInteger     = 2
	tagOctetString = 4
	tagOID         = 6
	tagSequence    = 16
	tagSet         = 17
)

// header is identifier and length of one encoding (X.690, 8.1).
type header struct {
	class       byte
	constructed bool
	tag         uint32
	length      int64 // -1 = indefinite
	raw         int64 // bytes that the header itself took
}

func (h header) is(class byte, tag uint32) bool { return h.class == class && h.tag == tag }

func (h header) String() string {
	return fmt.Sprintf("class %d tag %d", h.class, h.tag)
}

// frame is an open constructed encoding; left is -1 for indefinite length.
type frame struct{ left int64 }

// ber pulls encodings from a stream. It keeps a stack of open constructed encodings
// instead of recursing, and at most one header of look-ahead.
type ber struct {
	r      *bufio.Reader
	lim    Limits
	held   int64 // bytes kept in memory so far, against lim.HeaderBytes
	stack  []frame
	ahead  bool // peeked is the next one
	peeked header
}

const (
	streamBuffer = 64 << 10 // bytes of content that are worked on at once
	headBuffer   = 4 << 10  // a small one, so that content passes it by
)

func newBER(r io.Reader, lim Limits) *ber {
	br, ok := r.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(r, headBuffer)
	}
	return &ber{r: br, lim: lim.withDefaults()}
}

// errEnd says that the innermost open encoding has no more elements.
var errEnd = errors.New("end of contents")

// consume accounts for n bytes in every open definite encoding.
func (b *ber) consume(n int64) error {
	for i := range b.stack {
		f := &b.stack[i]
		if f.left < 0 {
			continue
		}
		if f.left < n {
			return syntaxError("an element is longer than the one around it")
		}
		f.left -= n
	}
	return nil
}

func (b *ber) readByte() (byte, error) {
	c, err := b.r.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// peek returns the next header without taking it, or errEnd.
func (b *ber) peek() (header, error) {
	if b.ahead {
		if b.peeked.class == classUniversal && b.peeked.tag == 0 {
			return header{}, errEnd // end-of-contents, seen before and not yet popped
		}
		return b.peeked, nil
	}
	if n := len(b.stack); n > 0 && b.stack[n-1].left == 0 {
		return header{}, errEnd
	}
	h, err := b.readHeader()
	if err != nil {
		return header{}, err
	}
	if h.class == classUniversal && h.tag == 0 {
		if n := len(b.stack); n == 0 || b.stack[n-1].left >= 0 || h.length != 0 || h.constructed {
			return header{}, syntaxError("end-of-contents where none belongs")
		}
		b.peeked, b.ahead = h, true
		return header{}, errEnd
	}
	if h.length < 0 && !h.constructed {
		return header{}, syntaxError("primitive encoding of indefinite length")
	}
	b.peeked, b.ahead = h, true
	return h, nil
}

// readHeader reads identifier and length octets, whatever they mean.
func (b *ber) readHeader() (header, error) {
	c, err := b.readByte()
	if err != nil {
		return header{}, err
	}
	h := header{class: c >> 6, constructed: c&0x20 != 0, tag: uint32(c & 0x1f), raw: 1}
	if h.tag == 0x1f { // X.690, 8.1.2.4: high tag numbers; four octets are plenty
		h.tag = 0
		for {
			if c, err = b.readByte(); err != nil {
				return header{}, err
			}
			if h.raw++; h.raw > 5 {
				return header{}, syntaxError("tag number over 28 bits")
			}
			h.tag = h.tag<<7 | uint32(c&0x7f)
			if c&0x80 == 0 {
				break
			}
		}
	}
	if c, err = b.readByte(); err != nil {
		return header{}, err
	}
	h.raw++
	switch {
	case c < 0x80:
		h.length = int64(c)
	case c == 0x80:
		h.length = -1
	default:
		n := int(c & 0x7f)
		if n > 16 {
			return header{}, syntaxError("length of %d octets", n)
		}
		for range n {
			if c, err = b.readByte(); err != nil {
				return header{}, err
			}
			h.raw++
			if h.length > 1<<54 {
				return header{}, syntaxError("length over 2^62")
			}
			h.length = h.length<<8 | int64(c)
		}
	}
	return h, nil
}

// take consumes the header that peek has shown.
func (b *ber) take() (header, error) {
	h, err := b.peek()
	if err != nil {
		return header{}, err
	}
	b.ahead = false
	return h, b.consume(h.raw)
}

// enter opens the next element, which must be constructed and have the given tag.
func (b *ber) enter(class byte, tag uint32, what string) error {
	h, err := b.peek()
	if err != nil {
		return missing(err, what)
	}
	if !h.is(class, tag) || !h.constructed {
		return syntaxError("%s expected, found %v", what, h)
	}
	if _, err := b.take(); err != nil {
		return err
	}
	return b.push(h)
}

func missing(err error, what string) error {
	if errors.Is(err, errEnd) {
		return syntaxError("%s is missing", what)
	}
	return err
}

func (b *ber) push(h header) error {
	if len(b.stack) >= b.lim.Depth {
		return syntaxError("nested deeper than %d", b.lim.Depth)
	}
	if h.length >= 0 {
		// The parents must have room for all of it.
		for _, f := range b.stack {
			if f.left >= 0 && f.left < h.length {
				return syntaxError("an element is longer than the one around it")
			}
		}
	}
	b.stack = append(b.stack, frame{h.length})
	return nil
}

// leave closes the innermost element, skipping what is left in it.
func (b *ber) leave() error {
	depth := len(b.stack)
	for {
		h, err := b.peek()
		if errors.Is(err, errEnd) {
			if err := b.pop(); err != nil {
				return err
			}
			if len(b.stack) < depth {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		if _, err := b.take(); err != nil {
			return err
		}
		if h.constructed {
			err = b.push(h)
		} else {
			err = b.discard(h.length)
		}
		if err != nil {
			return err
		}
	}
}

// pop closes the innermost element, which peek has found to be at its end.
func (b *ber) pop() error {
	n := len(b.stack) - 1
	indefinite := b.stack[n].left < 0
	b.stack = b.stack[:n]
	if indefinite {
		b.ahead = false
		return b.consume(2)
	}
	return nil
}

func (b *ber) discard(n int64) error {
	if err := b.consume(n); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, b.r, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// CheckBounds walks a whole BER encoding and refuses what a recursive parser would
// choke on: depth and size over the limits, lengths that do not fit. Nothing is kept.
// It belongs in front of any library that parses certificate bundles.
func CheckBounds(r io.Reader, lim Limits) error {
	counted := &io.LimitedReader{R: r, N: lim.withDefaults().HeaderBytes + 1}
	b := newBER(counted, lim)
	h, err := b.take()
	if err != nil {
		return err
	}
	if !h.constructed {
		err = b.discard(h.length)
	} else if err = b.push(h); err == nil {
		err = b.leave()
	}
	if counted.N <= 0 {
		return syntaxError("longer than %d bytes", b.lim.HeaderBytes)
	}
	return err
}
