package naming

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Reading is a listing whose names were read, before it is known which keys were
// claimed lately.
type Reading struct {
	rules          *Rules
	files, markers []*candidate
	waiting        []Waiting // what cannot travel
}

// Read reads the names of files, so that Keys can say which claims matter to them.
func (r *Rules) Read(files []File) *Reading {
	rd := &Reading{rules: r}
	rd.sift(files)
	return rd
}

// Keys are the keys that the names can be read with, in the form of ClaimKey, sorted,
// each once. Claims of other keys change nothing for these files.
func (rd *Reading) Keys() []string {
	keys := make([]string, 0, len(rd.files))
	for _, c := range rd.files {
		last := ""
		for _, ms := range [][]match{c.docs, c.atts} {
			for _, m := range ms {
				if m.key != last { // a document reads as an attachment of its own key, too
					keys = append(keys, ClaimKey(m.key))
					last = m.key
				}
			}
		}
	}
	slices.Sort(keys)
	return slices.Clip(slices.Compact(keys))
}

// ClaimKey is the form in which claimed keys are looked up: what any rules take for the
// same key has the same ClaimKey.
func ClaimKey(key string) string { return Fold(key, true) }

// sift takes out what cannot travel and reads the names of the rest.
func (rd *Reading) sift(files []File) {
	all := make([]candidate, 0, len(files))
	for _, f := range files {
		switch {
		case f.Dir:
			rd.waiting = append(rd.waiting, waits(f, "", WaitSubfolder, true, "folders in an outbox are left alone; drop files directly into it"))
		case rd.rules.ignored(f.Name):
			rd.waiting = append(rd.waiting, waits(f, "", WaitIgnored, false, "its name says that it is not finished; rename it when it is"))
		default:
			all = append(all, candidate{File: f, folded: rd.rules.fold(f.Name)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return strings.Compare(a.folded, b.folded) })
	rd.files = make([]*candidate, 0, len(all))
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].folded == all[i].folded {
			end++
		}
		if end-i > 1 {
			rd.twins(all[i:end])
		} else {
			rd.readName(&all[i])
		}
		i = end
	}
}

// twins are files whose names are the same one when they are compared.
func (rd *Reading) twins(cs []candidate) {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = fmt.Sprintf("%q", c.Name)
	}
	slices.Sort(names)
	for _, c := range cs {
		rd.waiting = append(rd.waiting, waits(c.File, "", WaitAmbiguous, true,
			"%d files have this name when upper and lower case and composed letters are not told apart: %s", len(cs), listed(names)))
	}
}

// readName finds out what a file can be.
func (rd *Reading) readName(c *candidate) {
	if rd.rules.marker != nil {
		if c.docs = rd.rules.marker.all(c.Name); len(c.docs) > 0 {
			rd.markers = append(rd.markers, c)
			return
		}
	}
	if c.Size == 0 && !rd.rules.allowEmpty {
		rd.waiting = append(rd.waiting, waits(c.File, "", WaitEmpty, false, "it is empty; empty files are sent only with allow_empty"))
		return
	}
	c.docs = readings(rd.rules.documents, c.Name)
	c.atts = readings(rd.rules.attachments, c.Name)
	rd.files = append(rd.files, c)
}

// readings collects every reading of a name, longest key first.
func readings(ms []matcher, name string) []match {
	if len(ms) == 1 {
		return ms[0].all(name)
	}
	var all []match
	for _, m := range ms {
		all = append(all, m.all(name)...)
	}
	slices.SortStableFunc(all, func(a, b match) int { return cmp.Compare(len(b.key), len(a.key)) })
	return all
}

// listed is a list for people. Each of many files tells of all of them, so it ends
// somewhere.
func listed(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
