//go:build unix

package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Remedy is what to do about a file that is exposed.
const Remedy = "chmod o= FILE"

// Create makes a private file that is not there yet, for writing. What root makes in a
// folder of somebody else belongs to that one: keys that an administrator makes in the folder of
// the service are for the service.
func Create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if uid, gid, ok := heir(path); ok {
		if err := f.Chown(uid, gid); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	return f, nil
}

func mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	if uid, gid, ok := heir(path); ok {
		return os.Lchown(path, uid, gid)
	}
	return nil
}

// heir is who owns the folder of a path, if we are root and it is another one.
func heir(path string) (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return 0, 0, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return 0, 0, false
	}
	return int(owner.Uid), int(owner.Gid), true
}

// Private takes a file or folder from everybody but its owner. Accounts are those of
// Windows and mean nothing here.
func Private(path string, _ ...string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm() & 0o700
	if info.Mode().Perm() == mode {
		return nil
	}
	return os.Chmod(path, mode)
}

// Exposed reports whether any user of the machine may read or change a file. The owner's
// group may: that is how a key is shared on purpose.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o007 != 0
}

// Like gives a file the owner and the mode of another one, as a file that takes its place
// or stands beside it must have: who changes a config as root must not lock the agent out.
func Like(path string, like os.FileInfo) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	want, also := like.Sys().(*syscall.Stat_t)
	if ok && also && (is.Uid != want.Uid || is.Gid != want.Gid) {
		if err := os.Chown(path, int(want.Uid), int(want.Gid)); err != nil {
			return fmt.Errorf("the file belongs to user %d, group %d, and would not any more: do it as that user, or as root: %w", want.Uid, want.Gid, err)
		}
	}
	return os.Chmod(path, like.Mode().Perm())
}

// GiveTree gives what this process made in a folder and below to the owner of like, as Like
// does, and leaves modes alone. Nothing outside of the folder is touched, whatever its owner
// puts into it meanwhile: no links are followed, and files with several names are left.
func GiveTree(dir string, like os.FileInfo) (err error) {
	want, ok := like.Sys().(*syscall.Stat_t)
	me := os.Geteuid()
	if !ok || int(want.Uid) == me {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		is, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(is.Uid) != me || !info.IsDir() && is.Nlink > 1 {
			return nil
		}
		return root.Lchown(name, int(want.Uid), int(want.Gid))
	})
}
