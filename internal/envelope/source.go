package envelope

import (
	"bufio"
	"bytes"
	"io"
)

// maxHead is how many bytes of a segment are kept. Those of the envelope are shorter: a
// UNB with everything in it has some 250.
const maxHead = 1024

// segment is one of a file, without its terminator.
type segment struct {
	number int
	offset int64
	tag    string
	head   []byte // its first bytes; valid until the next one is read
	cut    bool   // it is longer than head
	whole  bool   // its terminator was there
}

// source counts what is read of a file.
type source struct {
	r      *bufio.Reader
	offset int64
	number int   // of the segment read last
	err    error // of the file; its end is none
	head   [maxHead]byte
}

// note remembers an error of the file and reports whether there was any, or its end.
func (s *source) note(err error) bool {
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	return err != nil
}

// peek shows up to n bytes, fewer at the end.
func (s *source) peek(n int) []byte {
	b, err := s.r.Peek(n)
	s.note(err)
	return b
}

// discard passes over n bytes and returns how many there were.
func (s *source) discard(n int64) (passed int64) {
	for passed < n {
		d, err := s.r.Discard(int(min(n-passed, 1<<20)))
		passed += int64(d)
		s.offset += int64(d)
		if s.note(err) {
			break
		}
	}
	return passed
}

// skipBlanks passes over what may stand between segments. Files that came from mainframes
// end with control-Z or zeros.
func (s *source) skipBlanks() {
	for {
		b := s.peek(1)
		if len(b) == 0 || bytes.IndexByte([]byte("\r\n\t \x1a\x00"), b[0]) < 0 {
			return
		}
		s.discard(1)
	}
}

// next begins a segment; false at the end of the file.
func (s *source) next() (segment, bool) {
	if s.err != nil || len(s.peek(1)) == 0 {
		return segment{}, false
	}
	s.number++
	return segment{number: s.number, offset: s.offset}, true
}

// upTo adds bytes to a segment up to a terminator. last is told of each piece and says
// whether the terminator at its end is one.
func (s *source) upTo(seg *segment, terminator byte, last func(piece []byte) bool) {
	for {
		piece, err := s.r.ReadSlice(terminator)
		s.offset += int64(len(piece))
		if err == bufio.ErrBufferFull {
			err = nil
		}
		ends := last(piece) && len(piece) > 0 && piece[len(piece)-1] == terminator
		if ends {
			piece = piece[:len(piece)-1]
		}
		s.keep(seg, piece)
		if ends {
			seg.whole = true
			return
		}
		if s.note(err) {
			return
		}
	}
}

// keep adds to the head of a segment what there is room for.
func (s *source) keep(seg *segment, piece []byte) {
	n := copy(s.head[len(seg.head):], piece)
	seg.head = s.head[:len(seg.head)+n]
	seg.cut = seg.cut || n < len(piece)
}
