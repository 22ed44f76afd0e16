//go:build unix

package accounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFlags open a lock, and never what a link in its place leads to: the folder belongs to
// the user of the agent, and whoever edits may be root.
const lockFlags = os.O_CREATE | os.O_RDONLY | syscall.O_NOFOLLOW

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
		if err := give(name, int(s.Uid), int(s.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// give gives a file away, and nothing that somebody put in its place.
func give(name string, uid, gid int) (err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || s.Nlink != 1 {
		return fmt.Errorf("%s is not given to the user of its folder: it is no file of its own", name)
	}
	return f.Chown(uid, gid)
}
