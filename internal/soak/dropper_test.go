//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dropper is the ERP that puts files into one outbox.
type dropper struct {
	*chance
	book   *book
	site   *site
	link   *link
	door   *sync.RWMutex // closed while the folder is taken away
	counts *tally
	rate   time.Duration // mean time between two batches

	keys   []string // that may be used again
	serial int
}

// crowded is how many files may wait before the dropper does.
const crowded = 60

// drop drops batches until the faults end.
func (d *dropper) drop(ctx context.Context) {
	for pause(ctx, d.about(d.rate)) {
		entries, err := os.ReadDir(filepath.Join(d.site.folder(d.link.name), inOutbox))
		if err != nil || len(entries) > crowded {
			continue // the folder is away, or the agent is behind
		}
		d.batch()
		// Where files are taken at first sight several at once are the harder case.
		for d.link.quiet == 0 && d.percent(60) {
			d.batch()
		}
	}
}

// styles are keys as people make them.
var styles = []string{"INV-%d", "Rechnung Müller-%d", "Re\u0301sume\u0301-%d", "注文-%d", "ORD.2026.%d", "Заказ №%d", "a-%d", "%d", "CON %d", "x'(%d)", strings.Repeat("long-", 20) + "%d"}

// batch drops one batch.
func (d *dropper) batch() {
	d.serial++
	key := fmt.Sprintf(styles[d.n(len(styles))], d.serial)
	again := false
	if d.link.strict {
		// The order is that of the last writing, as exactly as the file system keeps it.
		pause(context.Background(), 20*time.Millisecond)
	}
	if len(d.keys) > 0 && !d.link.strict && d.percent(8) {
		key, again = d.keys[d.n(len(d.keys))], true
		if d.present(key) {
			return // its earlier document has not been claimed
		}
		d.counts.add("the same key again")
	}
	p := d.book.newBatch(d.site.side, d.link.name, key)
	document := &dropped{batch: p, document: true, name: key + "." + []string{"xml", "edi", "json", "csv", "txt"}[d.n(5)]}
	var attachments []*dropped
	if !d.link.alone {
		for i := range max(d.n(5)-1, 0) {
			name := []string{"scan", "Beilage ä", "写真", "a.b", "T"}[d.n(5)]
			attachments = append(attachments, &dropped{batch: p, name: fmt.Sprintf("%s_%s%d-%d.%s", key, name, d.serial, i, d.extension())})
		}
	}
	switch {
	case len(attachments) > 0 && !d.link.marker && !again && d.percent(6):
		d.late(document, attachments)
	case !again && !d.link.strict && d.link.quiet > 0 && d.percent(8):
		d.changed(document, attachments)
	default:
		if d.inOrder(document, attachments) && !again {
			d.keys = append(d.keys, key)
		}
	}
}

// extension is one for an attachment. One that could be a document too must not stand still
// in the outbox before its own document is there.
func (d *dropper) extension() string {
	all := []string{"pdf", "png", "zip", "xml"}
	if d.link.slow || d.link.marker {
		return all[d.n(4)]
	}
	return all[d.n(3)]
}

// present reports whether a file of a key lies in the outbox.
func (d *dropper) present(key string) bool {
	entries, err := os.ReadDir(filepath.Join(d.site.folder(d.link.name), inOutbox))
	return err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), key) })
}

// inOrder drops attachments first, then the document, then the marker.
func (d *dropper) inOrder(document *dropped, attachments []*dropped) bool {
	all := append(slices.Clone(attachments), document)
	if d.link.marker {
		all = append(all, &dropped{batch: document.batch, name: document.batch.key + ".ready", marker: true})
	}
	if d.link.slow && d.percent(60) {
		d.counts.add("written slowly under the final name")
		var writers sync.WaitGroup
		for _, f := range all {
			writers.Go(func() { d.put(f, d.content(f), true) })
		}
		writers.Wait()
		return false // whether all came in time is not certain enough to use the key again
	}
	for _, f := range all {
		if !d.put(f, d.content(f), false) {
			return false
		}
	}
	return true
}

// late drops the document first and the attachments when it may be gone already.
func (d *dropper) late(document *dropped, attachments []*dropped) {
	d.counts.add("attachments after their document")
	if !d.put(document, d.content(document), false) {
		return
	}
	for _, f := range attachments {
		pause(context.Background(), d.between(0, 2*d.link.quiet+time.Second))
		f.late = true
		d.put(f, d.content(f), false)
	}
}

// changed comes back to a document when the agent may just be claiming it.
func (d *dropper) changed(document *dropped, attachments []*dropped) {
	content := d.content(document)
	for _, f := range attachments {
		d.put(f, d.content(f), false)
	}
	if !d.put(document, content, false) {
		return
	}
	pause(context.Background(), d.between(d.link.quiet/2, d.link.quiet+400*time.Millisecond))
	d.door.RLock()
	defer d.door.RUnlock()
	path := filepath.Join(d.site.folder(d.link.name), inOutbox, document.name)
	before, err := identity(path)
	if err != nil {
		return // the agent has it
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close() // one write, and it is checked
	more := make([]byte, 16)
	d.fill(more)
	// Booked first: it may be seen as soon as it is written.
	d.book.change(document, append(slices.Clone(content), more...))
	if _, err := f.Write(more); err != nil {
		d.book.object("%s: the dropper could not append to it: %v", document, err)
	}
	d.counts.add("changed while it was being claimed")
	if after, err := identity(path); err == nil && after == before {
		d.book.settleChange(document)
	}
}

func identity(path string) (uint64, error) {
	var s unix.Stat_t
	err := unix.Lstat(path, &s)
	return s.Ino, err
}

// content makes content that nobody else has. Its size is anything from a byte to some MiB.
func (d *dropper) content(f *dropped) []byte {
	most := 128 << 10
	switch {
	case d.link.small:
		most = 8 << 10
	case d.percent(4):
		most = 4 << 20
	}
	for {
		content := make([]byte, d.size(most))
		if d.percent(50) {
			d.fill(content)
		} else {
			// Text that shrinks, with a beginning of its own.
			copy(content, strings.Repeat("Position 10: Schraube M8 x 40, verzinkt, 100 Stück\n", len(content)/50+1))
			d.fill(content[:min(len(content), 12)])
		}
		if d.book.add(f, content) {
			return content
		}
		most *= 2 // all short ones are used up
	}
}

// put puts a file into the outbox. Where the folder is away or the volume full it waits; a
// name that is taken strikes the file from the book.
func (d *dropper) put(f *dropped, content []byte, slowly bool) bool {
	for {
		err := d.tryPut(f, content, slowly)
		switch {
		case err == nil:
			return true
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOSPC) || errors.Is(err, fs.ErrPermission):
			pause(context.Background(), 200*time.Millisecond)
			continue
		case !errors.Is(err, fs.ErrExist):
			d.book.object("%s could not be dropped: %v", f, err)
		}
		d.book.strike(f)
		return false
	}
}

func (d *dropper) tryPut(f *dropped, content []byte, slowly bool) error {
	d.door.RLock()
	defer d.door.RUnlock()
	path := filepath.Join(d.site.folder(d.link.name), inOutbox, f.name)
	if !slowly {
		return write(path, content)
	}
	longest, err := d.writeSlowly(path, content)
	if longest >= d.link.quiet-500*time.Millisecond {
		d.book.object("inconclusive: this machine let the dropper stand still for %v while it wrote %s", longest, f)
	}
	return err
}

// write writes a file beside and renames it.
func write(path string, content []byte) error {
	part := path + ".part"
	err := os.WriteFile(part, content, 0o644)
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, part, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		if rerr := os.Remove(part); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// writeSlowly writes a file bit by bit under its final name, and says how long it stood
// still at most.
func (d *dropper) writeSlowly(path string, content []byte) (longest time.Duration, err error) {
	last := time.Now()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	for rest := content; len(rest) > 0 && err == nil; {
		n := min(len(rest), len(content)/8+1)
		_, err = f.Write(rest[:n])
		longest, last = max(longest, time.Since(last)), time.Now()
		if rest = rest[n:]; len(rest) > 0 {
			pause(context.Background(), d.between(0, 300*time.Millisecond))
		}
	}
	return longest, errors.Join(err, f.Close())
}
