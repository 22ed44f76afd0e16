// Package fsx is the only hand that renames, removes and syncs.
//
// FS is the system-call layer of one folder tree: one method per call, names
// slash-separated and relative, confined to the tree whatever links it holds.
// OpenRoot gives the real one, over os.Root; tests replace it with internal/simdisk,
// which can lose power between any two calls. On top of it stand the recipes of
// which there is one each: Move, Publish, Rewrite, MkdirAll, RemoveAll, Grant.
//
// Nothing here copies a file and nothing overwrites one, with two exceptions, for files
// of the agent's own: Rewrite replaces one, WriteUnsynced writes over it. What a recipe has
// finished is on disk: files and the folders that name them are synced before it returns,
// but for the folder where its name ends in Unsynced.
//
// On Windows the folder sync is a flush of the folder's handle, which NTFS honours
// for its own metadata. Where the file system or our rights do not allow it, SyncDir
// does nothing: a power cut can then undo the last moves, but never half of one.
package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strconv"
	"strings"
)

// ID names a file itself, not its place: it survives a rename within the volume.
// It is comparable and may be stored. Device and inode on Unix, volume and file
// index on Windows.
type ID string

// Volume is the part that all files of one volume share.
func (id ID) Volume() string {
	volume, _, _ := strings.Cut(string(id), "-")
	return volume
}

// File is an open file of an FS.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
}

// How the packages above open files; they need no package os for it.
const (
	ReadOnly  = os.O_RDONLY
	CreateNew = os.O_CREATE | os.O_EXCL | os.O_WRONLY // fails where the name is in use
)

// FS is one folder tree. All names are relative, slash-separated and confined to
// the tree; "." is its root.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	Lstat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Names are the names in a folder, sorted.
	Names(name string) ([]string, error)
	// EachName lists the names in a folder of very many files, in no order and bit by bit, as
	// Entries does.
	EachName(name string) iter.Seq2[string, error]
	// Entries lists a folder of very many files, in no order and bit by bit: what is
	// renamed meanwhile may come twice. An error ends it.
	Entries(name string) iter.Seq2[fs.FileInfo, error]
	// RenameNoReplace moves a file or folder in one step and fails with
	// fs.ErrExist where the target is there.
	RenameNoReplace(oldname, newname string) error
	// Replace moves a file over another one in one step.
	Replace(oldname, newname string) error
	// Chmod sets the permissions of a file or folder, and fs.ModeSetgid. On Windows it
	// does nothing.
	Chmod(name string, mode fs.FileMode) error
	// Share gives a file or folder to a group; on Windows it lets the group read, change
	// and remove it, and what will be in it. A link itself is meant, not what it leads to.
	Share(name string, g Group) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// SyncDir makes the entries of a folder durable that it has when it is called. Calls
	// that come while the folder is being synced share the next sync.
	SyncDir(name string) error
	Identity(name string) (ID, error)
	// Busy reports whether another program has the file open for writing. Only
	// Windows can tell; elsewhere it is always false.
	Busy(name string) bool
	// Free is the number of bytes that we may still write on the volume.
	Free() (uint64, error)
	Close() error
}

// ReadFile reads a file of at most max bytes.
func ReadFile(fsys FS, name string, max int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return readAll(f, strconv.Quote(name), max)
}

// ReadPath reads a file of at most max bytes that is below no folder of ours, such as one that
// the command line or the config names.
func ReadPath(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return readAll(f, path, max)
}

func readAll(f io.ReadCloser, name string, max int64) ([]byte, error) {
	defer f.Close() // opened for reading: nothing can be lost
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s: longer than %d bytes", name, max)
	}
	return b, nil
}

// SyncFile makes the data of a file durable that somebody else wrote. On Windows a
// file that we may only read cannot be flushed and stays as it is.
func SyncFile(fsys FS, name string) error {
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	readOnly := errors.Is(err, fs.ErrPermission)
	if readOnly {
		f, err = fsys.OpenFile(name, os.O_RDONLY, 0)
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	if readOnly && errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Free is the number of bytes that we may still write on the volume of a folder.
func Free(dir string) (uint64, error) { return free(dir) }

// Exists reports whether anything has the name.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ProveSameVolume renames a probe from each folder to the next and removes it from the
// last. Device numbers do not tell: bind mounts, subvolumes and network shares can have
// the same number and refuse the rename. What a process left behind that was killed meanwhile
// is in the way of the next one, and goes then.
func ProveSameVolume(fsys FS, folders ...string) error {
	const name = ".as2drop-probe"
	at := path.Join(folders[0], name)
	f, err := fsys.OpenFile(at, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return errors.Join(err, fsys.Remove(at))
	}
	for i, folder := range folders[1:] {
		next := path.Join(folder, name)
		err := fsys.RenameNoReplace(at, next)
		if errors.Is(err, fs.ErrExist) {
			if err = fsys.Remove(next); err == nil {
				err = fsys.RenameNoReplace(at, next)
			}
		}
		if err != nil {
			return errors.Join(volumeError(folders[i], folder, err), fsys.Remove(at))
		}
		at = next
	}
	return fsys.Remove(at)
}

func volumeError(from, to string, err error) error {
	return fmt.Errorf("files cannot be renamed from %q to %q: %w; both must be on one volume and writable for the agent", from, to, err)
}
