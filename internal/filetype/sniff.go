package filetype

import (
	"bytes"
	"fmt"
	"unicode/utf16"
)

const (
	maxHead = 4 << 10
	maxTail = 64 << 10 // of a zip: its directory, or the end of it
)

// Sniffer is a writer that a file is copied to. Its zero value is ready.
type Sniffer struct {
	head []byte
	tail []byte // of a zip
	size int64

	control   int64 // where the first byte is that no text has, counted from 1; 0 = none
	which     byte
	directory []string // names in a zip; nil = not read yet
}

// Write never fails.
func (s *Sniffer) Write(b []byte) (int, error) {
	if room := maxHead - len(s.head); room > 0 {
		s.head = append(s.head, b[:min(room, len(b))]...)
	}
	if s.control == 0 {
		if i := control(b); i >= 0 {
			s.control, s.which = s.size+int64(i)+1, b[i]
		}
	}
	s.size += int64(len(b))
	if string(s.head) == "P" || s.begins("PK") {
		s.keepTail(b)
	}
	return len(b), nil
}

// keepTail keeps what a directory may be in.
func (s *Sniffer) keepTail(b []byte) {
	if len(b) > maxTail {
		b = b[len(b)-maxTail:]
	}
	s.tail = append(s.tail, b...)
	if len(s.tail) > 2*maxTail {
		s.tail = append(s.tail[:0], s.tail[len(s.tail)-maxTail:]...)
	}
}

// inText are the control characters that texts have: tab, line ends, form feed, those with
// which ISO 2022 changes its character set (SO, SI, ESC), and control-Z at the end.
var inText = [256]bool{'\t': true, '\n': true, '\r': true, '\f': true, 0x0e: true, 0x0f: true, 0x1a: true, 0x1b: true}

// control is where the first character is that has no place in a text.
func control(b []byte) int {
	for i, c := range b {
		if (c < 0x20 || c == 0x7f) && !inText[c] {
			return i
		}
	}
	return -1
}

func (s *Sniffer) begins(starts ...string) bool {
	for _, start := range starts {
		if bytes.HasPrefix(s.head, []byte(start)) {
			return true
		}
	}
	return false
}

func begins(starts ...string) func(*Sniffer) bool {
	return func(s *Sniffer) bool { return s.begins(starts...) }
}

// text is what in the content no text has; empty for nothing.
func (s *Sniffer) text() string {
	switch {
	case s.size == 0:
		return "nothing in it"
	case s.begins("\xff\xfe", "\xfe\xff"): // UTF-16
		return ""
	case s.control > 0:
		return fmt.Sprintf("a byte %02X at byte %d, which no text has", s.which, s.control-1)
	}
	return ""
}

// latePDF reports whether the content is a PDF behind something else: readers look for its
// beginning in the first KiB. A text may tell of it there, and a signed message hold it.
func (s *Sniffer) latePDF() bool {
	return bytes.Contains(s.head[:min(len(s.head), 1024)], []byte("%PDF-")) && s.text() != "" && s.stranger() == "" && !s.binary()
}

// bmp has two letters of its own, and a header of few sizes.
func (s *Sniffer) bmp() bool {
	if !s.begins("BM") || len(s.head) < 18 || s.head[15]|s.head[16]|s.head[17] != 0 {
		return false
	}
	switch s.head[14] {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// start is the head as ASCII-compatible text, without a byte order mark and blanks.
func (s *Sniffer) start() []byte {
	head := s.head
	switch {
	case s.begins("\xff\xfe", "\xfe\xff"):
		little := s.head[0] == 0xff
		var units []uint16
		for i := 2; i+1 < len(head); i += 2 {
			lo, hi := head[i], head[i+1]
			if !little {
				lo, hi = hi, lo
			}
			units = append(units, uint16(hi)<<8|uint16(lo))
		}
		head = []byte(string(utf16.Decode(units)))
	case s.begins("\xef\xbb\xbf"):
		head = head[3:]
	}
	return bytes.TrimLeft(head, " \t\r\n")
}
