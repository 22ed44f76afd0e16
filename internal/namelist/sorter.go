package namelist

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// runLength is how many names are sorted at a time.
const runLength = 1024

// Sorter takes names in any order. It holds little more memory than the list that becomes of
// them: whatever has gathered is sorted and packed, and in the end these runs are merged.
type Sorter struct {
	young []entry // not packed yet
	runs  []*List
}

type entry struct {
	name    string
	numbers Numbers
}

func (a entry) compare(b entry) int {
	return cmp.Or(strings.Compare(a.name, b.name), slices.Compare(a.numbers[:], b.numbers[:]))
}

// Add takes a name.
func (s *Sorter) Add(name string, numbers Numbers) {
	if len(s.young) == runLength {
		s.pack()
	}
	s.young = append(s.young, entry{name, numbers})
}

// pack makes a run of what has gathered.
func (s *Sorter) pack() {
	if len(s.young) == 0 {
		return
	}
	slices.SortFunc(s.young, entry.compare)
	s.runs = append(s.runs, Collect(func(yield func([]byte, Numbers) bool) {
		var name []byte
		for i, e := range s.young {
			if i > 0 && s.young[i-1].name == e.name {
				continue
			}
			if name = append(name[:0], e.name...); !yield(name, e.numbers) {
				return
			}
		}
	}))
	clear(s.young)
	s.young = s.young[:0]
}

// Sorted are the names in ascending order, each once and good until the next; of one that was
// added several times the least numbers count. It can be read once, and the sorter is empty
// then.
func (s *Sorter) Sorted() iter.Seq2[[]byte, Numbers] {
	return func(yield func([]byte, Numbers) bool) {
		s.pack()
		s.young = nil
		var m merge
		for _, r := range s.runs {
			if c := (&cursor{blocks: r.blocks, spent: true}); c.next() {
				m = append(m, c)
			}
		}
		s.runs = nil
		for i := len(m)/2 - 1; i >= 0; i-- {
			m.down(i)
		}
		var last []byte
		for first := true; len(m) > 0; {
			if c := m[0]; first || string(c.name) != string(last) {
				if !yield(c.name, c.numbers) {
					return
				}
				first, last = false, append(last[:0], c.name...)
			}
			if !m[0].next() {
				m[0] = m[len(m)-1]
				m = m[:len(m)-1]
			}
			m.down(0)
		}
	}
}

// merge is a heap of runs by the names that they have come to.
type merge []*cursor

func (m merge) less(i, j int) bool {
	a, b := m[i], m[j]
	if string(a.name) != string(b.name) {
		return string(a.name) < string(b.name)
	}
	return slices.Compare(a.numbers[:], b.numbers[:]) < 0
}

// down puts one into its place among those below it.
func (m merge) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m) {
			return
		}
		if child+1 < len(m) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m[i], m[child] = m[child], m[i]
		i = child
	}
}
