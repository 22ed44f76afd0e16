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
		if c.document && !c.Busy && c.Unchanged >= rd.rules.quiet {
			names = append(names, c.Name)
		}
	}
	return names
}

// Refer tells what was read of Unread files. One that is missing waits to be read.
func (rd *Reading) Refer(read map[string]Named) { rd.named = read }

// refer finds the attachments that documents name, whatever their names would make of
// them. The others go on by their names. A document that is named itself is an attachment,
// and what it names counts for nothing then.
func (g *grouping) refer() {
	if g.rules.complete != References {
		return
	}
	by := map[string][]*candidate{} // folded name to the documents that name it
	for _, c := range g.files {
		for name := range g.read[c.Name].all() {
			name = g.rules.fold(name)
			if cs := by[name]; name != c.folded && (len(cs) == 0 || cs[len(cs)-1] != c) {
				by[name] = append(cs, c)
			}
		}
	}
	for _, c := range g.files {
		var roots []*candidate
		for _, d := range by[c.folded] {
			if len(by[d.folded]) == 0 {
				roots = append(roots, d)
			}
		}
		switch {
		case len(roots) == 1:
			g.named[roots[0]] = append(g.named[roots[0]], c)
			c.group = elsewhere
		case len(roots) > 1:
			g.wait(c, "", WaitAmbiguous, true, "%s name it, and it can travel with one of them; give each a copy under a name of its own", listNames(roots))
		case len(by[c.folded]) > 0 && c.document:
			g.wait(c, "", WaitAmbiguous, true, "%s names it, and is an attachment itself", listNames(by[c.folded]))
		}
	}
}

// join gives documents the files that they name. Of a document that turned out to be none
// they go on by their names.
func (g *grouping) join() {
	for d, cs := range g.named {
		for _, c := range cs {
			c.group, c.role = max(d.group, undecided), attachment
		}
	}
}

// referencesVerdict looks for the attachments that the document of a group names.
func (g *grouping) referencesVerdict(gr *group, hold func(Reason, bool, string, ...any) Waiting) Waiting {
	d := gr.documents[0]
	named, known := g.read[d.Name]
	if !known {
		if d.Unchanged < g.rules.quiet {
			return Waiting{} // as long as it changes nobody reads it
		}
		w := hold(WaitQuiet, false, "%q has not been read yet", d.Name)
		w.For = time.Millisecond
		return w
	}
	if named.Fault != "" {
		return hold(WaitBroken, true, "%s; correct it, or replace it", named.Fault)
	}
	have := map[string]bool{d.folded: true}
	for _, c := range gr.members {
		have[c.folded] = true
	}
	var missing []string
	for _, names := range named.Files {
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
		g.texts = make(map[string]string, g.byThemselves)
		for _, w := range g.waiting[:g.byThemselves] {
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
