package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Mkdir makes one folder, durable in the one above it, which is there to stay: MkdirAll
// syncs that one's parent too, as it may have been made by a process that was killed. A
// folder that exists stays as it is.
func Mkdir(fsys FS, name string, perm fs.FileMode) error {
	if err := MkdirUnsynced(fsys, name, perm); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// MkdirUnsynced is Mkdir but for the sync of the folder above.
func MkdirUnsynced(fsys FS, name string, perm fs.FileMode) error {
	err := fsys.Mkdir(name, perm)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := fsys.Lstat(name)
	if err == nil && info.Mode().IsRegular() {
		err = fmt.Errorf("mkdir %q: a file has the name: %w", name, fs.ErrExist)
	}
	return err
}

// MkdirAll makes a folder and its parents, each durable in the one above it.
// Folders that exist stay as they are.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	name = path.Clean(name)
	if name == "." {
		return nil
	}
	// The deepest folder that exists may have been made by a process that was killed
	// before it synced; those above it were synced before it was made.
	unsure := ""
	made := "."
	for element := range strings.SplitSeq(name, "/") {
		parent := made
		made = path.Join(made, element)
		err := fsys.Mkdir(made, perm)
		if errors.Is(err, fs.ErrExist) {
			unsure = parent
			continue
		}
		if err == nil && unsure != "" && unsure != parent {
			err = fsys.SyncDir(unsure)
			unsure = ""
		}
		if err == nil {
			err = fsys.SyncDir(parent)
		}
		if err != nil {
			return err
		}
	}
	if unsure == "" {
		return nil
	}
	info, err := fsys.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		return fmt.Errorf("mkdir %q: a file has the name: %w", name, fs.ErrExist)
	}
	return fsys.SyncDir(unsure)
}

// RemoveAll removes a file, or a folder with everything in it, and syncs the
// folder it was in. Links are removed, not followed. What is not there is no
// error. The root itself is refused.
func RemoveAll(fsys FS, name string) error {
	name = path.Clean(name)
	if err := RemoveAllUnsynced(fsys, name); err != nil {
		return err
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAllUnsynced is RemoveAll but for the sync of the folder: a power cut can bring back
// what was removed. It is for callers that make other changes in the same folder and sync
// it once, before anything depends on them.
func RemoveAllUnsynced(fsys FS, name string) error {
	if name = path.Clean(name); name == "." {
		return errRoot
	}
	return removeTree(fsys, name)
}

var errRoot = errors.New("remove: refusing to remove the root of the tree")

func removeTree(fsys FS, name string) error {
	info, err := fsys.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := fsys.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := removeTree(fsys, path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
