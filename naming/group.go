package naming

import (
	"cmp"
	"fmt"
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

// candidate is a file while Group works on it.
type candidate struct {
	File
	folded string
	docs   []match // readings as a document
	atts   []match // readings as an attachment, longest key first
	read   match   // the one that put it into its group
	named  *Named  // what was read of it; nil = nothing
}

// group is what has gathered around one key.
type group struct {
	key       string
	documents []*candidate
	members   []*candidate // attachments
	marker    *candidate
}

type grouping struct {
	rules   *Rules
	groups  map[string]*group // by folded key; present documents only
	claims  map[string]Claim
	named   map[*candidate][]*candidate // the files that a document names
	waiting []Waiting
	texts   map[string]string // of files that wait by themselves, by folded name; made when it is needed
}

// Group finds the complete batches of a listing. Every file is in exactly one batch
// or in waiting. Both results are sorted by name, and neither depends on the order
// of the listing.
func (r *Rules) Group(l Listing) (batches []Batch, waiting []Waiting) {
	return r.Read(l.Files).Group(l.Claims)
}

// Group finds the complete batches, as Rules.Group does. It is called once.
func (rd *Reading) Group(claims []Claim) (batches []Batch, waiting []Waiting) {
	r := rd.rules
	g := &grouping{rules: r, groups: make(map[string]*group, len(rd.files)), claims: make(map[string]Claim, len(claims)), named: map[*candidate][]*candidate{}, waiting: rd.waiting}
	for _, c := range claims {
		k := r.fold(c.Key)
		// Of several claims of one key the one in flight matters, then the latest.
		if old, ok := g.claims[k]; !ok || c.InFlight && !old.InFlight || c.InFlight == old.InFlight && c.Sent.After(old.Sent) {
			g.claims[k] = c
		}
	}
	g.attach(g.join(g.findDocuments(g.refer(rd.files))))
	g.pairMarkers(rd.markers)

	for _, key := range sortedKeys(g.groups) {
		if b, ok := g.complete(g.groups[key]); ok {
			batches = append(batches, b)
		}
	}
	slices.SortFunc(batches, func(a, b Batch) int { return strings.Compare(a.Document, b.Document) })
	slices.SortFunc(g.waiting, func(a, b Waiting) int { return strings.Compare(a.Name, b.Name) })
	return batches, g.waiting
}

func sortedKeys(m map[string]*group) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func waits(f File, key string, reason Reason, alarm bool, text string, args ...any) Waiting {
	return Waiting{Name: f.Name, Key: key, Reason: reason, Alarm: alarm, Text: fmt.Sprintf(text, args...)}
}

func (g *grouping) wait(f File, key string, reason Reason, alarm bool, text string, args ...any) {
	g.waiting = append(g.waiting, waits(f, key, reason, alarm, text, args...))
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
// which also reads as an attachment of a shorter key finds that document there. It
// returns the files that are none.
func (g *grouping) findDocuments(files []*candidate) (rest []*candidate) {
	slices.SortFunc(files, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(docLen(a), docLen(b)), strings.Compare(a.folded, b.folded), strings.Compare(a.Name, b.Name))
	})
	for _, c := range files {
		if len(c.docs) == 0 || g.attachable(c) {
			rest = append(rest, c)
			continue
		}
		m := c.docs[0]
		k := g.rules.fold(m.key)
		gr := g.groups[k]
		if gr == nil {
			gr = &group{key: m.key}
			g.groups[k] = gr
		}
		gr.documents = append(gr.documents, c)
		c.read = m
	}
	return rest
}

func docLen(c *candidate) int {
	if len(c.docs) == 0 {
		return 1 << 30 // after every document
	}
	return len(c.docs[0].key)
}

// attachable reports whether a possible document is an attachment of another key
// that is present or was claimed lately: then it is never a document of its own.
func (g *grouping) attachable(c *candidate) bool {
	own := g.rules.fold(c.docs[0].key)
	for _, m := range c.atts {
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
func (g *grouping) attach(files []*candidate) {
	for _, c := range files {
		if !g.attachOne(c) {
			g.unpaired(c)
		}
	}
}

func (g *grouping) attachOne(c *candidate) bool {
	for _, m := range c.atts {
		k := g.rules.fold(m.key)
		if gr := g.groups[k]; gr != nil {
			gr.members = append(gr.members, c)
			c.read = m
			return true
		}
		if claim, ok := g.claims[k]; ok {
			g.wait(c.File, claim.Key, WaitLate, true, "late for %s, sent at %s", claim.Key, claim.Sent.UTC().Format("2006-01-02 15:04 UTC"))
			return true
		}
	}
	return false
}

func (g *grouping) unpaired(c *candidate) {
	if len(c.atts) == 0 {
		g.wait(c.File, "", WaitDocument, false, "its name fits no pattern for documents (%s) or attachments", g.rules.documentHint)
		return
	}
	keys := make([]string, 0, 3)
	for _, m := range c.atts {
		if !slices.Contains(keys, m.key) && len(keys) < 3 {
			keys = append(keys, m.key)
		}
	}
	g.wait(c.File, "", WaitDocument, false, "waits for a document with the key %s (%s)", strings.Join(keys, " or "), g.rules.documentHint)
}

func (g *grouping) pairMarkers(markers []*candidate) {
	for _, c := range markers {
		// A marker has one reading per pattern cut; the longest present key wins.
		i := slices.IndexFunc(c.docs, func(m match) bool { return g.groups[g.rules.fold(m.key)] != nil })
		if i < 0 {
			g.wait(c.File, c.docs[0].key, WaitDocument, false, "the marker is here, the document with the key %s is not", c.docs[0].key)
			continue
		}
		gr := g.groups[g.rules.fold(c.docs[i].key)]
		if gr.marker != nil {
			g.wait(c.File, gr.key, WaitAmbiguous, true, "%q is a marker for %s already", gr.marker.Name, gr.key)
			continue
		}
		gr.marker = c
	}
}

// all lists the files of a group, its marker included.
func (gr *group) all() []*candidate {
	cs := slices.Concat(gr.documents, gr.members)
	if gr.marker != nil {
		cs = append(cs, gr.marker)
	}
	return cs
}

// complete decides about one group: a batch, or every file of it waits.
func (g *grouping) complete(gr *group) (Batch, bool) {
	w := g.verdict(gr)
	if w.Reason != "" {
		for _, c := range gr.all() {
			w.Name, w.Key = c.Name, gr.key
			g.waiting = append(g.waiting, w)
		}
		return Batch{}, false
	}
	b := Batch{Key: gr.key, Document: gr.documents[0].Name}
	for _, c := range gr.members {
		b.Attachments = append(b.Attachments, c.Name)
	}
	slices.Sort(b.Attachments)
	if gr.marker != nil {
		b.Marker = gr.marker.Name
	}
	return b, true
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
	for _, c := range gr.all() {
		if c.Busy {
			return hold(WaitBusy, false, "another program has %q open for writing", c.Name)
		}
	}
	if g.rules.AtFirstSight() {
		// What came during the listing may not be all that came then.
		for _, c := range gr.all() {
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
	for _, c := range gr.all() {
		if left := g.rules.quiet - c.Unchanged; left > 0 {
			w := hold(WaitQuiet, false, "%q changed less than %v ago", c.Name, g.rules.quiet)
			for _, other := range gr.all() {
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
	parts := gr.documents[0].read.parts
	have := map[int]string{}
	for _, c := range gr.all() {
		m := c.read
		if m.parts != parts {
			return hold(WaitAmbiguous, true, "%q announces %d files and %q announces %d", gr.documents[0].Name, parts, c.Name, m.parts)
		}
		if m.part < 1 || m.part > parts {
			return hold(WaitAmbiguous, true, "%q is number %d of %d", c.Name, m.part, parts)
		}
		if other, ok := have[m.part]; ok {
			return hold(WaitAmbiguous, true, "%q and %q are both number %d", min(other, c.Name), max(other, c.Name), m.part)
		}
		have[m.part] = c.Name
	}
	if len(have) == parts {
		return Waiting{}
	}
	missing := 1
	for have[missing] != "" {
		missing++
	}
	return hold(WaitParts, false, "%d of %d files are here; number %d is missing", len(have), parts, missing)
}
