package simdisk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// node is one file or folder: what processes see, and what is durable of it.
type node struct {
	id        uint64
	folder    bool
	mode      fs.FileMode
	now, safe body // files

	entries, safeEntries map[string]uint64 // folders

	writers int // how often a foreign program has it open for writing
}

// body is the content of a file. Clones share the bytes until one of them writes.
type body struct {
	b      []byte
	shared bool
	at     time.Time // of the last change
}

func newFolder(id uint64) *node {
	return &node{id: id, folder: true, mode: fs.ModeDir | 0o700, entries: map[string]uint64{}, safeEntries: map[string]uint64{}}
}

func (n *node) clone() *node {
	c := &node{id: n.id, folder: n.folder, mode: n.mode}
	if n.folder {
		c.entries, c.safeEntries = maps.Clone(n.entries), maps.Clone(n.safeEntries)
		return c
	}
	c.now, c.safe = n.now.share(), n.safe.share()
	return c
}

func (n *node) identity() fsx.ID { return fsx.ID(fmt.Sprintf("sim-%x", n.id)) }

func (n *node) sum() string {
	if n.folder {
		return ""
	}
	h := sha256.Sum256(n.now.b)
	return hex.EncodeToString(h[:])
}

func (b *body) share() body {
	b.shared = true
	return *b
}

// own makes sure that nobody else has the bytes.
func (b *body) own() {
	if b.shared {
		b.b, b.shared = append(make([]byte, 0, len(b.b)+len(b.b)/4), b.b...), false
	}
}

func (b *body) writeAt(p []byte, off int64, at time.Time) {
	b.own()
	if grown := off + int64(len(p)); grown > int64(len(b.b)) {
		b.b = append(b.b, make([]byte, grown-int64(len(b.b)))...)
	}
	copy(b.b[off:], p)
	b.at = at
}

func (b *body) truncate(size int64, at time.Time) {
	if size < int64(len(b.b)) {
		// The bytes behind the end must not come back when the file grows again.
		b.b, b.shared = append([]byte(nil), b.b[:size]...), false
	} else if size > int64(len(b.b)) {
		b.writeAt(make([]byte, size-int64(len(b.b))), int64(len(b.b)), at)
	}
	b.at = at
}

// info is a fs.FileInfo.
type info struct {
	name string
	size int64
	mode fs.FileMode
	at   time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.at }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
