package simdisk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// node is one file or folder: what processes see, and what is durable of it.
type node struct {
	id        uint64
	folder    bool
	now, safe body // files

	rights, safeRights rights

	entries, safeEntries map[string]uint64 // folders

	writers int // how often a foreign program has it open for writing
}

// rights are who may do what.
type rights struct {
	mode  fs.FileMode // permissions and fs.ModeSetgid
	group string      // empty = that of whoever made it
}

func (n *node) mode() fs.FileMode {
	if n.folder {
		return fs.ModeDir | n.rights.mode
	}
	return n.rights.mode
}

// body is the content of a file. Clones share the bytes until one of them writes.
type body struct {
	b      []byte
	shared bool
	digest *digest
	at     time.Time // of the last change
}

func newFolder(id uint64) *node {
	private := rights{mode: 0o700}
	return &node{id: id, folder: true, rights: private, safeRights: private, entries: map[string]uint64{}, safeEntries: map[string]uint64{}}
}

func (n *node) clone() *node {
	c := &node{id: n.id, folder: n.folder, rights: n.rights, safeRights: n.safeRights}
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
	return n.now.sum()
}

// digest is worked out once for all clones that share the bytes.
type digest struct {
	once sync.Once
	hex  string
}

func (b *body) sum() string {
	if b.digest == nil {
		b.digest = new(digest)
	}
	b.digest.once.Do(func() {
		h := sha256.Sum256(b.b)
		b.digest.hex = hex.EncodeToString(h[:])
	})
	return b.digest.hex
}

func (b *body) share() body {
	if b.digest == nil {
		b.digest = new(digest)
	}
	b.shared = true
	return *b
}

// own makes sure that nobody else has the bytes and that there is room for size.
func (b *body) own(size int) {
	b.digest = nil
	if b.shared || size > cap(b.b) {
		b.b, b.shared = append(make([]byte, 0, size+size/2), b.b...), false
	}
}

func (b *body) writeAt(p []byte, off int64, at time.Time) {
	grown := int(off) + len(p)
	b.own(max(grown, len(b.b)))
	if old := len(b.b); grown > old {
		b.b = b.b[:grown]
		clear(b.b[old:])
	}
	copy(b.b[off:], p)
	b.at = at
}

func (b *body) truncate(size int64, at time.Time) {
	if size > int64(len(b.b)) {
		b.writeAt(nil, size, at)
	}
	b.own(0)
	b.b, b.at = b.b[:size], at
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
