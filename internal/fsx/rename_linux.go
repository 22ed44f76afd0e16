package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func renameNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	err := unix.Renameat2(int(oldDir.Fd()), oldBase, int(newDir.Fd()), newBase, unix.RENAME_NOREPLACE)
	// Some file systems (NFS, older FUSE) know no flags.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return linkNoReplace(oldDir, oldBase, newDir, newBase)
	}
	return err
}

func idOf(info fs.FileInfo) (ID, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%q: no inode number", info.Name())
	}
	return idFrom(uint64(st.Dev), st.Ino), nil
}
