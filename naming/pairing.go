package naming

import (
	"cmp"
	"slices"
	"strings"
)

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
