// Package fsx is the only hand that renames, removes and syncs.
//
// FS is the system-call layer of one folder tree: one method per call, names
// slash-separated and relative, confined to the tree whatever links it holds.
// OpenRoot gives the real one, over os.Root; tests replace it with internal/simdisk,
// which can lose power between any two calls. On top of it stand the recipes of
// which there is one each: Move, Publish, Rewrite, MkdirAll, RemoveAll, Grant.
//
// Nothing here copies a file and nothing overwrites one, with one exception:
// Rewrite replaces a file of the agent's own. What a recipe has finished is on
// disk: files and the folders that name them are synced before it returns, but for the
// folder where its name ends in Unsynced.
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

var (
	// ErrTargetTaken means that something else already has the name. Both files
	// are where they were.
	ErrTargetTaken = errors.New("the name is taken")
	// ErrGone means that neither source nor target exist.
	ErrGone = errors.New("neither source nor target exist")
)

// Move gives a file or folder a new name in the same tree. It never copies and
// never overwrites, and it may be repeated after a crash:
//
//	only the source is there    it is moved
//	only the target is there    it was moved before: nothing to do but sync
//	both, and the same file     the old name is removed; unless both names are one
//	                            entry (also a, A where case does not count)
//	both, different files       error wrapping ErrTargetTaken
//	none                        error wrapping ErrGone
//
// The target's folder is synced before the source's, so that a power cut leaves
// the old name, the new one, or both, and never none.
func Move(fsys FS, oldname, newname string) error {
	if err := MoveUnsynced(fsys, oldname, newname); err != nil {
		return err
	}
	return syncPair(fsys, path.Dir(newname), path.Dir(oldname))
}

// MoveUnsynced is Move but for the syncs of the two folders, the target's before the
// source's. It is for callers that move several files between the same folders and sync
// each once, before anything depends on it.
func MoveUnsynced(fsys FS, oldname, newname string) error {
	err := fsys.RenameNoReplace(oldname, newname)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		err = moveAgain(fsys, oldname, newname)
	}
	if err != nil {
		return moveError(oldname, newname, err)
	}
	return nil
}

// moveAgain finds out why a rename had not both names as it wants them.
func moveAgain(fsys FS, oldname, newname string) error {
	src, err := identity(fsys, oldname)
	if err != nil {
		return err
	}
	dst, err := identity(fsys, newname)
	switch {
	case err != nil:
		return err
	case src == "" && dst == "":
		return ErrGone
	case src == "":
		return nil
	case dst == "":
		return rename(fsys, oldname, newname) // whoever had the name is gone, or the folder is
	case src == dst:
		return finish(fsys, oldname, newname)
	}
	return ErrTargetTaken
}

func rename(fsys FS, oldname, newname string) error {
	err := fsys.RenameNoReplace(oldname, newname)
	if errors.Is(err, fs.ErrExist) {
		return ErrTargetTaken
	}
	return err
}

// finish makes the second half of a link and unlink. Two names for one file may also
// be one entry spelled in two ways, and then removing the old name would remove the
// file.
func finish(fsys FS, oldname, newname string) error {
	if path.Clean(oldname) == path.Clean(newname) {
		return nil
	}
	if strings.EqualFold(path.Base(oldname), path.Base(newname)) {
		// With "/." a link in place of the folder is followed.
		from, err := fsys.Identity(path.Dir(oldname) + "/.")
		if err != nil {
			return err
		}
		to, err := fsys.Identity(path.Dir(newname) + "/.")
		if err != nil {
			return err
		}
		if from == to {
			return rename(fsys, oldname, newname)
		}
	}
	// The target must be durable before the last other name goes.
	if err := fsys.SyncDir(path.Dir(newname)); err != nil {
		return err
	}
	return fsys.Remove(oldname)
}

func moveError(oldname, newname string, err error) error {
	return fmt.Errorf("move %q to %q: %w", oldname, newname, err)
}

// identity is empty where nothing has the name.
func identity(fsys FS, name string) (ID, error) {
	id, err := fsys.Identity(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return id, err
}

// syncPair syncs two folders, the first one first, and one folder only once. A
// source folder that is gone has nothing left to sync.
func syncPair(fsys FS, target, source string) error {
	if err := fsys.SyncDir(target); err != nil {
		return err
	}
	if source == target {
		return nil
	}
	if err := fsys.SyncDir(source); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Publish makes a new file appear under its name complete and durable, or not at
// all. It fails with an error wrapping ErrTargetTaken where the name is in use. Until
// then it is name.part in the same folder, which must be a folder of ours; a crash may
// leave that behind, and the next try for the same name writes it anew. Two calls for
// one name must not overlap.
func Publish(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	if err := PublishUnsynced(fsys, name, perm, write); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// PublishUnsynced is Publish but for the sync of the folder. The content is durable when
// it returns, the name is not: a power cut leaves the whole file or none. It is for
// callers that make several changes in one folder and sync it once, before anything
// depends on them.
func PublishUnsynced(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	part := name + ".part"
	if err := writeSynced(fsys, part, perm, write); err != nil {
		return err
	}
	if err := rename(fsys, part, name); err != nil {
		// The name belongs to somebody else; only our own part goes away.
		return errors.Join(fmt.Errorf("publish %q: %w", name, err), fsys.Remove(part))
	}
	return nil
}

// Content is a file in a folder and what it is to hold.
type Content struct {
	Name  string // in the folder
	Bytes []byte
}

// Rewrite gives a file of the agent's own new content in one step: a reader sees
// the old bytes or the new ones. It is the one recipe that replaces, and only for
// files that nobody but the agent writes (transfer.json, markers).
func Rewrite(fsys FS, name string, perm fs.FileMode, content []byte) error {
	return RewriteAll(fsys, path.Dir(name), perm, Content{path.Base(name), content})
}

// RewriteAll is Rewrite for several files of one folder with one sync of the folder: all
// are durable when it returns. A crash before that leaves any of them new and the others
// as they were, each of them whole; where one file may be there only with another one,
// that takes two calls. After an error likewise, and it may be repeated.
func RewriteAll(fsys FS, dir string, perm fs.FileMode, files ...Content) error {
	for _, f := range files {
		if err := RewriteUnsynced(fsys, path.Join(dir, f.Name), perm, f.Bytes); err != nil {
			return err
		}
	}
	return fsys.SyncDir(dir)
}

// RewriteUnsynced is Rewrite but for the sync of the folder. The content is durable when
// it returns, its name is not: a power cut leaves the old file or the new one. It is for
// callers that make other changes in the same folder and sync it once, before anything
// depends on them.
func RewriteUnsynced(fsys FS, name string, perm fs.FileMode, content []byte) error {
	part := name + ".part"
	err := writeSynced(fsys, part, perm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := fsys.Replace(part, name); err != nil {
		return errors.Join(fmt.Errorf("rewrite %q: %w", name, err), fsys.Remove(part))
	}
	return nil
}

// writeSynced writes a file from nothing and syncs its data, not its folder. What
// an earlier try left under the name is replaced; after an error nothing is left.
func writeSynced(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(name))
	}
	return nil
}

// MkdirAll makes a folder and its parents, each durable in the one above it.
// Folders that exist stay as they are.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	name = path.Clean(name)
	if name == "." {
		return nil
	}
	// The deepest folder that exists may have been made by a process that was killed
	// before it synced; those above it were synced before it was made.
	unsure := ""
	made := "."
	for element := range strings.SplitSeq(name, "/") {
		parent := made
		made = path.Join(made, element)
		err := fsys.Mkdir(made, perm)
		if errors.Is(err, fs.ErrExist) {
			unsure = parent
			continue
		}
		if err == nil && unsure != "" && unsure != parent {
			err = fsys.SyncDir(unsure)
			unsure = ""
		}
		if err == nil {
			err = fsys.SyncDir(parent)
		}
		if err != nil {
			return err
		}
	}
	if unsure == "" {
		return nil
	}
	info, err := fsys.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		return fmt.Errorf("mkdir %q: a file has the name: %w", name, fs.ErrExist)
	}
	return fsys.SyncDir(unsure)
}

// RemoveAll removes a file, or a folder with everything in it, and syncs the
// folder it was in. Links are removed, not followed. What is not there is no
// error. The root itself is refused.
func RemoveAll(fsys FS, name string) error {
	name = path.Clean(name)
	if err := RemoveAllUnsynced(fsys, name); err != nil {
		return err
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAllUnsynced is RemoveAll but for the sync of the folder: a power cut can bring back
// what was removed. It is for callers that make other changes in the same folder and sync
// it once, before anything depends on them.
func RemoveAllUnsynced(fsys FS, name string) error {
	if name = path.Clean(name); name == "." {
		return errRoot
	}
	return removeTree(fsys, name)
}

var errRoot = errors.New("remove: refusing to remove the root of the tree")

func removeTree(fsys FS, name string) error {
	info, err := fsys.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := fsys.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := removeTree(fsys, path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
