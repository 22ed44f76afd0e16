package envelope

import (
	"bytes"
	"strconv"
	"strings"
)

// isaLength is that of an ISA with its terminator: X12.5 gives each element a fixed width.
const isaLength = 106

// isaWidths are those of ISA01 to ISA16.
var isaWidths = [...]int{2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1}

// x12 reads the interchanges of a file.
func (w *walker) x12(s *source) {
	w.words = &x12Words
	var sep separators
	for {
		s.skipBlanks()
		seg, ok := s.next()
		if !ok {
			break
		}
		if start := s.peek(4); len(start) == 4 && string(start[:3]) == "ISA" && !letter(start[3]) {
			if sep, ok = w.isa(s, seg); !ok {
				return
			}
			continue
		}
		if !w.binary(s, &seg, sep) {
			return
		}
		s.upTo(&seg, sep.terminator, func([]byte) bool { return true })
		if s.err != nil {
			return
		}
		seg.tag = w.tagOf(before(seg.head, sep.element))
		if w.read(s, seg) {
			w.x12Segment(seg, sep)
		}
	}
	w.finish(s)
}

// isa reads an ISA, which says what the separators are by where they stand.
func (w *walker) isa(s *source, seg segment) (sep separators, ok bool) {
	seg.tag = "ISA"
	w.Segments++
	isa := bytes.Clone(s.peek(isaLength))
	if len(isa) < isaLength {
		if s.err == nil {
			w.fault(seg, "the file ends in the middle of it: an ISA has %d characters, here are %d", isaLength, len(isa))
		}
		return sep, false
	}
	sep = separators{element: isa[3], component: isa[104], terminator: isa[105]}
	at := 4
	for i, width := range isaWidths {
		got := bytes.IndexByte(isa[at:], sep.element)
		if last := i == len(isaWidths)-1; last || got == width {
			at += width + 1
			continue
		}
		if got < 0 {
			got = len(isa) - at
		}
		w.fault(seg, "ISA%02d is %d characters long, and must have %d: blanks were cut off or added", i+1, got, width)
		return sep, false
	}
	if sep.terminator == sep.element || sep.terminator == sep.component || letter(sep.terminator) {
		w.fault(seg, "%q stands where its terminator belongs, at character %d", sep.terminator, isaLength)
		return sep, false
	}
	s.discard(isaLength)
	w.begins(seg, interchange, string(isa[90:99])) // ISA13
	return sep, true
}

func before(b []byte, c byte) []byte {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return b[:i]
	}
	return b
}

// binary passes over the bytes of a BIN or BDS, which may look like a terminator. A false
// ends the reading.
func (w *walker) binary(s *source, seg *segment, sep separators) bool {
	start := s.peek(4)
	fields := 1 // BIN01 is the length
	switch {
	case bytes.Equal(start, append([]byte("BIN"), sep.element)):
	case bytes.Equal(start, append([]byte("BDS"), sep.element)):
		fields = 2 // BDS02
	default:
		return true
	}
	seg.tag = string(start[:3])
	length := ""
	s.discard(4)
	s.keep(seg, start)
	for fields > 0 {
		b := s.peek(1)
		if len(b) == 0 || b[0] == sep.terminator || len(length) > 20 {
			break
		}
		length += string(b)
		if b[0] == sep.element {
			if fields--; fields > 0 {
				length = ""
			}
		}
		s.keep(seg, b)
		s.discard(1)
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(length, string([]byte{sep.element})), 10, 60)
	if err != nil || fields > 0 {
		if s.err == nil {
			w.fault(*seg, "it says %q where the length of its binary data belongs", length)
		}
		return false
	}
	if s.discard(int64(n)) < int64(n) {
		if s.err == nil {
			w.fault(*seg, "it has %d bytes of binary data, and the file ends before", n)
		}
		return false
	}
	if end := s.peek(1); len(end) > 0 && end[0] != sep.terminator {
		w.fault(*seg, "its binary data of %d bytes is followed by %q, not by the terminator", n, end)
		return false
	}
	return true
}

// x12Segment does what a segment means to the envelope.
func (w *walker) x12Segment(seg segment, sep separators) {
	equal := func(a, b string) bool { return a == b }
	e := sep.elements(seg.head)
	switch seg.tag {
	case "GS":
		w.begins(seg, group, e.at(6))
	case "ST":
		w.begins(seg, message, e.at(2))
	case "SE":
		w.ends(seg, message, e.at(1), e.at(2), equal)
	case "GE":
		// GS06 and GE02 are numbers: leading zeros mean nothing.
		w.ends(seg, group, e.at(1), e.at(2), func(a, b string) bool { return strings.TrimLeft(a, "0") == strings.TrimLeft(b, "0") })
	case "IEA":
		w.ends(seg, interchange, e.at(1), e.at(2), equal)
	default:
		w.data(seg, outside(seg.tag))
		return
	}
	if seg.cut {
		w.fault(seg, "it is longer than %d bytes, which no segment of an envelope is", maxHead)
	}
}

// outside are the segments that stand in an interchange and in no transaction set:
// acknowledgements and service requests (X12.5), security (X12.58).
func outside(tag string) bool {
	switch tag {
	case "TA1", "TA3", "ISB", "ISE", "SVA", "S1S", "S1E", "S1A", "S2S", "S2E", "S2A", "S3S", "S3E", "S3A", "S4S", "S4E", "S4A":
		return true
	}
	return false
}
