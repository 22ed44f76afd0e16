package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

var (
	// ErrTargetTaken means that something else already has the name. Both files
	// are where they were.
	ErrTargetTaken = errors.New("the name is taken")
	// ErrGone means that neither source nor target exist.
	ErrGone = errors.New("neither source nor target exist")
)

// Move gives a file or folder a new name in the same tree. It never copies and
// never overwrites, and it may be repeated after a crash:
//
//	only the source is there    it is moved
//	only the target is there    it was moved before: nothing to do but sync
//	both, and the same file     the old name is removed; unless both names are one
//	                            entry (also a, A where case does not count)
//	both, different files       error wrapping ErrTargetTaken
//	none                        error wrapping ErrGone
//
// The target's folder is synced before the source's, so that a power cut leaves
// the old name, the new one, or both, and never none.
func Move(fsys FS, oldname, newname string) error {
	if err := MoveUnsynced(fsys, oldname, newname); err != nil {
		return err
	}
	return syncPair(fsys, path.Dir(newname), path.Dir(oldname))
}

// MoveUnsynced is Move but for the syncs of the two folders, the target's before the
// source's. It is for callers that move several files between the same folders and sync
// each once, before anything depends on it.
func MoveUnsynced(fsys FS, oldname, newname string) error {
	err := fsys.RenameNoReplace(oldname, newname)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		err = moveAgain(fsys, oldname, newname)
	}
	if err != nil {
		return moveError(oldname, newname, err)
	}
	return nil
}

// moveAgain finds out why a rename had not both names as it wants them.
func moveAgain(fsys FS, oldname, newname string) error {
	src, err := identity(fsys, oldname)
	if err != nil {
		return err
	}
	dst, err := identity(fsys, newname)
	switch {
	case err != nil:
		return err
	case src == "" && dst == "":
		return ErrGone
	case src == "":
		return nil
	case dst == "":
		return rename(fsys, oldname, newname) // whoever had the name is gone, or the folder is
	case src == dst:
		return finish(fsys, oldname, newname)
	}
	return ErrTargetTaken
}

func rename(fsys FS, oldname, newname string) error {
	err := fsys.RenameNoReplace(oldname, newname)
	if errors.Is(err, fs.ErrExist) {
		return ErrTargetTaken
	}
	return err
}

// finish makes the second half of a link and unlink. Two names for one file may also
// be one entry spelled in two ways, and then removing the old name would remove the
// file.
func finish(fsys FS, oldname, newname string) error {
	if path.Clean(oldname) == path.Clean(newname) {
		return nil
	}
	if strings.EqualFold(path.Base(oldname), path.Base(newname)) {
		// With "/." a link in place of the folder is followed.
		from, err := fsys.Identity(path.Dir(oldname) + "/.")
		if err != nil {
			return err
		}
		to, err := fsys.Identity(path.Dir(newname) + "/.")
		if err != nil {
			return err
		}
		if from == to {
			return rename(fsys, oldname, newname)
		}
	}
	// The target must be durable before the last other name goes.
	if err := fsys.SyncDir(path.Dir(newname)); err != nil {
		return err
	}
	return fsys.Remove(oldname)
}

func moveError(oldname, newname string, err error) error {
	return fmt.Errorf("move %q to %q: %w", oldname, newname, err)
}

// identity is empty where nothing has the name.
func identity(fsys FS, name string) (ID, error) {
	id, err := fsys.Identity(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return id, err
}

// syncPair syncs two folders, the first one first, and one folder only once. A
// source folder that is gone has nothing left to sync.
func syncPair(fsys FS, target, source string) error {
	if err := fsys.SyncDir(target); err != nil {
		return err
	}
	if source == target {
		return nil
	}
	if err := fsys.SyncDir(source); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
