package naming

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// candidate is a file while Group works on it. There are as many as files wait, so it is
// small: how a name can be read is found out again where it matters.
type candidate struct {
	Name, folded string
	Unchanged    time.Duration
	key          string // of the first reading as a document, then of the one that put it into its group
	part, parts  int32  // as key
	group        int32  // number of its group, or one of the below
	role         role   // in that group
	document     bool   // its name reads as one of a document
	empty, Busy  bool
}

// What is in no group.
const (
	undecided int32 = 0
	elsewhere int32 = -1 // it waits, or what names it decides
)

// role is what a file is in its group.
type role uint8

const (
	document role = iota
	attachment
	marker
)

func (c *candidate) reads(m match) { c.key, c.part, c.parts = m.key, int32(m.part), int32(m.parts) }

// group is what has gathered around one key.
type group struct {
	key       string
	documents []*candidate
	members   []*candidate // attachments
	marker    *candidate
	files     []*candidate // all of them
}

type grouping struct {
	reader
	files        []*candidate
	groups       map[string]*candidate // by folded key the first document of a group; present documents only
	claims       map[string]Claim
	read         map[string]Named            // what was read of documents, by name
	named        map[*candidate][]*candidate // the files that a document names
	waiting      []Waiting
	byThemselves int               // how many of waiting wait by themselves, and not with a group
	young        Waiting           // what a file that changed lately waits for when it is alone; most are that wait in great numbers
	texts        map[string]string // theirs, by folded name; made when it is needed
}

// Group finds the complete batches of a listing. Every file is in exactly one batch
// or in waiting. Both results are sorted by name, and neither depends on the order
// of the listing.
func (r *Rules) Group(l Listing) (batches []Batch, waiting []Waiting) {
	return r.Read(len(l.Files), slices.Values(l.Files)).Group(l.Claims)
}

// Group finds the complete batches, as Rules.Group does. It is called once.
func (rd *Reading) Group(claims []Claim) (batches []Batch, waiting []Waiting) {
	g := &grouping{reader: rd.reader, files: rd.files, groups: make(map[string]*candidate, rd.documents), claims: make(map[string]Claim, len(claims)),
		read: rd.named, named: map[*candidate][]*candidate{}, waiting: rd.waiting,
		young: waits("", "", WaitQuiet, false, "it changed less than %v ago", rd.rules.quiet)}
	for _, c := range claims {
		k := g.rules.fold(c.Key)
		// Of several claims of one key the one in flight matters, then the latest.
		if old, ok := g.claims[k]; !ok || c.InFlight && !old.InFlight || c.InFlight == old.InFlight && c.Sent.After(old.Sent) {
			g.claims[k] = c
		}
	}
	g.refer()
	g.findDocuments()
	g.join()
	g.attach()
	g.pairMarkers(rd.markers)
	g.gather(rd.markers)
	g.groups = nil // large, and done with

	g.byThemselves = len(g.waiting)
	complete, seen := 0, 0
	for gr := range g.all() {
		if g.complete(gr) {
			complete++
		}
		if seen += len(gr.files); len(g.waiting) == cap(g.waiting) {
			// As many of the others may wait as of those so far.
			g.waiting = slices.Grow(g.waiting, len(g.waiting)*(len(g.files)-seen)/seen+len(g.files)/16)
		}
	}
	batches = make([]Batch, 0, complete)
	for gr := range g.all() {
		batches = append(batches, gr.batch())
	}
	slices.SortFunc(batches, func(a, b Batch) int { return strings.Compare(a.Document, b.Document) })
	slices.SortFunc(g.waiting, func(a, b Waiting) int { return strings.Compare(a.Name, b.Name) })
	return batches, g.waiting
}

// wait decides that a file waits by itself.
func (g *grouping) wait(c *candidate, key string, reason Reason, alarm bool, text string, args ...any) {
	c.group = elsewhere
	g.waiting = append(g.waiting, waits(c.Name, key, reason, alarm, text, args...))
}

func listNames(cs []*candidate) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = fmt.Sprintf("%q", c.Name)
	}
	slices.Sort(names)
	return listed(names)
}

// gather puts the files of each group next to each other: documents, attachments, marker.
func (g *grouping) gather(markers []*candidate) {
	g.files = slices.DeleteFunc(append(g.files, markers...), func(c *candidate) bool { return c.group == elsewhere })
	slices.SortFunc(g.files, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.role, b.role), cmp.Compare(len(a.key), len(b.key)), strings.Compare(a.folded, b.folded), strings.Compare(a.Name, b.Name))
	})
}

// all are the groups that do not wait yet, each good until the next.
func (g *grouping) all() iter.Seq[*group] {
	return func(yield func(*group) bool) {
		var gr group
		for i, end := 0, 0; i < len(g.files); i = end {
			for end = i + 1; end < len(g.files) && g.files[end].group == g.files[i].group; {
				end++
			}
			if g.files[i].group == elsewhere {
				continue
			}
			gr.gather(g.files[i:end])
			if !yield(&gr) {
				return
			}
		}
	}
}

// gather tells the files of a group apart, which are in the order of their roles.
func (gr *group) gather(files []*candidate) {
	n := 0
	for n < len(files) && files[n].role == document {
		n++
	}
	gr.key, gr.files, gr.marker = files[0].key, files, nil
	gr.documents, gr.members = files[:n], files[n:]
	if last := files[len(files)-1]; last.role == marker {
		gr.marker, gr.members = last, files[n:len(files)-1]
	}
}
