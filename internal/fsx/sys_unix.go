//go:build unix

package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func syncDir(r *os.Root, name string) error {
	f, err := r.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
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

// Same reports whether two infos, of FS or of package os, are of one file. os.SameFile knows
// only its own.
func Same(a, b fs.FileInfo) bool {
	one, aerr := idOf(a)
	other, berr := idOf(b)
	return aerr == nil && berr == nil && one == other
}

func chmod(r *os.Root, name string, mode fs.FileMode) error { return r.Chmod(name, mode) }

func share(r *os.Root, name string, g Group) error {
	gid, err := strconv.Atoi(g.ID)
	if err != nil {
		return fmt.Errorf("%q is no number of a group", g.ID)
	}
	return r.Lchown(name, -1, gid)
}

// LookupGroup finds a group by name or number. A number need not be in the list of
// groups: it may come from a directory service that Go does not ask.
func LookupGroup(name string) (*Group, error) {
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return &Group{name, strconv.FormatUint(gid, 10)}, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil, fmt.Errorf("there is no group %q on this machine", name)
	}
	return &Group{name, g.Gid}, nil
}

// Usable says why this process cannot give files to the group; nil = it can.
func (g *Group) Usable() error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	for _, gid := range append(groups, os.Getegid()) {
		if strconv.Itoa(gid) == g.ID {
			return nil
		}
	}
	if os.Geteuid() == 0 {
		return nil
	}
	who := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return fmt.Errorf("the agent runs as %s, who is not in the group %s, so it may not give files to it", who, g.Name)
}

// Reachable says which folder on the way to a path keeps the group away; nil = none does,
// as far as permissions tell.
func (g *Group) Reachable(dir string) error {
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		info, err := os.Stat(up)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		needed := fs.FileMode(0o001)
		if ok && strconv.FormatUint(uint64(st.Gid), 10) == g.ID {
			needed = 0o010
		}
		if info.Mode()&needed == 0 {
			return fmt.Errorf("the group %s cannot come to %s: %s is %s", g.Name, dir, up, info.Mode())
		}
		if up == filepath.Dir(up) {
			return nil
		}
	}
}

// busy is always false: Unix does not say who writes to a file.
func busy(*os.Root, string) bool { return false }

// NoSpace reports whether an error says that a volume, or a quota on it, is full.
func NoSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// WriteProtected reports whether an error says that a volume is read-only.
func WriteProtected(err error) bool { return errors.Is(err, unix.EROFS) }

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
