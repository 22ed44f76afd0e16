//go:build linux

package soak

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// side is one of the two agents.
type side string

func (s side) other() side {
	if s == "a" {
		return "b"
	}
	return "a"
}

var sides = []side{"a", "b"}

// dropped is one file that was put into an outbox.
type dropped struct {
	batch    *batch
	name     string
	versions []string // SHA-256 in hex; two where the writer came back to it
	document bool
	raced    bool // the agent may have had it when the writer came back: either version may travel
	late     bool // an attachment that came after its document: it may be left behind
	marker   bool // says that the batch is complete, and does not travel
}

// batch is one document with its attachments, as it was dropped.
type batch struct {
	id    int
	from  side
	link  string
	key   string
	files []*dropped // the document first
}

func (d *dropped) String() string {
	return fmt.Sprintf("batch %d, %s/%s/%q", d.batch.id, d.batch.from, d.batch.link, d.name)
}

// book is what the dropper and the reader know. Nobody else writes to it.
type book struct {
	mu       sync.Mutex
	batches  []*batch
	byHash   map[string]*dropped
	taken    []found
	problems []string
	bytes    int64
}

func newBook() *book { return &book{byHash: map[string]*dropped{}} }

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// newBatch opens a page. Its files are added before they are dropped.
func (b *book) newBatch(from side, link, key string) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &batch{id: len(b.batches), from: from, link: link, key: key}
	b.batches = append(b.batches, p)
	return p
}

// add books a file, and reports false where somebody has the same content: all content is
// unique, so that a digest names a file.
func (b *book) add(d *dropped, content []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := digest(content)
	if b.byHash[h] != nil {
		return false
	}
	b.byHash[h] = d
	d.versions = []string{h}
	d.batch.files = append(d.batch.files, d)
	b.bytes += int64(len(content))
	return true
}

// strike takes a file out of the book again that could not be dropped.
func (b *book) strike(d *dropped) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range d.versions {
		delete(b.byHash, h)
	}
	d.batch.files = slices.DeleteFunc(d.batch.files, func(f *dropped) bool { return f == d })
}

// change books that the writer comes back and appends to a file that the agent may have by
// then.
func (b *book) change(d *dropped, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := digest(content)
	b.byHash[h] = d
	d.versions, d.raced = append(d.versions, h), true
}

// settleChange books that the file was still in the outbox when the writer was done: only
// what it is now may travel.
func (b *book) settleChange(d *dropped) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(d.versions) - 1
	for _, h := range d.versions[:last] {
		delete(b.byHash, h)
	}
	d.versions, d.raced = d.versions[last:], false
}

// take books a file that the reader took out of an inbox.
func (b *book) take(f found) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, f)
}

// of finds who dropped some content.
func (b *book) of(hash string) *dropped {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byHash[hash]
}

// wasTaken reports whether the reader has a file already.
func (b *book) wasTaken(d *dropped) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.taken, func(f found) bool { return slices.Contains(d.versions, f.hash) })
}

// members are the files of a batch that the reader may expect beside its document.
func (b *book) members(p *batch) (names []*dropped) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range p.files {
		if !d.marker && !d.late {
			names = append(names, d)
		}
	}
	return names
}

// object notes something that must not be, at the moment that it is seen.
func (b *book) object(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

func (b *book) objections() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.problems)
}

// count is how many batches and files were dropped.
func (b *book) count() (batches, files int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.batches {
		if len(p.files) > 0 {
			batches++
		}
		files += len(p.files)
	}
	return batches, files, b.bytes
}
