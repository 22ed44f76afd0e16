package cms

import (
	"errors"
	"io"
)

// der reads the next element whole and returns it in definite lengths, constructed
// octet strings joined: what encoding/asn1 understands. Elements that were DER come
// out byte for byte.
func (b *ber) der(what string) ([]byte, error) {
	h, err := b.peek()
	if err != nil {
		return nil, missing(err, what)
	}
	base := len(b.stack)
	var open []derFrame
	for {
		h, err = b.peek()
		if errors.Is(err, errEnd) && len(b.stack) > base {
			if err := b.pop(); err != nil {
				return nil, err
			}
			f := open[len(open)-1]
			open = open[:len(open)-1]
			done := f.bytes()
			if len(open) == 0 {
				return done, nil
			}
			open[len(open)-1].add(f.h, done, f.content)
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := b.take(); err != nil {
			return nil, err
		}
		if h.constructed {
			if err := b.hold(h.raw); err != nil {
				return nil, err
			}
			if err := b.push(h); err != nil {
				return nil, err
			}
			open = append(open, derFrame{h: h})
			continue
		}
		content, err := b.primitive(h)
		if err != nil {
			return nil, err
		}
		done := encode(h, content)
		if len(open) == 0 {
			return done, nil
		}
		open[len(open)-1].add(h, done, content)
	}
}

// derFrame collects the contents of a constructed element while der reads it.
type derFrame struct {
	h       header
	content []byte // encoded children; for an octet string their joined contents
}

// joins reports whether the element is an octet string in constructed form.
func (f *derFrame) joins() bool { return f.h.is(classUniversal, tagOctetString) }

func (f *derFrame) add(child header, encoded, content []byte) {
	if f.joins() && child.is(classUniversal, tagOctetString) {
		encoded = content
	}
	f.content = append(f.content, encoded...)
}

func (f *derFrame) bytes() []byte {
	if f.joins() {
		f.h.constructed = false
	}
	return encode(f.h, f.content)
}

// primitive reads the contents of a primitive element into memory, in steps, so that
// a stated length alone allocates next to nothing.
func (b *ber) primitive(h header) ([]byte, error) {
	if err := b.hold(h.length + h.raw); err != nil {
		return nil, err
	}
	if err := b.consume(h.length); err != nil {
		return nil, err
	}
	if h.length <= headBuffer {
		content := make([]byte, h.length)
		if _, err := io.ReadFull(b.r, content); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
		return content, nil
	}
	content, err := io.ReadAll(io.LimitReader(b.r, h.length))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) < h.length {
		return nil, io.ErrUnexpectedEOF
	}
	return content, nil
}

// hold accounts for bytes that are kept in memory.
func (b *ber) hold(n int64) error {
	if b.held += n; b.held > b.lim.HeaderBytes {
		return syntaxError("more than %d bytes beside the content", b.lim.HeaderBytes)
	}
	return nil
}

// encode writes one element with a definite length of the fewest octets.
func encode(h header, content []byte) []byte {
	out := make([]byte, 0, len(content)+12)
	c := h.class << 6
	if h.constructed {
		c |= 0x20
	}
	if h.tag < 0x1f {
		out = append(out, c|byte(h.tag))
	} else {
		out = append(out, c|0x1f)
		shift := 0
		for h.tag>>(shift+7) != 0 {
			shift += 7
		}
		for ; shift > 0; shift -= 7 {
			out = append(out, 0x80|byte(h.tag>>shift&0x7f))
		}
		out = append(out, byte(h.tag&0x7f))
	}
	out = appendLength(out, uint64(len(content)))
	return append(out, content...)
}

func appendLength(out []byte, n uint64) []byte {
	if n < 0x80 {
		return append(out, byte(n))
	}
	octets := 1
	for n>>(8*octets) != 0 {
		octets++
	}
	out = append(out, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		out = append(out, byte(n>>(8*i)))
	}
	return out
}
