//go:build unix

package fsx

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func openForSync(r *os.Root, name string) (*os.File, error) { return r.Open(name) }

func syncDir(f *os.File) error { return f.Sync() }

func identityOf(r *os.Root, name string) (ID, error) {
	info, err := r.Lstat(name)
	if err != nil {
		return "", err
	}
	return idOf(info)
}

// busy is always false: Unix does not say who writes to a file.
func busy(*os.Root, string) bool { return false }

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
// steps, the file has both names in between. Folders cannot be linked.
func linkNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	if err := unix.Linkat(int(oldDir.Fd()), oldBase, int(newDir.Fd()), newBase, 0); err != nil {
		return err
	}
	if err := newDir.Sync(); err != nil {
		return err
	}
	return unix.Unlinkat(int(oldDir.Fd()), oldBase, 0)
}
