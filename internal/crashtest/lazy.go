package crashtest

import (
	"io/fs"

	"github.com/as2drop/as2drop/internal/fsx"
)

// Lazy is a file system that leaves out some syncs: a mutation that a matrix must
// notice. A nil function leaves out none.
type Lazy struct {
	fsx.FS
	File func(name string) bool // whose data is not synced
	Dir  func(name string) bool // whose entries are not synced
}

// SyncDir syncs, or only says so.
func (l Lazy) SyncDir(name string) error {
	if l.Dir != nil && l.Dir(name) {
		return nil
	}
	return l.FS.SyncDir(name)
}

// OpenFile opens a file whose Sync may do nothing.
func (l Lazy) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := l.FS.OpenFile(name, flag, perm)
	if err == nil && l.File != nil && l.File(name) {
		return lazyFile{f}, nil
	}
	return f, err
}

type lazyFile struct{ fsx.File }

func (lazyFile) Sync() error { return nil }
