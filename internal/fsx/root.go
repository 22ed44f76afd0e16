package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// root is the real tree. os.Root resolves every parent, so that no link inside
// the tree leads out of it; the rename itself is made by descriptor, because
// os.Root.Rename overwrites.
type root struct {
	*os.Root
	dir   string
	syncs together
}

// OpenRoot opens the folder tree at dir, which must exist.
func OpenRoot(dir string) (FS, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return quicken(&root{Root: r, dir: dir}), nil
}

func (r *root) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := r.Root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (r *root) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := r.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (r *root) Names(name string) ([]string, error) {
	f, err := r.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// namesAtOnce is how many names of a folder are in memory at a time.
const namesAtOnce = 1024

func (r *root) EachName(name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, err := r.Root.Open(name)
		if err != nil {
			yield("", err)
			return
		}
		defer f.Close() // opened for reading: nothing can be lost
		for err == nil {
			var names []string
			names, err = f.Readdirnames(namesAtOnce)
			for _, n := range names {
				if !yield(n, nil) {
					return
				}
			}
		}
		if err != io.EOF {
			yield("", err)
		}
	}
}

// entriesAtOnce is how many entries of a folder are in memory at a time, each with about
// 400 bytes.
const entriesAtOnce = 256

func (r *root) Entries(name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		f, err := r.Root.Open(name)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close() // opened for reading: nothing can be lost
		for err == nil {
			var entries []fs.DirEntry
			entries, err = f.ReadDir(entriesAtOnce)
			for _, e := range entries {
				info, ierr := e.Info()
				if errors.Is(ierr, fs.ErrNotExist) {
					continue // gone since it was listed
				}
				if !yield(info, ierr) || ierr != nil {
					return
				}
			}
		}
		if err != io.EOF {
			yield(nil, err)
		}
	}
}

func (r *root) RenameNoReplace(oldname, newname string) error {
	return r.inParents(oldname, newname, func(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
		if err := renameNoReplace(oldDir, oldBase, newDir, newBase); err != nil {
			return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
		}
		return nil
	})
}

func (r *root) Replace(oldname, newname string) error {
	return retryBusy(func() error { return r.Root.Rename(oldname, newname) })
}

func (r *root) Remove(name string) error {
	return retryBusy(func() error { return r.Root.Remove(name) })
}

// inParents opens the folders of both names, confined to the tree.
func (r *root) inParents(oldname, newname string, do func(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error) error {
	for _, name := range []string{oldname, newname} {
		if base := path.Base(name); base == "." || base == ".." || base == "/" {
			return fmt.Errorf("rename: %q names no entry", name)
		}
	}
	oldDir, err := r.Root.Open(path.Dir(oldname))
	if err != nil {
		return err
	}
	defer oldDir.Close() // a handle on a folder: nothing can be lost
	newDir := oldDir
	if path.Dir(newname) != path.Dir(oldname) {
		if newDir, err = r.Root.Open(path.Dir(newname)); err != nil {
			return err
		}
		defer newDir.Close() // as above
	}
	return do(oldDir, path.Base(oldname), newDir, path.Base(newname))
}

func (r *root) SyncDir(name string) error {
	return r.syncs.sync(name, func() error { return syncDir(r.Root, name) })
}

func (r *root) Identity(name string) (ID, error) {
	return identityOf(r.Root, name)
}

func (r *root) Chmod(name string, mode fs.FileMode) error { return chmod(r.Root, name, mode) }

func (r *root) Share(name string, g Group) error { return share(r.Root, name, g) }

func (r *root) Busy(name string) bool {
	return busy(r.Root, name)
}

func (r *root) Free() (uint64, error) {
	return free(r.dir)
}
