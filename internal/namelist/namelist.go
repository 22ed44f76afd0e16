// Package namelist holds very many file names, each with a few numbers, in little memory.
//
// A List is sorted by name, byte by byte, and never changes. Of a name it keeps what differs
// from the one before it, and of each number how much it differs from that one's: names that
// a program has counted up, of files that it wrote one after the other, take some 15 bytes
// together with size and time. A Sorter takes names in any order and gives them in theirs.
//
//	var s namelist.Sorter
//	s.Add("INV-2.xml", namelist.Numbers{size, time})
//	s.Add("INV-1.xml", namelist.Numbers{size, time})
//	l := namelist.Collect(s.Sorted())
//	numbers, ok := l.Find("INV-1.xml")
//
// Package outbox remembers an outbox so from one look to the next. Nothing here knows what
// the numbers mean, nothing is safe for use by several goroutines while it is being made, and
// nothing of it is ever written to disk.
package namelist

import (
	"encoding/binary"
	"iter"
	"slices"
	"sort"
)

// Numbers are kept with a name.
type Numbers [4]int64

// perBlock is how many names are told by the one before them. The first of a block is there as
// a whole: from it the others are found.
const perBlock = 32

// List is a sorted list of names, each of which is there once.
type List struct {
	blocks [][]byte // of perBlock names each, the last one of as many as are left
	n      int
}

// Len is how many names there are.
func (l *List) Len() int { return l.n }

// Collect makes a list of names that come in ascending order.
func Collect(sorted iter.Seq2[[]byte, Numbers]) *List {
	l := &List{}
	var block, last []byte
	var before Numbers
	for name, numbers := range sorted {
		if l.n%perBlock == 0 {
			l.seal(block)
			block, last, before = block[:0], last[:0], Numbers{}
		}
		block = appendEntry(block, last, name, before, numbers)
		last, before = append(last[:0], name...), numbers
		l.n++
	}
	l.seal(block)
	l.blocks = slices.Clip(l.blocks)
	return l
}

// seal keeps a block, which is written over afterwards.
func (l *List) seal(block []byte) {
	if len(block) > 0 {
		l.blocks = append(l.blocks, append(make([]byte, 0, len(block)), block...))
	}
}

// appendEntry writes a name as what it shares with the last one, what it does not, and the
// numbers that differ, with a bit for each.
func appendEntry(block, last, name []byte, before, numbers Numbers) []byte {
	shared := 0
	for shared < min(len(last), len(name)) && last[shared] == name[shared] {
		shared++
	}
	block = binary.AppendUvarint(block, uint64(shared))
	block = binary.AppendUvarint(block, uint64(len(name)-shared))
	block = append(block, name[shared:]...)
	at := len(block)
	block = append(block, 0)
	for i, n := range numbers {
		if n != before[i] {
			block[at] |= 1 << i
			block = binary.AppendVarint(block, n-before[i]) // what overflows here does so again when it is read
		}
	}
	return block
}

// All are the names from one on and before another, counted from 0. Each is good until the
// next.
func (l *List) All(from, end int) iter.Seq2[[]byte, Numbers] {
	return func(yield func([]byte, Numbers) bool) {
		c := cursor{blocks: l.blocks[min(from/perBlock, len(l.blocks)):]}
		for i := from - from%perBlock; i < end && c.next(); i++ {
			if i >= from && !yield(c.name, c.numbers) {
				return
			}
		}
	}
}

// Find is what is kept with a name.
func (l *List) Find(name string) (numbers Numbers, ok bool) {
	block := sort.Search(len(l.blocks), func(i int) bool { return string(first(l.blocks[i])) > name }) - 1
	if block < 0 {
		return Numbers{}, false
	}
	w := Walk{cursor{blocks: l.blocks[block : block+1]}, false}
	return w.To([]byte(name))
}

// first is the first name of a block.
func first(block []byte) []byte {
	_, n := binary.Uvarint(block) // shared with nothing
	length, m := binary.Uvarint(block[n:])
	return block[n+m:][:length]
}

// Names gives names by their places. Whoever asks for neighbours one after the other gets them
// cheaply.
func (l *List) Names() func(i int) string {
	var names [perBlock]string
	have := -1
	return func(i int) string {
		block := i / perBlock
		if i%perBlock == 0 && have != block {
			return string(first(l.blocks[block]))
		}
		if have != block {
			have = block
			c := cursor{blocks: l.blocks[block : block+1]}
			for k := 0; c.next(); k++ {
				names[k] = string(c.name)
			}
		}
		return names[i%perBlock]
	}
}

// Walk goes through a list from its beginning to its end, once.
type Walk struct {
	cursor
	on bool // the cursor stands on a name
}

// Walk begins one.
func (l *List) Walk() *Walk { return &Walk{cursor: cursor{blocks: l.blocks}} }

// To is what is kept with a name. Names are asked for in ascending order.
func (w *Walk) To(name []byte) (numbers Numbers, ok bool) {
	for !w.on || string(w.name) < string(name) {
		if w.on = w.next(); !w.on {
			return Numbers{}, false
		}
	}
	if string(w.name) != string(name) {
		return Numbers{}, false
	}
	return w.numbers, true
}

// cursor reads blocks.
type cursor struct {
	blocks  [][]byte
	rest    []byte // of the block that is being read
	name    []byte
	numbers Numbers
	spent   bool // blocks that were read are let go: they are no list's
}

// next goes to the next name, and reports whether there is one.
func (c *cursor) next() bool {
	if len(c.rest) == 0 {
		if len(c.blocks) == 0 {
			return false
		}
		c.rest = c.blocks[0]
		if c.spent {
			c.blocks[0] = nil
		}
		c.blocks = c.blocks[1:]
		c.name, c.numbers = c.name[:0], Numbers{}
	}
	shared, more := c.uvarint(), c.uvarint()
	c.name = append(c.name[:shared], c.rest[:more]...)
	changed := c.rest[more]
	c.rest = c.rest[more+1:]
	for i := range c.numbers {
		if changed&(1<<i) != 0 {
			d, n := binary.Varint(c.rest)
			c.numbers[i] += d
			c.rest = c.rest[n:]
		}
	}
	return true
}

func (c *cursor) uvarint() int {
	v, n := binary.Uvarint(c.rest)
	c.rest = c.rest[n:]
	return int(v)
}
