package envelope

import (
	"fmt"
	"strconv"
	"strings"
)

// The levels of an envelope.
const (
	interchange = iota
	group
	message
	levels
)

// words are what the levels are called, and the tags that begin and end them.
type words struct{ name, plural, open, close string }

var (
	edifactWords = [levels]words{{"interchange", "", "UNB", "UNZ"}, {"group", "groups", "UNG", "UNE"}, {"message", "messages", "UNH", "UNT"}}
	x12Words     = [levels]words{{"interchange", "", "ISA", "IEA"}, {"group", "groups", "GS", "GE"}, {"transaction set", "transaction sets", "ST", "SE"}}
)

// begun is a level that is open.
type begun struct {
	number   int
	ref      string
	segments int         // of a message, its first one included
	inside   [levels]int // what it holds directly
}

// walker keeps count of what was begun.
type walker struct {
	Report
	most  int
	words *[levels]words
	open  [levels]*begun
	tags  map[string]string // of segments, so that each is made once
	lost  bool              // a segment outside of everything was reported, and none of an envelope came since
}

// maxTags is how many tags are remembered; the directories have some hundred.
const maxTags = 1000

// tagOf is the tag of a segment, or of what stands in its place as much as a line can take.
func (w *walker) tagOf(b []byte) string {
	if tag, ok := w.tags[string(b)]; ok {
		return tag
	}
	tag := string(b[:min(len(b), 8)])
	if len(b) > 8 {
		tag += "..."
	}
	if tag == "" || strings.ContainsFunc(tag, func(r rune) bool { return r >= 0x80 || !letter(byte(r)) }) {
		return strconv.QuoteToASCII(tag)
	}
	if w.tags == nil {
		w.tags = map[string]string{}
	}
	if len(w.tags) < maxTags {
		w.tags[tag] = tag
	}
	return tag
}

func (w *walker) fault(s segment, format string, args ...any) {
	if len(w.Faults) >= w.most {
		w.More++
		return
	}
	w.Faults = append(w.Faults, Fault{s.number, s.tag, s.offset, fmt.Sprintf(format, args...)})
}

// begins opens a level. What is open there, or deeper, has not been closed.
func (w *walker) begins(s segment, level int, ref string) {
	w.lost = false
	w.unclosed(s, level, "before this "+s.tag)
	switch level {
	case interchange:
		w.Interchanges++
	case group:
		w.Groups++
	default:
		w.Messages++
	}
	parent := w.parent(level)
	switch {
	case level > interchange && parent == nil:
		w.fault(s, "a %s outside of any %s", w.words[level].name, w.outer(level))
	case level == message && parent == w.open[interchange] && parent.inside[group] > 0:
		w.fault(s, "a %s outside of any group, in an interchange that has groups", w.words[level].name)
	}
	if parent != nil {
		parent.inside[level]++
	}
	if ref == "" {
		w.fault(s, "it has no reference")
	}
	w.open[level] = &begun{number: s.number, ref: ref, segments: 1}
}

// parent is what a level stands in; nil if that is not open.
func (w *walker) parent(level int) *begun {
	switch {
	case level == interchange:
		return nil
	case level == message && w.open[group] != nil:
		return w.open[group]
	case level == message && w.words == &x12Words:
		return nil // X12.6: transaction sets are in groups
	}
	return w.open[interchange]
}

// outer is what a level stands in, for people.
func (w *walker) outer(level int) string {
	if level == message && w.words == &x12Words {
		return "group (GS)"
	}
	return fmt.Sprintf("interchange (%s)", w.words[interchange].open)
}

// unclosed reports what is still open at a level and deeper, the innermost first.
func (w *walker) unclosed(s segment, level int, where string) {
	for l := levels - 1; l >= level; l-- {
		if b := w.open[l]; b != nil {
			w.fault(s, "the %s %q, begun by %s in segment %d, has no %s %s", w.words[l].name, b.ref, w.words[l].open, b.number, w.words[l].close, where)
			w.open[l] = nil
		}
	}
}

// ends closes a level. counted is what it says to hold, ref what it says to close.
func (w *walker) ends(s segment, level int, counted, ref string, same func(a, b string) bool) {
	w.lost = false
	b := w.open[level]
	if b == nil {
		w.fault(s, "there is no %s that it could end: no %s before it", w.words[level].name, w.words[level].open)
		return
	}
	w.unclosed(s, level+1, "before this "+s.tag)
	w.open[level] = nil
	what, there := w.counts(level, b)
	if n, err := strconv.ParseUint(strings.TrimSpace(counted), 10, 62); err != nil {
		w.fault(s, "it says %q for the number of %s, and there are %d", counted, what, there)
	} else if n != uint64(there) {
		w.fault(s, "it counts %d %s, and there are %d", n, what, there)
	}
	if !same(b.ref, ref) {
		w.fault(s, "it has the reference %q, and %s in segment %d has %q", ref, w.words[level].open, b.number, b.ref)
	}
}

// counts is what a level says the number of, and how many there are.
func (w *walker) counts(level int, b *begun) (what string, there int) {
	switch {
	case level == message:
		return fmt.Sprintf("segments (%s and %s included)", w.words[message].open, w.words[message].close), b.segments
	case level == interchange && (w.words == &x12Words || b.inside[group] > 0):
		return w.words[group].plural, b.inside[group] // DE 0036: groups if they are used
	}
	return w.words[message].plural, b.inside[message]
}

// data is a segment of no envelope. free says that it may stand outside of messages, but
// in an interchange.
func (w *walker) data(s segment, free bool) {
	switch {
	case w.open[message] != nil, free && w.open[interchange] != nil, w.lost:
	case w.open[interchange] == nil && w.Interchanges > 0:
		w.fault(s, "it stands behind the end of the interchange")
		w.lost = true
	default:
		w.fault(s, "it stands outside of any %s: no %s before it", w.words[message].name, w.words[message].open)
		w.lost = true
	}
}

// finish reports what the end of the file leaves open.
func (w *walker) finish(s *source) {
	if s.err == nil {
		if w.Interchanges == 0 {
			w.fault(segment{number: s.number, offset: s.offset}, "the file ends, and no interchange was begun")
		}
		w.unclosed(segment{number: s.number, offset: s.offset}, interchange, "before the end of the file")
	}
}

// read counts a segment that was read, and reports one that the file ends in: what it
// would have said is not known.
func (w *walker) read(s *source, seg segment) (whole bool) {
	w.Segments++
	if b := w.open[message]; b != nil {
		b.segments++
	}
	if !seg.whole && s.err == nil {
		w.fault(seg, "the file ends in the middle of it, at byte %d: its terminator is missing", s.offset)
	}
	return seg.whole
}
