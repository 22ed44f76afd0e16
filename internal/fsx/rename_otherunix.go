//go:build unix && !linux

package fsx

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func renameNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	return linkNoReplace(oldDir, oldBase, newDir, newBase)
}

func idOf(info fs.FileInfo) (ID, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%q: no inode number", info.Name())
	}
	return ID(fmt.Sprintf("%x-%x", st.Dev, st.Ino)), nil
}
