package naming

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Named is what was read of a document: the attachments that it names.
type Named struct {
	Files [][]string // of each attachment the bare names that its file may have, first that to tell people
	Fault string     // why nobody can tell: the document is broken; "" = they are all
}

// all are the names that files of it may have.
func (n Named) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, names := range n.Files {
			for _, name := range names {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// Unread are the files whose content says what travels with them: those that can be
// documents, stand still, and are open nowhere. There are none but with References. They
// are sorted as their names are compared.
func (rd *Reading) Unread() (names []string) {
	if rd.rules.complete != References {
		return nil
	}
	for _, c := range rd.files {
		if len(c.docs) > 0 && !c.Busy && c.Unchanged >= rd.rules.quiet {
			names = append(names, c.Name)
		}
	}
	return names
}

// Refer tells what was read of Unread files. One that is missing waits to be read.
func (rd *Reading) Refer(read map[string]Named) {
	for _, c := range rd.files {
		if named, ok := read[c.Name]; ok {
			c.named = &named
		}
	}
}

// refer finds the attachments that documents name, whatever their names would make of
// them. It returns the files that go on by their names. A document that is named itself is
// an attachment, and what it names counts for nothing then.
func (g *grouping) refer(files []*candidate) (rest []*candidate) {
	if g.rules.complete != References {
		return files
	}
	by := map[string][]*candidate{} // folded name to the documents that name it
	for _, c := range files {
		if c.named == nil {
			continue
		}
		for name := range c.named.all() {
			name = g.rules.fold(name)
			if cs := by[name]; name != c.folded && (len(cs) == 0 || cs[len(cs)-1] != c) {
				by[name] = append(cs, c)
			}
		}
	}
	for _, c := range files {
		var roots []*candidate
		for _, d := range by[c.folded] {
			if len(by[d.folded]) == 0 {
				roots = append(roots, d)
			}
		}
		switch {
		case len(roots) == 1:
			g.named[roots[0]] = append(g.named[roots[0]], c)
		case len(roots) > 1:
			g.wait(c.File, "", WaitAmbiguous, true, "%s name it, and it can travel with one of them; give each a copy under a name of its own", listNames(roots))
		case len(by[c.folded]) > 0 && len(c.docs) > 0:
			g.wait(c.File, "", WaitAmbiguous, true, "%s names it, and is an attachment itself", listNames(by[c.folded]))
		default:
			rest = append(rest, c)
		}
	}
	return rest
}

// join gives documents the files that they name. Of a document that turned out to be none
// they go on by their names.
func (g *grouping) join(rest []*candidate) []*candidate {
	for _, gr := range g.groups {
		for _, d := range gr.documents {
			gr.members = append(gr.members, g.named[d]...)
			delete(g.named, d)
		}
	}
	for _, cs := range g.named {
		rest = append(rest, cs...)
	}
	return rest
}

// referencesVerdict looks for the attachments that the document of a group names.
func (g *grouping) referencesVerdict(gr *group, hold func(Reason, bool, string, ...any) Waiting) Waiting {
	d := gr.documents[0]
	if d.named == nil {
		if d.Unchanged < g.rules.quiet {
			return Waiting{} // as long as it changes nobody reads it
		}
		w := hold(WaitQuiet, false, "%q has not been read yet", d.Name)
		w.For = time.Millisecond
		return w
	}
	if d.named.Fault != "" {
		return hold(WaitBroken, true, "%s; correct it, or replace it", d.named.Fault)
	}
	have := map[string]bool{d.folded: true}
	for _, c := range gr.members {
		have[c.folded] = true
	}
	var missing []string
	for _, names := range d.named.Files {
		if !slices.ContainsFunc(names, func(name string) bool { return have[g.rules.fold(name)] }) {
			have[g.rules.fold(names[0])] = true // who is named twice is missing once
			missing = append(missing, fmt.Sprintf("%q", names[0])+g.whyNot(names))
		}
	}
	if len(missing) == 0 {
		return Waiting{}
	}
	slices.Sort(missing)
	return hold(WaitNamed, false, "%q names files that are not here: %s", d.Name, listed(missing))
}

// whyNot says of a file that is named and not in the group why it is not, if it is here.
func (g *grouping) whyNot(names []string) string {
	if g.texts == nil {
		g.texts = make(map[string]string, len(g.waiting))
		for _, w := range g.waiting {
			g.texts[g.rules.fold(w.Name)] = w.Text
		}
	}
	for _, name := range names {
		if text, ok := g.texts[g.rules.fold(name)]; ok {
			return " (" + text + ")"
		}
	}
	return ""
}
