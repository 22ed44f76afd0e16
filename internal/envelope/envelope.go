package envelope

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Format is how the interchanges of a file are written.
type Format string

const (
	None    Format = ""
	EDIFACT Format = "EDIFACT"
	X12     Format = "X12"
)

// HeadSize is how many bytes of a file FormatOf wants to see.
const HeadSize = 64

// bom is UTF-8's byte order mark.
var bom = []byte("\xef\xbb\xbf")

// FormatOf says by the first bytes of a file how it is written.
func FormatOf(head []byte) Format {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, bom), " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("UNA")), bytes.HasPrefix(head, []byte("UNB")) && len(head) > 3 && !letter(head[3]):
		return EDIFACT
	case bytes.HasPrefix(head, []byte("ISA")) && len(head) > 3 && !letter(head[3]):
		return X12
	}
	return None
}

// Fault is one thing that keeps an interchange from being complete.
type Fault struct {
	Segment int    // number in the file, from 1; a UNA counts
	Tag     string // of the segment; empty behind the last one, ? where there is none at all
	Offset  int64  // bytes in the file before the segment
	Fact    string
}

// Place is where the fault is, for people.
func (f Fault) Place() string {
	switch f.Tag {
	case "":
		return fmt.Sprintf("behind segment %d (byte %d)", f.Segment, f.Offset)
	case "?":
		return fmt.Sprintf("byte %d", f.Offset)
	}
	return fmt.Sprintf("segment %d (%s, byte %d)", f.Segment, f.Tag, f.Offset)
}

func (f Fault) String() string { return f.Place() + ": " + f.Fact }

// Report is what Check found.
type Report struct {
	Format       Format
	Interchanges int // begun
	Groups       int
	Messages     int // packages, too
	Segments     int
	Faults       []Fault
	More         int // faults beyond those
}

// Check reads a file to its end, or to a fault behind which nothing can be told any more.
// It lists at most the given number of faults. An error is one of r; the report is then
// what was found up to there.
func Check(r io.Reader, most int) (Report, error) {
	s := &source{r: bufio.NewReaderSize(r, 64<<10)}
	w := &walker{most: most}
	w.begin(s)
	if s.err != nil {
		return w.Report, s.err
	}
	return w.Report, nil
}

// begin finds out how the file is written.
func (w *walker) begin(s *source) {
	if start := s.peek(len(bom)); bytes.Equal(start, bom) {
		w.fault(segment{number: 1, tag: "?"}, "the file begins with a byte order mark (EF BB BF), which many programs take for a part of the first segment")
		s.discard(int64(len(bom)))
	}
	s.skipBlanks()
	head := s.peek(4)
	switch FormatOf(head) {
	case EDIFACT:
		w.Format = EDIFACT
		w.edifact(s)
	case X12:
		w.Format = X12
		w.x12(s)
	default:
		if s.err != nil {
			return
		}
		if len(head) == 0 {
			w.fault(segment{number: 1, tag: "?", offset: s.offset}, "the file holds no interchange")
			return
		}
		w.fault(segment{number: 1, tag: "?", offset: s.offset}, "the file begins with %q, and neither with UNA, UNB nor ISA%s", head, utf16(head))
	}
}

// utf16 explains a first letter of two bytes.
func utf16(head []byte) string {
	for _, start := range []string{"\xff\xfe", "\xfe\xff", "U\x00", "\x00U", "I\x00", "\x00I"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return ": it is UTF-16, and envelopes have one byte for each character"
		}
	}
	return ""
}

func letter(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
