package simdisk

import (
	"fmt"
	"path"
	"slices"
	"time"
)

// Change is something that a process sees and a power cut can undo.
type Change struct {
	Seq   int    // its number on this disk and on all disks made from it
	Label string // for failure messages, as in: write 4096@0 partners/acme/.work/t1/message
}

// change is a Change as the disk keeps it. It is never altered once it is made,
// because clones share it.
type change struct {
	seq   int
	needs int    // the change without which this one cannot be kept; 0: none
	node  uint64 // whose sync makes it durable: the file of data, the folder of names
	at    time.Time
	op    string
	name  string

	data     []byte // written at off
	off      int64
	truncate bool // to off
	rights   *rights
	links    []link
}

// link is a name that begins to mean a node, or stops.
type link struct {
	folder uint64
	name   string
	node   uint64
	gone   bool
}

func (d *Disk) describe(ch *change) Change {
	label := ch.op + " " + ch.name
	if ch.data != nil {
		label = fmt.Sprintf("write %d@%d %s", len(ch.data), ch.off, ch.name)
	}
	return Change{Seq: ch.seq, Label: label}
}

// record takes note of a change that has just been made.
func (d *Disk) record(ch *change) int {
	d.seq++
	d.clock++
	ch.seq, ch.at = d.seq, d.now()
	d.pending = append(d.pending, ch)
	return ch.seq
}

// settle makes one change durable.
func (d *Disk) settle(ch *change) {
	switch {
	case ch.links != nil:
		for _, l := range ch.links {
			folder := d.nodes[l.folder]
			if !l.gone {
				folder.safeEntries[l.name] = l.node
			} else if folder.safeEntries[l.name] == l.node {
				delete(folder.safeEntries, l.name)
			}
		}
	case ch.rights != nil:
		d.nodes[ch.node].safeRights = *ch.rights
	case ch.truncate:
		d.nodes[ch.node].safe.truncate(ch.off, ch.at)
	default:
		d.nodes[ch.node].safe.writeAt(ch.data, ch.off, ch.at)
	}
}

// sync makes durable what waits for the sync of one file or folder.
func (d *Disk) sync(id uint64) {
	done := map[int]bool{}
	for i, ch := range d.pending {
		if ch.node == id {
			d.settleInOrder(i, done)
		}
	}
	d.pending = slices.DeleteFunc(d.pending, func(ch *change) bool { return done[ch.seq] })
}

// settleInOrder settles a pending change, and before it what it presupposes: a folder
// that moves takes its old name along, so whatever gave it that name, in a folder that
// is not being synced, is on the disk as well.
func (d *Disk) settleInOrder(i int, done map[int]bool) {
	ch := d.pending[i]
	if done[ch.seq] {
		return
	}
	for _, l := range ch.links {
		for j := 0; j < i && l.folder != ch.node; j++ {
			if d.pending[j].concerns(l) {
				d.settleInOrder(j, done)
			}
		}
	}
	d.settle(ch)
	done[ch.seq] = true
}

// concerns reports whether a change is about the same entry.
func (ch *change) concerns(l link) bool {
	return slices.ContainsFunc(ch.links, func(other link) bool {
		return other.folder == l.folder && other.name == l.name
	})
}

// syncFailed forgets the data that a failed sync of a file should have written: it can
// be read, but it is not on the disk and no later sync will bring it there. The names
// of a folder still wait for the next sync.
func (d *Disk) syncFailed(id uint64) {
	d.pending = slices.DeleteFunc(d.pending, func(ch *change) bool {
		return ch.node == id && ch.links == nil
	})
}

// write puts bytes into a file.
func (d *Disk) write(n *node, name string, p []byte, off int64) {
	ch := &change{node: n.id, op: "write", name: name, data: append([]byte{}, p...), off: off}
	d.record(ch)
	n.now.writeAt(ch.data, off, ch.at)
}

// truncate sets the length of a file.
func (d *Disk) truncate(n *node, name string, size int64) {
	ch := &change{node: n.id, op: "truncate", name: name, off: size, truncate: true}
	d.record(ch)
	n.now.truncate(size, ch.at)
}

// setRights sets mode and group.
func (d *Disk) setRights(n *node, name string, r rights) {
	n.rights = r
	d.record(&change{node: n.id, op: "rights", name: name, rights: &r})
}

// create makes a new node under a name in a folder.
func (d *Disk) create(folder *node, base, name string, made *node) {
	d.last++
	made.id = d.last
	d.nodes[made.id] = made
	ch := &change{node: folder.id, op: "create", name: name, links: []link{{folder: folder.id, name: base, node: made.id}}}
	d.record(ch)
	made.now.at, made.safe.at = ch.at, ch.at
	folder.entries[base] = made.id
}

// unlink takes a name away.
func (d *Disk) unlink(folder *node, base, name string) {
	d.record(&change{node: folder.id, op: "remove", name: name, links: []link{{folder: folder.id, name: base, node: folder.entries[base], gone: true}}})
	delete(folder.entries, base)
}

// rename moves an entry; whoever had the new name loses it.
func (d *Disk) rename(from *node, oldname string, to *node, newname string) {
	id := from.entries[path.Base(oldname)]
	end := link{folder: from.id, name: path.Base(oldname), node: id, gone: true}
	begin := link{folder: to.id, name: path.Base(newname), node: id}
	delete(from.entries, end.name)
	to.entries[begin.name] = id
	op := "rename " + oldname + " to"
	if from == to || d.nodes[id].folder {
		d.record(&change{node: to.id, op: op, name: newname, links: []link{end, begin}})
		return
	}
	first := d.record(&change{node: to.id, op: op, name: newname, links: []link{begin}})
	d.record(&change{node: from.id, op: "end of the rename of", name: oldname, links: []link{end}, needs: first})
}
