package simdisk

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/as2drop/as2drop/internal/fsx"
)

// tree is an fsx.FS over one folder of a disk.
type tree struct {
	d       *Disk
	dir     string // from the root of the disk, "" or "partners/acme"
	outside bool
}

var _ fsx.FS = (*tree)(nil)

// Root is one folder of the disk as the program under test has it open. The folder is
// made, durable and without a tick, if it is not there.
func (d *Disk) Root(dir string) fsx.FS { return d.open(dir, false) }

// Outside is one folder of the disk as some other program has it open: an operator, an
// ERP system, the test itself. It makes no ticks and goes on when the world has
// stopped. What it has open for writing is Busy to the program under test.
func (d *Disk) Outside(dir string) fsx.FS { return d.open(dir, true) }

func (d *Disk) open(dir string, outside bool) fsx.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir = strings.Trim(path.Clean("/"+dir), "/")
	n := d.nodes[rootNode]
	for element := range strings.SplitSeq(dir, "/") {
		if element == "" {
			continue
		}
		if n.entries[element] == 0 {
			d.last++
			n.entries[element], n.safeEntries[element] = d.last, d.last
			d.nodes[d.last] = newFolder(d.last)
		}
		n = d.nodes[n.entries[element]]
	}
	return &tree{d: d, dir: dir, outside: outside}
}

// full is the path on the disk of a name in this tree, for labels.
func (t *tree) full(name string) string { return path.Join(t.dir, name) }

func (t *tree) do(op, name string, changes bool, f func() error) error {
	c := call{op: op, name: t.full(name), changes: changes, outside: t.outside}
	return wrap(op, name, t.d.do(c, nil, f))
}

// wrap gives an error the form that package os gives it.
func wrap(op, name string, err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// errEscapes is what a name gets that leads out of the tree.
var errEscapes = errors.New("path escapes from parent")

// find is the node that a name of this tree means.
func (t *tree) find(name string) (*node, error) {
	if name == "" {
		return nil, syscall.ENOENT
	}
	if strings.HasPrefix(name, "/") {
		return nil, errEscapes
	}
	n, err := t.d.descend(t.d.nodes[rootNode], t.dir)
	if err != nil {
		return nil, err
	}
	name = path.Clean(name)
	if name == ".." || strings.HasPrefix(name, "../") {
		return nil, errEscapes
	}
	return t.d.descend(n, name)
}

func (d *Disk) descend(n *node, name string) (*node, error) {
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." {
			continue
		}
		if !n.folder {
			return nil, syscall.ENOTDIR
		}
		id := n.entries[element]
		if id == 0 {
			return nil, syscall.ENOENT
		}
		n = d.nodes[id]
	}
	return n, nil
}

// parent is the folder that a name is or would be in.
func (t *tree) parent(name string) (*node, error) {
	switch path.Base(name) {
	case ".", "..", "/":
		return nil, syscall.EINVAL
	}
	n, err := t.find(path.Dir(name))
	if err != nil {
		return nil, err
	}
	if !n.folder {
		return nil, syscall.ENOTDIR
	}
	return n, nil
}

func (t *tree) Mkdir(name string, perm fs.FileMode) error {
	return t.do("mkdir", name, true, func() error {
		folder, err := t.parent(name)
		if err != nil {
			return err
		}
		base := path.Base(name)
		if folder.entries[base] != 0 {
			return syscall.EEXIST
		}
		made := newFolder(0)
		made.rights.mode = perm.Perm()
		made.safeRights = made.rights
		t.d.create(folder, base, t.full(name), made)
		return nil
	})
}

func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	var found fs.FileInfo
	err := t.do("lstat", name, false, func() error {
		n, err := t.find(name)
		if err == nil {
			found = t.d.infoOf(n, path.Base(name))
		}
		return err
	})
	return found, err
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	err := t.do("readdir", name, false, func() error {
		n, err := t.find(name)
		if err != nil {
			return err
		}
		if !n.folder {
			return syscall.ENOTDIR
		}
		list = make([]fs.DirEntry, 0, len(n.entries))
		for base, id := range n.entries {
			list = append(list, fs.FileInfoToDirEntry(t.d.infoOf(t.d.nodes[id], base)))
		}
		slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		return nil
	})
	return list, err
}

func (t *tree) Names(name string) ([]string, error) {
	entries, err := t.ReadDir(name)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (t *tree) EachName(name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := t.Names(name)
		if err != nil {
			yield("", err)
			return
		}
		for _, n := range names {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (t *tree) Entries(name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		entries, err := t.ReadDir(name)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range entries {
			if info, err := e.Info(); !yield(info, err) {
				return
			}
		}
	}
}

func (t *tree) RenameNoReplace(oldname, newname string) error { return t.move(oldname, newname, false) }

func (t *tree) Replace(oldname, newname string) error { return t.move(oldname, newname, true) }

func (t *tree) move(oldname, newname string, replace bool) error {
	c := call{op: "rename", name: t.full(oldname), to: t.full(newname), changes: true, outside: t.outside}
	err := t.d.do(c, nil, func() error {
		from, err := t.parent(oldname)
		if err != nil {
			return err
		}
		to, err := t.parent(newname)
		if err != nil {
			return err
		}
		source, err := t.find(oldname)
		if err != nil {
			return err
		}
		if id := to.entries[path.Base(newname)]; id != 0 {
			if !replace {
				return syscall.EEXIST
			}
			switch target := t.d.nodes[id]; {
			case target.folder:
				return syscall.EEXIST // what os.Root says
			case source.folder:
				return syscall.ENOTDIR
			}
			if id == source.id {
				return nil
			}
		}
		if source.folder && t.d.inside(to.id, source) {
			return syscall.EINVAL
		}
		t.d.rename(from, t.full(oldname), to, t.full(newname))
		return nil
	})
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// inside reports whether a node is a folder or somewhere below it.
func (d *Disk) inside(id uint64, folder *node) bool {
	if id == folder.id {
		return true
	}
	for _, child := range folder.entries {
		if n := d.nodes[child]; n.folder && d.inside(id, n) {
			return true
		}
	}
	return false
}

func (t *tree) Remove(name string) error {
	return t.do("remove", name, true, func() error {
		folder, err := t.parent(name)
		if err != nil {
			return err
		}
		n, err := t.find(name)
		if err != nil {
			return err
		}
		if len(n.entries) > 0 {
			return syscall.ENOTEMPTY
		}
		t.d.unlink(folder, path.Base(name), t.full(name))
		return nil
	})
}

// Chmod sets the mode; it is durable with the next sync of the file or folder itself.
func (t *tree) Chmod(name string, mode fs.FileMode) error {
	return t.do("chmod", name, true, func() error {
		n, err := t.find(name)
		if err == nil {
			t.d.setRights(n, t.full(name), rights{mode.Perm() | mode&fs.ModeSetgid, n.rights.group})
		}
		return err
	})
}

// Share sets the group; it is durable like the mode.
func (t *tree) Share(name string, g fsx.Group) error {
	return t.do("share", name, true, func() error {
		n, err := t.find(name)
		if err == nil {
			t.d.setRights(n, t.full(name), rights{n.rights.mode, g.ID})
		}
		return err
	})
}

func (t *tree) SyncDir(name string) error {
	return t.do("syncdir", name, true, func() error {
		n, err := t.find(name)
		if err != nil {
			return err
		}
		if !n.folder {
			return syscall.ENOTDIR
		}
		t.d.sync(n.id)
		return nil
	})
}

func (t *tree) Identity(name string) (fsx.ID, error) {
	var id fsx.ID
	err := t.do("identity", name, false, func() error {
		n, err := t.find(name)
		if err == nil {
			id = n.identity()
		}
		return err
	})
	return id, err
}

// Busy is true while somebody has the file open for writing through Outside, as on
// Windows.
func (t *tree) Busy(name string) bool {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	n, err := t.find(name)
	return err == nil && n.writers > 0
}

func (t *tree) Free() (uint64, error) {
	var free uint64
	err := t.do("free", ".", false, func() error {
		free = t.d.free
		return nil
	})
	return free, err
}

// Close does nothing: the disk is in memory.
func (t *tree) Close() error { return nil }
