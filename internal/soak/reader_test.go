//go:build linux

package soak

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// reader is the ERP that takes files out of one inbox.
type reader struct {
	*chance
	book *book
	site *site
	link *link
	door *sync.RWMutex // closed while the folder is taken away
	seen map[string]string
}

// readAll reads until the context ends.
func (r *reader) readAll(ctx context.Context) {
	for pause(ctx, r.about(400*time.Millisecond)) {
		r.round()
	}
}

// round looks at the inbox once.
func (r *reader) round() {
	r.door.RLock()
	defer r.door.RUnlock()
	inbox := filepath.Join(r.site.folder(r.link.name), inInbox)
	if r.link.read == byFolder {
		entries, err := os.ReadDir(inbox)
		if err != nil {
			return // it is away
		}
		for _, e := range entries {
			r.folder(filepath.Join(inbox, e.Name()))
		}
		return
	}
	for name, hash := range r.list(inbox) {
		d := r.book.of(hash)
		switch {
		case d == nil:
			continue // the judge finds it
		case d.document:
			r.document(inbox, d)
		case r.link.read == greedily:
			r.takeFile(inbox, name, hash)
		}
	}
}

// list reads all files of a folder, each once: what is in an inbox does not change.
func (r *reader) list(folder string) map[string]string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	now := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		hash, known := r.seen[path]
		if !known {
			content, err := os.ReadFile(path)
			if err != nil {
				continue // the judge finds what cannot be read
			}
			hash = digest(content)
			r.seen[path] = hash
		}
		now[e.Name()] = hash
	}
	return now
}

// document has seen a document: its attachments must be there by now.
func (r *reader) document(inbox string, d *dropped) {
	now := r.list(inbox)
	r.complete(d, now)
	if r.link.read == never {
		return
	}
	for name, hash := range now {
		if other := r.book.of(hash); other != nil && other.batch == d.batch {
			r.takeFile(inbox, name, hash)
		}
	}
}

// complete holds what lies beside a document against what was dropped with it.
func (r *reader) complete(d *dropped, now map[string]string) {
	for _, m := range r.book.members(d.batch) {
		there := r.book.wasTaken(m)
		for _, hash := range now {
			there = there || r.book.of(hash) == m
		}
		if !there {
			r.book.object("the reader sees %s in the inbox, and %q is not there", d, m.name)
		}
	}
}

func (r *reader) takeFile(inbox, name, hash string) {
	path := filepath.Join(inbox, name)
	if _, here := r.seen[path]; !here {
		return // with its document
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrPermission) {
		return // the folder may not be written to just now
	}
	if err != nil {
		r.book.object("the reader could not take %s: %v", path, err)
		return
	}
	delete(r.seen, path)
	r.book.take(found{side: r.site.side, link: r.link.name, place: taken, name: name, hash: hash})
}

// folder takes one batch that came as a folder.
func (r *reader) folder(path string) {
	now := r.list(path)
	for _, hash := range now {
		if d := r.book.of(hash); d != nil && d.document {
			r.complete(d, now)
		}
	}
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r.takeFile(path, name, now[name])
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrPermission) {
		r.book.object("the reader could not take the folder %s: %v", path, err)
	}
}
