// Package logfile is the log of a program whose standard error nobody reads, as that of a
// service on Windows: a file that is set aside when it has grown.
//
// as2drop.log is written; as2drop.1.log is the one before it, and so on up to a number
// that is kept. A file that another program holds open, so that it cannot be set aside, is
// written on and tried again later: nothing that is logged is lost for tidiness. Nothing is
// synced, and whoever moves the file away while it is open goes on getting what is logged.
package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
)

// Limits of a log.
type Limits struct {
	Bytes int64 // a file that has grown to that is set aside
	Keep  int   // files that are kept beside the one that is written; at least 1
}

// Default keeps at most 100 MiB.
var Default = Limits{Bytes: 10 << 20, Keep: 9}

// File is an open log. It is safe for concurrent use.
type File struct {
	limits    Limits
	name, ext string // as2drop and .log

	mu   sync.Mutex
	dir  fsx.FS
	file fsx.File
	size int64
	next int64 // the size at which it is set aside
}

// Open opens a log for appending, and makes it and its folder, private, if they are not
// there.
func Open(path string, limits Limits) (*File, error) {
	if err := access.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	dir, err := fsx.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(path)
	l := &File{limits: limits, dir: dir, ext: ext, name: strings.TrimSuffix(filepath.Base(path), ext)}
	if err := l.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("log file %s: %w", path, err), dir.Close())
	}
	return l, nil
}

// open begins to append to the log.
func (l *File) open() error {
	f, err := l.dir.OpenFile(l.name+l.ext, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	l.next = max(l.limits.Bytes, l.next)
	return nil
}

// Write appends what is written as a whole.
func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size >= l.next {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// rotate sets the log aside and begins a new one, or goes on with the old one where that
// cannot be done.
func (l *File) rotate() error {
	err := l.file.Close()
	if err == nil {
		err = l.setAside()
	}
	l.next = l.limits.Bytes
	if err != nil {
		l.next = l.size + l.limits.Bytes/8
	}
	return l.open()
}

func (l *File) setAside() error {
	if err := fsx.RemoveAll(l.dir, l.numbered(l.limits.Keep)); err != nil {
		return err
	}
	for n := l.limits.Keep - 1; n >= 0; n-- {
		if err := fsx.Move(l.dir, l.numbered(n), l.numbered(n+1)); err != nil && !errors.Is(err, fsx.ErrGone) {
			return err
		}
	}
	return nil
}

func (l *File) numbered(n int) string {
	if n == 0 {
		return l.name + l.ext
	}
	return fmt.Sprintf("%s.%d%s", l.name, n, l.ext)
}

// Close closes the log.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.file.Close(), l.dir.Close())
}
