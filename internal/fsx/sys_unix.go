//go:build unix

package fsx

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func syncDir(r *os.Root, name string) error {
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	return f.Sync()
}

func identityOf(r *os.Root, name string) (ID, error) {
	info, err := r.Lstat(name)
	if err != nil {
		return "", err
	}
	return idOf(info)
}

// busy is always false: Unix does not say who writes to a file.
func busy(*os.Root, string) bool { return false }

// InUse is always false: no other program can keep a Unix file from being opened.
func InUse(error) bool { return false }

// retryBusy calls f once: no other program can keep a Unix file from being renamed.
func retryBusy(f func() error) error { return f() }

func free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

// linkNoReplace is the rename without replace for file systems that have none: two
// steps, and a file has both names in between. Folders cannot be linked. For them a
// look and a rename must do: all that can be lost if somebody makes the target in
// between is an empty folder, because rename refuses everything else.
func linkNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	from, to := int(oldDir.Fd()), int(newDir.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(from, oldBase, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		switch err := unix.Fstatat(to, newBase, &st, unix.AT_SYMLINK_NOFOLLOW); err {
		case unix.ENOENT:
			return unix.Renameat(from, oldBase, to, newBase)
		case nil:
			return unix.EEXIST
		default:
			return err
		}
	}
	if err := unix.Linkat(from, oldBase, to, newBase, 0); err != nil {
		return err
	}
	if err := newDir.Sync(); err != nil {
		return err
	}
	return unix.Unlinkat(from, oldBase, 0)
}
