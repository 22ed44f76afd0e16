//go:build unix

package accounts

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownedLikeFolder gives what root wrote to the user that the folder belongs to: the agent
// runs as that one and must read it.
func ownedLikeFolder(file string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err != nil {
		return err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || s.Uid == 0 {
		return nil
	}
	for _, name := range []string{file, file + ".lock"} {
		if err := os.Chown(name, int(s.Uid), int(s.Gid)); err != nil {
			return err
		}
	}
	return nil
}
