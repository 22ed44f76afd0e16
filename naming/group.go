package naming

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// File is one entry of an outbox as it was last seen.
type File struct {
	Name      string
	Size      int64         // bytes
	Unchanged time.Duration // for how long size, time and identity have stood still between two observations; negative = it came while the folder was being listed
	Busy      bool          // another program has it open for writing
	Dir       bool
}

// Claim is a key that was taken from the outbox lately, or is still on its way.
type Claim struct {
	Key      string
	Document string
	Sent     time.Time // when it was claimed
	InFlight bool      // not settled yet
}

// Listing is everything that Group may know.
type Listing struct {
	Files  []File
	Claims []Claim // within the window for late attachments, or in flight
}

// Batch is a document with its attachments, complete and ready to be claimed.
type Batch struct {
	Key         string
	Document    string
	Attachments []string // sorted
	Marker      string   // the marker file, to be claimed but not sent; "" = none
}

// Reason says in one word why a file waits; the words are stable.
type Reason string

const (
	WaitQuiet     Reason = "quiet"     // it, or a file it travels with, changed lately
	WaitBusy      Reason = "busy"      // another program writes to it
	WaitMarker    Reason = "marker"    // the marker file is missing
	WaitParts     Reason = "parts"     // announced parts are missing
	WaitNamed     Reason = "named"     // attachments that the document names are missing
	WaitBroken    Reason = "broken"    // the document cannot be read for the attachments that it names
	WaitDocument  Reason = "document"  // it pairs with nothing
	WaitAmbiguous Reason = "ambiguous" // several readings, none is taken
	WaitLate      Reason = "late"      // its document was sent already
	WaitInFlight  Reason = "in-flight" // an earlier document of the key is not settled
	WaitEmpty     Reason = "empty"     // it has no bytes
	WaitIgnored   Reason = "ignored"   // its name says that it is not finished, or is none of ours
	WaitSubfolder Reason = "subfolder" // folders are left alone
)

// Waiting is a file that stays where it is.
type Waiting struct {
	Name   string        `json:"name"`
	Key    string        `json:"key,omitempty"`
	Reason Reason        `json:"reason"`
	Text   string        `json:"text"`  // for people: what it waits for
	Alarm  bool          `json:"alarm"` // waiting alone will not help
	For    time.Duration `json:"-"`     // until it may be ready; 0 = not a matter of time
}

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

func waits(name, key string, reason Reason, alarm bool, text string, args ...any) Waiting {
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return Waiting{Name: name, Key: key, Reason: reason, Alarm: alarm, Text: text}
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

// findDocuments makes a group of every document, shortest key first, so that a name
// which also reads as an attachment of a shorter key finds that document there.
func (g *grouping) findDocuments() {
	slices.SortFunc(g.files, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(docLen(a), docLen(b)), strings.Compare(a.folded, b.folded), strings.Compare(a.Name, b.Name))
	})
	for _, c := range g.files {
		if !c.document || c.group != undecided || g.attachable(c) {
			continue
		}
		k := g.rules.fold(c.key)
		first := g.groups[k]
		if first == nil {
			first = c
			g.groups[k] = c
			c.group = int32(len(g.groups))
		}
		c.group, c.role = first.group, document
	}
}

func docLen(c *candidate) int {
	if !c.document {
		return 1 << 30 // after every document
	}
	return len(c.key)
}

// attachable reports whether a possible document is an attachment of another key
// that is present or was claimed lately: then it is never a document of its own.
func (g *grouping) attachable(c *candidate) bool {
	own := g.rules.fold(c.key)
	for _, m := range g.asAttachment(c.Name) {
		k := g.rules.fold(m.key)
		if k == own {
			continue
		}
		if _, ok := g.groups[k]; ok {
			return true
		}
		if _, ok := g.claims[k]; ok {
			return true
		}
	}
	return false
}

// attach gives every attachment to the longest key that names a document.
func (g *grouping) attach() {
	for _, c := range g.files {
		if c.group == undecided && !g.attachOne(c) {
			g.unpaired(c)
		}
	}
}

func (g *grouping) attachOne(c *candidate) bool {
	for _, m := range g.asAttachment(c.Name) {
		k := g.rules.fold(m.key)
		if first := g.groups[k]; first != nil {
			c.group, c.role = first.group, attachment
			c.reads(m)
			return true
		}
		if claim, ok := g.claims[k]; ok {
			g.wait(c, claim.Key, WaitLate, true, "late for %s, sent at %s", claim.Key, claim.Sent.UTC().Format("2006-01-02 15:04 UTC"))
			return true
		}
	}
	return false
}

func (g *grouping) unpaired(c *candidate) {
	atts := g.asAttachment(c.Name)
	if len(atts) == 0 {
		g.wait(c, "", WaitDocument, false, "its name fits no pattern for documents (%s) or attachments", g.rules.documentHint)
		return
	}
	keys := make([]string, 0, 3)
	for _, m := range atts {
		if !slices.Contains(keys, m.key) && len(keys) < 3 {
			keys = append(keys, m.key)
		}
	}
	g.wait(c, "", WaitDocument, false, "waits for a document with the key %s (%s)", strings.Join(keys, " or "), g.rules.documentHint)
}

func (g *grouping) pairMarkers(markers []*candidate) {
	taken := map[int32]*candidate{} // by group
	for _, c := range markers {
		// A marker has one reading per pattern cut; the longest present key wins.
		g.docs = g.rules.marker.all(g.docs[:0], c.Name)
		i := slices.IndexFunc(g.docs, func(m match) bool { return g.groups[g.rules.fold(m.key)] != nil })
		if i < 0 {
			g.wait(c, g.docs[0].key, WaitDocument, false, "the marker is here, the document with the key %s is not", g.docs[0].key)
			continue
		}
		first := g.groups[g.rules.fold(g.docs[i].key)]
		if other := taken[first.group]; other != nil {
			g.wait(c, first.key, WaitAmbiguous, true, "%q is a marker for %s already", other.Name, first.key)
			continue
		}
		c.group, c.role = first.group, marker
		taken[first.group] = c
	}
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

// complete decides about one group: it is a batch, or every file of it waits.
func (g *grouping) complete(gr *group) bool {
	w := g.verdict(gr)
	if w.Reason == "" {
		return true
	}
	for _, c := range gr.files {
		w.Name, w.Key = c.Name, gr.key
		g.waiting = append(g.waiting, w)
		c.group = elsewhere
	}
	return false
}

// batch is what a complete group travels as.
func (gr *group) batch() Batch {
	b := Batch{Key: gr.key, Document: gr.documents[0].Name}
	if len(gr.members) > 0 {
		b.Attachments = make([]string, len(gr.members))
		for i, c := range gr.members {
			b.Attachments[i] = c.Name
		}
		slices.Sort(b.Attachments)
	}
	if gr.marker != nil {
		b.Marker = gr.marker.Name
	}
	return b
}

// verdict says what a group waits for; an empty Reason means that it is complete.
func (g *grouping) verdict(gr *group) Waiting {
	hold := func(reason Reason, alarm bool, text string, args ...any) Waiting {
		return Waiting{Reason: reason, Alarm: alarm, Text: fmt.Sprintf(text, args...)}
	}
	if len(gr.documents) > 1 {
		return hold(WaitAmbiguous, true, "%d documents have the key %s: %s; rename or remove all but one", len(gr.documents), gr.key, listNames(gr.documents))
	}
	if claim, ok := g.claims[g.rules.fold(gr.key)]; ok && claim.InFlight && g.rules.resend == ResendHold {
		return hold(WaitInFlight, false, "%s of %s is still on its way; it is sent after that one is settled (resend: send would not wait)", claim.Document, claim.Sent.UTC().Format("2006-01-02 15:04 UTC"))
	}
	for _, c := range gr.files {
		if c.Busy {
			return hold(WaitBusy, false, "another program has %q open for writing", c.Name)
		}
	}
	if g.rules.AtFirstSight() {
		// What came during the listing may not be all that came then.
		for _, c := range gr.files {
			if c.Unchanged < 0 {
				w := hold(WaitQuiet, false, "%q came just now", c.Name)
				w.For = time.Millisecond
				return w
			}
		}
	}
	if g.rules.complete == Marker {
		if gr.marker == nil {
			return hold(WaitMarker, false, "the marker file for %s is missing", gr.key)
		}
		return Waiting{} // whoever wrote the marker promised that all is finished
	}
	if g.rules.complete == References {
		if w := g.referencesVerdict(gr, hold); w.Reason != "" {
			return w
		}
	}
	if g.rules.complete == Count {
		if w := countVerdict(gr, hold); w.Reason != "" {
			return w
		}
	}
	for _, c := range gr.files {
		if left := g.rules.quiet - c.Unchanged; left > 0 {
			w := g.young
			if len(gr.files) > 1 {
				w = hold(WaitQuiet, false, "%q changed less than %v ago", c.Name, g.rules.quiet)
			}
			for _, other := range gr.files {
				left = max(left, g.rules.quiet-other.Unchanged)
			}
			w.For = left
			return w
		}
	}
	return Waiting{}
}

// countVerdict checks the numbers in the names of a group.
func countVerdict(gr *group, hold func(Reason, bool, string, ...any) Waiting) Waiting {
	parts := gr.documents[0].parts
	have := map[int32]string{}
	for _, m := range gr.files {
		if m.parts != parts {
			return hold(WaitAmbiguous, true, "%q announces %d files and %q announces %d", gr.documents[0].Name, parts, m.Name, m.parts)
		}
		if m.part < 1 || m.part > parts {
			return hold(WaitAmbiguous, true, "%q is number %d of %d", m.Name, m.part, parts)
		}
		if other, ok := have[m.part]; ok {
			return hold(WaitAmbiguous, true, "%q and %q are both number %d", min(other, m.Name), max(other, m.Name), m.part)
		}
		have[m.part] = m.Name
	}
	if len(have) == int(parts) {
		return Waiting{}
	}
	missing := int32(1)
	for have[missing] != "" {
		missing++
	}
	return hold(WaitParts, false, "%d of %d files are here; number %d is missing", len(have), parts, missing)
}
