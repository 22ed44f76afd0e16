package fsx

import "io/fs"

// Group is a group of this system that files can be given to. On Windows it may be a
// single account too.
type Group struct {
	Name string // as it was looked up
	ID   string // its number; on Windows its SID
}

// Access is what others than the agent may do with a file or folder that is about to be
// theirs. The zero value leaves everything as it is.
type Access struct {
	Group *Group      // nil = as it is
	File  fs.FileMode // permissions of files, whatever the umask says; 0 = as they are
	Dir   fs.FileMode // of folders, and perhaps fs.ModeSetgid; 0 = as they are
}

// IsZero reports whether nothing is to be changed.
func (a Access) IsZero() bool { return a == Access{} }

// Grant gives a file or a folder, and nothing below it, to the group and sets its mode.
// It is durable when it returns, and may be repeated. It belongs before the rename that
// makes the file visible: nobody meets it with other rights than these. Links are left
// alone.
func Grant(fsys FS, name string, a Access) error {
	if a.IsZero() {
		return nil
	}
	info, err := fsys.Lstat(name)
	if err != nil {
		return err
	}
	mode := a.File
	switch {
	case info.IsDir():
		mode = a.Dir
	case !info.Mode().IsRegular():
		return nil
	}
	if a.Group != nil {
		// First: on Unix a new group takes special bits away.
		if err := fsys.Share(name, *a.Group); err != nil {
			return err
		}
	}
	if mode != 0 {
		if err := fsys.Chmod(name, mode); err != nil {
			return err
		}
	}
	if info.IsDir() {
		return fsys.SyncDir(name)
	}
	return SyncFile(fsys, name)
}
