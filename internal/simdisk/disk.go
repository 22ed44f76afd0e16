// Package simdisk is a disk that lives in memory and can be stopped between any two
// system calls. Tests run the production packages on it, SQLite included, and look at
// what a killed process or a power cut would have left.
//
// A Disk counts ticks: one before each call that changes something and one after it,
// one for each call that only looks, and one for each Tick of the test itself (a POST,
// say). StopAt freezes the world at a tick: from then on every call fails with
// ErrStopped and changes nothing, so that the program unwinds through its ordinary
// error paths. FailAt makes one call fail and lets the world go on.
//
//	d := simdisk.New()
//	box := d.Root("partners/acme")   // an fsx.FS
//	vfs, prefix := d.SQLite()        // "file:" + prefix + "/ledger.db?vfs=" + vfs
//	d.StopAt(17)
//	...                              // the program runs into tick 17
//	after := d.PowerCut(simdisk.None)
//
// What is durable follows the rules that POSIX gives and nothing better. The data of a
// file is durable up to the last Sync of the file, and every write since then can be
// lost on its own. A name is durable once its folder was synced after it was made,
// renamed or removed; syncing a file does not make its name durable. A rename within
// one folder is one change. A rename of a file to another folder is two, the new name
// and the end of the old one, each durable with its own folder; the second is never
// kept by chance without the first, for then no order of syncs would save the file. A
// folder that moves is one change, durable with the folder it moved to. After a Sync
// that failed, what it should have written is not on the disk although it can still be
// read, and the next Sync does not bring it back: this is what Linux does.
//
// Time stands still but for one millisecond per change, inode numbers are never used
// twice, and two runs of the same program make the same ticks. Modes and groups are kept,
// and keep nobody from anything; links and quotas are not simulated.
package simdisk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"
)

// ErrStopped is what every call returns once the world is frozen.
var ErrStopped = errors.New("simdisk: the world has stopped")

// rootNode is the number of the folder that everything is in.
const rootNode = 1

// Disk is one simulated disk and the processes that have it open. It is safe for
// concurrent use.
type Disk struct {
	mu      sync.Mutex
	nodes   map[uint64]*node
	last    uint64    // the highest node number given out
	seq     int       // the number of the last change
	pending []*change // not durable yet, oldest first
	clock   int64     // milliseconds since epoch, one per change
	free    uint64

	ticks   []tick
	stopAt  int // 0: never
	stopped bool
	failAt  map[int]error
	hooks   map[int][]func()

	alternates *alternation // nil = there is one at work

	locks  map[uint64]*locks  // of SQLite, by node
	memory map[uint64]*shared // SQLite's shared memory, by node of the database
	index  string             // our place in the registry of the VFS; empty: not there
}

// New makes an empty disk with 1 TiB free.
func New() *Disk {
	d := &Disk{nodes: map[uint64]*node{}, last: rootNode, free: 1 << 40}
	d.nodes[rootNode] = newFolder(rootNode)
	d.runtimeState()
	return d
}

// runtimeState is what ends with the processes: hooks, stops, locks.
func (d *Disk) runtimeState() {
	d.failAt, d.hooks = map[int]error{}, map[int][]func(){}
	d.locks, d.memory = map[uint64]*locks{}, map[uint64]*shared{}
}

// Clone makes a disk with the same content, durable and not, on which nothing is open
// and no tick has passed. The old one is not touched.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{
		nodes: make(map[uint64]*node, len(d.nodes)), last: d.last, seq: d.seq,
		pending: slices.Clone(d.pending), clock: d.clock, free: d.free,
	}
	for id, n := range d.nodes {
		c.nodes[id] = n.clone()
	}
	c.runtimeState()
	return c
}

// Kill is the disk as the next process finds it when this one was killed: everything
// that was written is there, synced or not, and what was not synced can still be lost.
func (d *Disk) Kill() *Disk { return d.Clone() }

// PowerCut is the disk as the next process finds it when the power failed. Of the
// unsynced changes those are left that keep names; whatever is left is durable now.
func (d *Disk) PowerCut(keep func(Change) bool) *Disk {
	c := d.Clone()
	lost := map[int]bool{}
	for _, ch := range c.pending {
		if lost[ch.needs] || !keep(c.describe(ch)) {
			lost[ch.seq] = true
			continue
		}
		c.settle(ch)
	}
	c.pending = nil
	reached := map[uint64]*node{}
	c.reach(rootNode, reached)
	c.nodes = reached
	for _, n := range reached {
		n.now = n.safe.share()
		n.rights = n.safeRights
		n.entries = maps.Clone(n.safeEntries)
	}
	return c
}

// reach collects what the durable folders name, from one node on.
func (d *Disk) reach(id uint64, into map[uint64]*node) {
	n := d.nodes[id]
	if n == nil || into[id] != nil {
		return
	}
	into[id] = n
	for _, child := range n.safeEntries {
		d.reach(child, into)
	}
}

// All keeps every unsynced change: the disk was quick.
func All(Change) bool { return true }

// None keeps no unsynced change: the disk was slow.
func None(Change) bool { return false }

// AllBut keeps every unsynced change except one and those that cannot be without it.
func AllBut(lost Change) func(Change) bool {
	return func(c Change) bool { return c.Seq != lost.Seq }
}

// Unsynced lists the changes that a power cut can undo now, oldest first.
func (d *Disk) Unsynced() []Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Change, len(d.pending))
	for i, ch := range d.pending {
		list[i] = d.describe(ch)
	}
	return list
}

// SyncAll makes everything durable without a tick, as a test does that has just set
// the scene.
func (d *Disk) SyncAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ch := range d.pending {
		d.settle(ch)
	}
	d.pending = nil
}

// SetFree sets what Free reports. Writes do not reduce it and do not fail for it: a
// full disk in the middle of something is FailAt with ENOSPC.
func (d *Disk) SetFree(n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = n
}

// now is the moment on the disk's own clock.
func (d *Disk) now() time.Time {
	return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(d.clock) * time.Millisecond)
}

// Entry is what Tree says about one name.
type Entry struct {
	Folder bool
	Size   int64
	SHA256 string // hexadecimal; empty for folders
	ID     string // equal to the fsx.ID of the name
	Mode   fs.FileMode
	Group  string // set by Share; empty = never
}

// Tree lists the whole disk by path, as a process sees it now.
func (d *Disk) Tree() map[string]Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	tree := map[string]Entry{}
	d.walk(d.nodes[rootNode], "", tree)
	return tree
}

func (d *Disk) walk(n *node, prefix string, into map[string]Entry) {
	for name, id := range n.entries {
		child := d.nodes[id]
		into[prefix+name] = Entry{Folder: child.folder, Size: int64(len(child.now.b)), SHA256: child.sum(), ID: string(child.identity()), Mode: child.mode(), Group: child.rights.group}
		if child.folder {
			d.walk(child, prefix+name+"/", into)
		}
	}
}

// Sum tells apart disks that come from the same one. If it is equal, a process finds the
// same on both: names, contents, rights, identities, times. Names in without do not count,
// in no folder.
func (d *Disk) Sum(without ...string) [sha256.Size]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := sha256.New()
	d.sum(h, d.nodes[rootNode], without)
	return [sha256.Size]byte(h.Sum(nil))
}

func (d *Disk) sum(h io.Writer, n *node, without []string) {
	fmt.Fprintln(h, n.id, n.rights.mode, n.rights.group)
	if !n.folder {
		fmt.Fprintln(h, n.sum(), n.now.at.UnixNano())
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		if !slices.Contains(without, name) {
			fmt.Fprintf(h, "%q\n", name)
			d.sum(h, d.nodes[n.entries[name]], without)
		}
	}
	fmt.Fprintln(h, "end")
}

// infoOf is what Lstat says about a node under a name.
func (d *Disk) infoOf(n *node, name string) fs.FileInfo {
	return info{name: name, size: int64(len(n.now.b)), mode: n.mode(), at: n.now.at}
}
