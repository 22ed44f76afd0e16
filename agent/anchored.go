package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/as2drop/as2drop/internal/fsx"
)

// anchored is the folder of a partner. It says that something is not there only while the
// folder is the one at its path, with the marker in it: one that was opened stays open when
// it is moved or emptied or another volume hides it, and what is missing in it then is
// neither lost, nor taken by a reader, nor changed by who dropped it.
type anchored struct {
	fsx.FS
	path string // where the config says that it is
}

// inPlace reports why a folder that was opened is not the partner's folder at its path now.
func inPlace(folder string, opened fsx.FS) error {
	if _, err := os.Stat(filepath.Join(folder, markerFile)); err != nil {
		return fmt.Errorf("%s: the marker %s is gone; is the volume mounted? %w", folder, markerFile, err)
	}
	there, err := os.Stat(folder)
	if err != nil {
		return err
	}
	// What was opened goes with a folder that is renamed, and stays on a volume that is hidden.
	if info, err := opened.Lstat("."); err != nil || !fsx.Same(there, info) {
		return errors.Join(fmt.Errorf("%s: %w", folder, errReplaced), err)
	}
	return nil
}

// errReplaced means that a folder with a marker is there, but not the one that was opened.
var errReplaced = errors.New("another folder is in its place than was opened")

// believe passes on an error of the folder, unless it says that something is missing and
// nothing can be said about that. What it returns then is not fs.ErrNotExist.
func (a *anchored) believe(err error) error {
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if away := inPlace(a.path, a.FS); away != nil {
		return fmt.Errorf("%v; %v", err, away)
	}
	return err
}

func (a *anchored) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := a.FS.OpenFile(name, flag, perm)
	return f, a.believe(err)
}

func (a *anchored) Mkdir(name string, perm fs.FileMode) error {
	return a.believe(a.FS.Mkdir(name, perm))
}

func (a *anchored) Lstat(name string) (fs.FileInfo, error) {
	info, err := a.FS.Lstat(name)
	return info, a.believe(err)
}

func (a *anchored) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := a.FS.ReadDir(name)
	return entries, a.believe(err)
}

func (a *anchored) Names(name string) ([]string, error) {
	names, err := a.FS.Names(name)
	return names, a.believe(err)
}

func (a *anchored) EachName(name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n, err := range a.FS.EachName(name) {
			if !yield(n, a.believe(err)) {
				return
			}
		}
	}
}

func (a *anchored) Entries(name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		for info, err := range a.FS.Entries(name) {
			if !yield(info, a.believe(err)) {
				return
			}
		}
	}
}

func (a *anchored) RenameNoReplace(oldname, newname string) error {
	return a.believe(a.FS.RenameNoReplace(oldname, newname))
}

func (a *anchored) Replace(oldname, newname string) error {
	return a.believe(a.FS.Replace(oldname, newname))
}

func (a *anchored) Chmod(name string, mode fs.FileMode) error {
	return a.believe(a.FS.Chmod(name, mode))
}

func (a *anchored) Share(name string, g fsx.Group) error {
	return a.believe(a.FS.Share(name, g))
}

func (a *anchored) Remove(name string) error { return a.believe(a.FS.Remove(name)) }

func (a *anchored) SyncDir(name string) error { return a.believe(a.FS.SyncDir(name)) }

func (a *anchored) Identity(name string) (fsx.ID, error) {
	id, err := a.FS.Identity(name)
	return id, a.believe(err)
}
