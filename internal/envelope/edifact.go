package envelope

import (
	"bytes"
	"strconv"
	"strings"
)

// separators are the characters of an interchange that mean something.
type separators struct {
	component, element, release, terminator byte
	released                                bool // there is a release character
	una                                     bool // a UNA said so
}

var (
	levelA = separators{component: ':', element: '+', release: '?', terminator: '\'', released: true}
	levelB = separators{component: 0x1f, element: 0x1d, terminator: 0x1c} // ISO 9735 before version 4, for UNOB
)

// edifact reads the interchanges of a file.
func (w *walker) edifact(s *source) {
	w.words = &edifactWords
	sep := levelA
	var escapes *escapes
	for {
		s.skipBlanks()
		seg, ok := s.next()
		if !ok {
			break
		}
		start := s.peek(9)
		if bytes.HasPrefix(start, []byte("UNA")) {
			if sep, ok = w.advice(s, seg, start); !ok {
				return
			}
			continue
		}
		if bytes.HasPrefix(start, []byte("UNB")) {
			if sep, ok = w.before(seg, sep, start); !ok {
				return
			}
			escapes = nil
		}
		w.segmentOf(s, &seg, sep, escapes)
		if s.err != nil {
			return
		}
		if seg.tag == "UNB" {
			sep.una = false // it holds for one interchange
			if bytes.HasPrefix(seg.head, append([]byte("UNB"), sep.element, 'U', 'N', 'O', 'X')) {
				escapes = newEscapes()
			}
		}
		if w.read(s, seg) && !w.edifactSegment(s, seg, sep) {
			return
		}
	}
	if s.err == nil && sep.una && w.Interchanges > 0 {
		w.fault(segment{number: s.number, offset: s.offset}, "no UNB follows the UNA")
	}
	w.finish(s)
}

// advice reads a UNA: six characters of its own, of any kind (ISO 9735-1, annex B).
func (w *walker) advice(s *source, seg segment, start []byte) (sep separators, ok bool) {
	seg.tag = "UNA"
	w.Segments++
	if len(start) < 9 {
		w.fault(seg, "the file ends in the middle of it: a UNA has 9 characters")
		return sep, false
	}
	s.discard(9)
	sep = separators{component: start[3], element: start[4], release: start[6], terminator: start[8], released: start[6] != ' ', una: true}
	used := []byte{sep.component, sep.element, sep.terminator}
	if sep.released {
		used = append(used, sep.release)
	}
	for i, c := range used {
		if letter(c) || bytes.IndexByte(used[i+1:], c) >= 0 {
			w.fault(seg, "it names %q as a separator, which is a letter, a digit, or another separator already: %q", c, start)
			return sep, false
		}
	}
	return sep, true
}

// before looks at a UNB for the separators of its interchange.
func (w *walker) before(seg segment, sep separators, start []byte) (separators, bool) {
	seg.tag = "UNB"
	if len(start) < 4 {
		w.fault(seg, "the file ends in the middle of it")
		return sep, false
	}
	switch c := start[3]; {
	case sep.una && c == sep.element:
		return sep, true
	case sep.una:
		w.fault(seg, "%q follows its tag, and by the UNA elements are separated by %q", c, sep.element)
		return sep, false
	case c == levelA.element:
		return levelA, true
	case c == levelB.element:
		return levelB, true
	default:
		w.fault(seg, "%q follows its tag, and without a UNA elements are separated by %q", c, levelA.element)
		return sep, false
	}
}

// segmentOf reads one segment to its terminator.
func (w *walker) segmentOf(s *source, seg *segment, sep separators, escapes *escapes) {
	odd := false // so many release characters at the end that what follows is no terminator
	s.upTo(seg, sep.terminator, func(piece []byte) bool {
		body := bytes.TrimSuffix(piece, []byte{sep.terminator})
		if escapes != nil && escapes.pass(body) {
			odd = false
			return false // within letters of several bytes
		}
		if !sep.released {
			return true
		}
		run := 0
		for run < len(body) && body[len(body)-1-run] == sep.release {
			run++
		}
		odd = (odd && run == len(body)) != (run%2 == 1)
		released := odd && len(body) < len(piece)
		odd = odd && !released
		return !released
	})
	end := 0
	for end < len(seg.head) && seg.head[end] != sep.component && seg.head[end] != sep.element {
		end++
	}
	seg.tag = w.tagOf(seg.head[:end])
}

// edifactSegment does what a segment means to the envelope; false ends the reading.
func (w *walker) edifactSegment(s *source, seg segment, sep separators) bool {
	if !strings.HasPrefix(seg.tag, "U") {
		w.data(seg, false)
		return true
	}
	equal := func(a, b string) bool { return a == b }
	e := sep.elements(seg.head)
	switch seg.tag {
	case "UNB":
		w.begins(seg, interchange, e.at(5))
		w.syntax(seg, e.at(1), sep)
	case "UNG":
		w.begins(seg, group, e.at(5))
	case "UNH":
		w.begins(seg, message, e.at(1))
	case "UNT":
		w.ends(seg, message, e.at(1), e.at(2), equal)
	case "UNE":
		w.ends(seg, group, e.at(1), e.at(2), equal)
	case "UNZ":
		w.ends(seg, interchange, e.at(1), e.at(2), equal)
	case "UNO":
		return w.object(s, seg, sep, e)
	case "UIB", "UIH", "UIR", "UIT", "UIZ":
		w.fault(seg, "it belongs to interactive EDIFACT, which does not travel in files")
		return false
	default:
		// ISO 9735-5: headers and trailers of security stand around messages.
		w.data(seg, strings.HasPrefix(seg.tag, "US"))
		return true
	}
	if seg.cut {
		w.fault(seg, "it is longer than %d bytes, which no segment of an envelope is", maxHead)
	}
	return true
}

// syntax looks at what a UNB says of itself.
func (w *walker) syntax(seg segment, s001 string, sep separators) {
	id, version, _ := strings.Cut(s001, string([]byte{sep.component}))
	version, _, _ = strings.Cut(version, string([]byte{sep.component}))
	if id == "" {
		w.fault(seg, "it names no syntax, such as UNOC:3")
		return
	}
	if len(version) != 1 || version < "1" || version > "4" {
		w.fault(seg, "its syntax version is %q, and there are 1 to 4", version)
	}
}

// object passes over a package: UNO, so many bytes of anything, UNP (ISO 9735-8). It counts
// as a message does.
func (w *walker) object(s *source, uno segment, sep separators, e elements) bool {
	w.begins(uno, message, e.at(1))
	w.open[message] = nil
	length, _, _ := strings.Cut(e.at(4), string([]byte{sep.component}))
	n, err := strconv.ParseUint(length, 10, 60)
	if err != nil {
		w.fault(uno, "it says %q where the length of its object in bytes belongs", length)
		return false
	}
	ref := e.at(1)
	if s.discard(int64(n)) < int64(n) {
		w.fault(uno, "its object has %d bytes, and the file ends before", n)
		return false
	}
	s.skipBlanks()
	unp, ok := s.next()
	if !ok {
		w.fault(uno, "it has no UNP")
		return false
	}
	w.segmentOf(s, &unp, sep, nil)
	if !w.read(s, unp) {
		return true
	}
	end := sep.elements(unp.head)
	if unp.tag != "UNP" || end.at(1) != length || end.at(2) != ref {
		w.fault(unp, "UNP with length %q and reference %q belongs here, behind the object of the UNO in segment %d", length, ref, uno.number)
		return false
	}
	return true
}

// elements are those of a segment, released; components stay together.
type elements []string

// at is an element by its number; 0 is the tag.
func (e elements) at(i int) string {
	if i < len(e) {
		return e[i]
	}
	return ""
}

// maxElements is how many elements of a segment count.
const maxElements = 8

func (sep separators) elements(head []byte) elements {
	var all elements
	var b []byte
	for i := 0; i < len(head) && len(all) < maxElements; i++ {
		switch c := head[i]; {
		case sep.released && c == sep.release && i+1 < len(head):
			i++
			b = append(b, head[i])
		case c == sep.element:
			all, b = append(all, string(b)), nil
		default:
			b = append(b, c)
		}
	}
	return append(all, string(b))
}

// escapes follows the escape sequences of ISO 2022, with which letters of several bytes
// begin and end.
type escapes struct {
	sequence []byte // that is being read; nil = none
	wide     bool
}

func newEscapes() *escapes { return &escapes{} }

// pass reads on and reports whether the text is within letters of several bytes then.
func (e *escapes) pass(b []byte) (wide bool) {
	for _, c := range b {
		switch {
		case c == 0x1b:
			e.sequence = append(e.sequence[:0], c)
		case len(e.sequence) > 0 && c >= 0x20 && c <= 0x2f && len(e.sequence) < 4:
			e.sequence = append(e.sequence, c)
		case len(e.sequence) > 1: // the final byte: ESC $ ... is a set of several bytes, ESC ( ... one of one byte
			e.wide = e.sequence[1] == '$'
			e.sequence = e.sequence[:0]
		default:
			e.sequence = e.sequence[:0]
		}
	}
	return e.wide
}
