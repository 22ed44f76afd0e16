package naming

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Reading is a listing whose names were read, before it is known which keys were
// claimed lately. Of each file it keeps about 80 bytes, the name not counted.
type Reading struct {
	reader
	files, markers []*candidate
	documents      int              // of files, those that can be documents
	named          map[string]Named // what was read of files, by name
	waiting        []Waiting        // what cannot travel
}

// reader reads names into the same memory again and again.
type reader struct {
	rules      *Rules
	docs, atts []match
}

// asDocument returns every reading of a name as a document, longest key first. They are
// good until it is called again.
func (rd *reader) asDocument(name string) []match {
	rd.docs = readings(rd.docs[:0], rd.rules.documents, name)
	return rd.docs
}

// asAttachment is the like for attachments.
func (rd *reader) asAttachment(name string) []match {
	rd.atts = readings(rd.atts[:0], rd.rules.attachments, name)
	return rd.atts
}

// Read reads the names of files, so that Keys can say which claims matter to them. n is
// how many they are, or nearly so.
func (r *Rules) Read(n int, files iter.Seq[File]) *Reading {
	rd := &Reading{reader: reader{rules: r}}
	rd.sift(n, files)
	return rd
}

// Keys are the keys that the names can be read with, in the form of ClaimKey. Some come
// more than once, but those of names that are alike come together. Claims of other keys
// change nothing for these files.
func (rd *Reading) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range rd.files {
			last := ""
			for _, ms := range [][]match{rd.asDocument(c.Name), rd.asAttachment(c.Name)} {
				for _, m := range ms {
					if m.key == last { // a document reads as an attachment of its own key, too
						continue
					}
					if last = m.key; !yield(ClaimKey(m.key)) {
						return
					}
				}
			}
		}
	}
}

// ClaimKey is the form in which claimed keys are looked up: what any rules take for the
// same key has the same ClaimKey.
func ClaimKey(key string) string { return Fold(key, true) }

// sift takes out what cannot travel and reads the names of the rest.
func (rd *Reading) sift(n int, files iter.Seq[File]) {
	all := make([]candidate, 0, n)
	for f := range files {
		switch {
		case f.Dir:
			rd.waiting = append(rd.waiting, waits(f.Name, "", WaitSubfolder, true, "folders in an outbox are left alone; drop files directly into it"))
		case rd.rules.ignored(f.Name):
			rd.waiting = append(rd.waiting, waits(f.Name, "", WaitIgnored, false, "its name says that it is not finished; rename it when it is"))
		default:
			all = append(all, candidate{Name: f.Name, folded: rd.rules.fold(f.Name), Unchanged: f.Unchanged, Busy: f.Busy, empty: f.Size == 0})
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
		rd.waiting = append(rd.waiting, waits(c.Name, "", WaitAmbiguous, true,
			"%d files have this name when upper and lower case and composed letters are not told apart: %s", len(cs), listed(names)))
	}
}

// readName finds out what a file can be.
func (rd *Reading) readName(c *candidate) {
	if rd.rules.marker != nil {
		if rd.docs = rd.rules.marker.all(rd.docs[:0], c.Name); len(rd.docs) > 0 {
			rd.markers = append(rd.markers, c)
			return
		}
	}
	if c.empty && !rd.rules.allowEmpty {
		rd.waiting = append(rd.waiting, waits(c.Name, "", WaitEmpty, false, "it is empty; empty files are sent only with allow_empty"))
		return
	}
	if ms := rd.asDocument(c.Name); len(ms) > 0 {
		c.document = true
		c.reads(ms[0])
		rd.documents++
	}
	rd.files = append(rd.files, c)
}

// readings appends every reading of a name to found, which is empty: longest key first.
func readings(found []match, ms []matcher, name string) []match {
	for _, m := range ms {
		found = m.all(found, name)
	}
	if len(ms) > 1 && len(found) > 1 {
		slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(len(b.key), len(a.key)) })
	}
	return found
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
