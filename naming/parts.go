package naming

import (
	"iter"
	"sort"
	"strings"
)

// Parts cuts a listing of n files, sorted by name, into parts that Group may be asked about one
// after the other: no file of one part has a key in common with a document of another, so
// all batches and all that wait are the same, in the same order. A part has about as many files
// as are wanted, more where they have to do with each other.
//
// Only names that begin with their key can be cut so, and only where they are compared byte for
// byte. Otherwise, and where documents name their attachments, the listing is one part.
func (r *Rules) Parts(n int, name func(i int) string, about int) iter.Seq2[int, int] {
	return func(yield func(from, end int) bool) {
		c := cutter{n: n, name: name}
		if n <= about || !c.fit(r) {
			yield(0, n)
			return
		}
		for from := 0; from < n; {
			end := min(from+about, n)
			for next := 0; end < n; end = next {
				if next = c.apart(from, end); next == end {
					break
				}
			}
			if !yield(from, end) {
				return
			}
			from = end
		}
	}
}

// cutter looks for places between names that have nothing to do with each other.
type cutter struct {
	n         int
	name      func(i int) string
	documents []byte // what may follow the key in the name of a document
	any       []byte // or in any name
}

// fit learns the rules, and reports whether the names can be cut with them.
func (c *cutter) fit(r *Rules) bool {
	if r.foldCase || r.complete == References {
		return false
	}
	follows := func(m matcher) (first byte) {
		if p, ok := m.(*pattern); ok && p.before == nil {
			first = p.first
		}
		return first
	}
	for _, m := range r.documents {
		c.documents = append(c.documents, follows(m))
	}
	c.any = append(c.any, c.documents...)
	for _, m := range r.attachments {
		c.any = append(c.any, follows(m))
	}
	if r.marker != nil {
		c.any = append(c.any, follows(r.marker))
	}
	if strings.IndexByte(string(c.any), 0) >= 0 {
		return false
	}
	for i := range c.n {
		if !ascii(c.name(i)) {
			return false
		}
	}
	return true
}

// apart is end where no key is one of a name from on and before end, and of a name from end on,
// and has a document; else where it may be so next. Whoever has a key begins with it, so what
// lies between two that have it does too.
func (c *cutter) apart(from, end int) (next int) {
	next = end
	before, after := c.name(end-1), c.name(end)
	for i := 0; i < min(len(before), len(after)) && before[i] == after[i]; i++ {
		key := after[:i+1]
		last := c.last(key, c.any, end, c.n)
		if last > next && c.last(key, c.any, from, end) > from && c.last(key, c.documents, 0, c.n) > 0 {
			next = last
		}
	}
	return next
}

// last is where the names end, from on and before end, that may be cut behind a key; from =
// there are none.
func (c *cutter) last(key string, follows []byte, from, end int) int {
	last := from
	for _, b := range follows {
		prefix := key + string(rune(b)) // ASCII, as all names are
		i := from + sort.Search(end-from, func(i int) bool {
			name := c.name(from + i)
			return name > prefix && !strings.HasPrefix(name, prefix)
		})
		if i > last && strings.HasPrefix(c.name(i-1), prefix) {
			last = i
		}
	}
	return last
}
