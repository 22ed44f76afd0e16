package fsx

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beneath is the real tree where the kernel confines a path by itself (openat2 of Linux
// 5.6): one system call opens a folder at any depth, where os.Root opens and closes every
// folder on the way. Whatever is not plain is left to os.Root: names with dots or slashes
// too many, links that lead out, and calls that the kernel refuses for a reason that
// os.Root need not have. So there is one meaning of a name, and it is that of os.Root.
type beneath struct {
	*root
	top *os.File        // the tree
	raw syscall.RawConn // of top: holds it open while it is in use
}

// quicken gives the tree the quick way, if the kernel and the filters of system calls that
// this process runs under let it.
func quicken(r *root) FS {
	top, err := r.Root.Open(".")
	if err != nil {
		return r
	}
	raw, err := top.SyscallConn()
	if err == nil {
		b := &beneath{r, top, raw}
		err = b.inFolder(".", func(int) error { return nil })
		if err == nil {
			return b
		}
	}
	_ = top.Close() // a handle on a folder: nothing can be lost
	return r
}

func (b *beneath) Close() error { return errors.Join(b.top.Close(), b.root.Close()) }

// errAskRoot means that os.Root is to be asked.
var errAskRoot = errors.New("not plain")

// plain says whether a name has one meaning only: no dots, no slashes too many.
func plain(name string) bool { return name != "." && fs.ValidPath(name) }

// openat2 opens a name below an open folder.
func openat2(at int, name string, flag int, perm fs.FileMode) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flag) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if flag&os.O_CREATE != 0 {
		how.Mode = uint64(perm.Perm())
	}
	err = uninterrupted(func() error {
		fd, err = unix.Openat2(at, name, &how)
		return err
	})
	switch err {
	case unix.EXDEV, unix.EAGAIN, unix.ELOOP, unix.ENOSYS, unix.EPERM, unix.E2BIG, unix.EINVAL:
		// A link leads out; somebody renames what a link goes through; there is no such call,
		// or it is filtered. Nothing was opened or made.
		return -1, errAskRoot
	}
	return fd, err
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// atTop gives f the open tree.
func (b *beneath) atTop(f func(at int) error) (err error) {
	if cerr := b.raw.Control(func(at uintptr) { err = f(int(at)) }); cerr != nil {
		return fs.ErrClosed
	}
	return err
}

// inFolder gives f an open folder, for calls that go by names in it.
func (b *beneath) inFolder(folder string, f func(at int) error) error {
	return b.atTop(func(top int) error {
		at, err := openat2(top, folder, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(at) // a handle on a folder: nothing can be lost
		return f(at)
	})
}

// inParent gives f the open folder that a name is in.
func (b *beneath) inParent(name string, f func(at int, base string) error) error {
	if !plain(name) {
		return errAskRoot
	}
	folder, base := path.Split(name)
	if folder == "" {
		return b.atTop(func(at int) error { return f(at, base) })
	}
	return b.inFolder(folder[:len(folder)-1], func(at int) error { return f(at, base) })
}

func (b *beneath) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	var fd int
	err := errAskRoot
	if plain(name) && perm == perm.Perm() {
		err = b.atTop(func(at int) (err error) {
			fd, err = openat2(at, name, flag, perm)
			return err
		})
	}
	if err == errAskRoot {
		return b.root.OpenFile(name, flag, perm)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(b.dir, name)), nil
}

func (b *beneath) Mkdir(name string, perm fs.FileMode) error {
	err := errAskRoot
	if perm == perm.Perm() {
		err = b.inParent(name, func(at int, base string) error {
			return uninterrupted(func() error { return unix.Mkdirat(at, base, uint32(perm)) })
		})
	}
	if err == errAskRoot {
		return b.root.Mkdir(name, perm)
	}
	return pathError("mkdirat", name, err)
}

func (b *beneath) lstat(name string, st *unix.Stat_t) error {
	return b.inParent(name, func(at int, base string) error {
		return uninterrupted(func() error { return unix.Fstatat(at, base, st, unix.AT_SYMLINK_NOFOLLOW) })
	})
}

func (b *beneath) Lstat(name string) (fs.FileInfo, error) {
	info := &info{name: path.Base(name)}
	err := b.lstat(name, &info.st)
	if err == errAskRoot {
		return b.root.Lstat(name)
	}
	if err != nil {
		return nil, pathError("lstatat", name, err)
	}
	return info, nil
}

func (b *beneath) Identity(name string) (ID, error) {
	var st unix.Stat_t
	err := b.lstat(name, &st)
	if err == errAskRoot {
		return b.root.Identity(name)
	}
	if err != nil {
		return "", pathError("lstatat", name, err)
	}
	return idFrom(uint64(st.Dev), st.Ino), nil
}

// idFrom is the identity of device and inode.
func idFrom(device, inode uint64) ID {
	b := make([]byte, 0, 24)
	b = append(strconv.AppendUint(b, device, 16), '-')
	return ID(strconv.AppendUint(b, inode, 16))
}

func (b *beneath) RenameNoReplace(oldname, newname string) error {
	err := b.rename(oldname, newname, unix.RENAME_NOREPLACE)
	// Some file systems know no flags; root has another way.
	if err == errAskRoot || err == unix.EINVAL || err == unix.ENOSYS || err == unix.ENOTSUP {
		return b.root.RenameNoReplace(oldname, newname)
	}
	return linkError(oldname, newname, err)
}

func (b *beneath) Replace(oldname, newname string) error {
	var st unix.Stat_t
	err := b.lstat(newname, &st)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = errAskRoot // the kernel would let a folder take the place of an empty one
	} else if err != errAskRoot {
		err = b.rename(oldname, newname, 0)
	}
	if err == errAskRoot {
		return b.root.Replace(oldname, newname)
	}
	return linkError(oldname, newname, err)
}

func (b *beneath) rename(oldname, newname string, flags uint) error {
	return b.inParent(oldname, func(from int, oldBase string) error {
		rename := func(to int, newBase string) error {
			return uninterrupted(func() error {
				if flags == 0 {
					return unix.Renameat(from, oldBase, to, newBase)
				}
				return unix.Renameat2(from, oldBase, to, newBase, flags)
			})
		}
		if plain(newname) && path.Dir(newname) == path.Dir(oldname) {
			return rename(from, path.Base(newname))
		}
		return b.inParent(newname, rename)
	})
}

func (b *beneath) Remove(name string) error {
	err := b.inParent(name, func(at int, base string) error {
		err := uninterrupted(func() error { return unix.Unlinkat(at, base, 0) })
		if err == unix.EISDIR {
			err = uninterrupted(func() error { return unix.Unlinkat(at, base, unix.AT_REMOVEDIR) })
		}
		return err
	})
	if err == errAskRoot {
		return b.root.Remove(name)
	}
	return pathError("removeat", name, err)
}

func (b *beneath) SyncDir(name string) error {
	if name != "." && !plain(name) {
		return b.root.SyncDir(name)
	}
	return b.syncs.sync(name, func() error {
		err := b.atTop(func(top int) error {
			at, err := openat2(top, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(at) // opened for reading: nothing can be lost
			return uninterrupted(func() error { return unix.Fsync(at) })
		})
		if err == errAskRoot {
			return syncDir(b.root.Root, name)
		}
		return pathError("sync", name, err)
	})
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func linkError(oldname, newname string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
}

// info is what the kernel says of a name.
type info struct {
	name string
	st   unix.Stat_t
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.st.Size }
func (i *info) ModTime() time.Time { return time.Unix(i.st.Mtim.Unix()) }
func (i *info) IsDir() bool        { return i.Mode().IsDir() }

// Sys gives device, inode, owner and mode, as the info of package os does.
func (i *info) Sys() any {
	return &syscall.Stat_t{Dev: i.st.Dev, Ino: i.st.Ino, Nlink: i.st.Nlink, Mode: i.st.Mode, Uid: i.st.Uid, Gid: i.st.Gid, Rdev: i.st.Rdev, Size: i.st.Size}
}

func (i *info) Mode() fs.FileMode {
	mode := fs.FileMode(i.st.Mode & 0o777)
	switch i.st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	for bit, set := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if i.st.Mode&bit != 0 {
			mode |= set
		}
	}
	return mode
}
