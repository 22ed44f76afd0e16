package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// WriteUnsynced writes a new file under its name, without a name.part before it. Its content
// is durable when it returns, its name is not: that takes a sync of the folder. A crash
// leaves any part of the content, so it is for folders of ours in which nothing counts
// before a later commit, and which are made anew after a crash. What has the name is
// replaced; after an error nothing is left.
func WriteUnsynced(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	return writeSynced(fsys, name, perm, write)
}

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
