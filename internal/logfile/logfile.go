// Package logfile is the log of a program whose standard error nobody reads, as that of a
// service: a file that is set aside when it has grown, or when its day is over.
//
// as2drop.log is written; as2drop.1.log is the one before it, and so on up to a number, or
// an age, that is kept; with .gz behind it if those are compressed. A file that another
// program holds open, so that it cannot be set aside, is written on and tried again later:
// nothing that is logged is lost for tidiness. What does not fit on the disk is lost, and a
// line that only fitted in part is taken back. Nothing is synced.
//
// Other programs may set the file aside: one that was renamed, removed or emptied under our
// hands is begun anew within a second, and by Reopen at once. The package starts no
// goroutines: what is written waits while a file is set aside and compressed.
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
)

// Limits of a log. Of those that are zero there is none.
type Limits struct {
	Bytes    int64            // a file that has grown to that is set aside
	Every    time.Duration    // and at each multiple of that, counted from midnight
	Keep     int              // files that are kept beside the one that is written
	KeepFor  time.Duration    // how long, since they were written last
	Compress bool             // those that were set aside
	Now      func() time.Time // in the zone of the days; nil = the clock of the machine
}

// File is an open log. It is safe for concurrent use.
type File struct {
	limits    Limits
	path      string
	name, ext string // as2drop and .log

	mu     sync.Mutex
	dir    fsx.FS
	file   fsx.File // nil = it could not be opened last
	info   fs.FileInfo
	size   int64
	next   int64     // the size at which it is set aside
	last   time.Time // when it was written last
	looked time.Time // when it was last seen to be where it belongs
	closed bool
}

// Open opens a log for appending, and makes it and its folder, private, if they are not
// there.
func Open(path string, limits Limits) (*File, error) {
	if err := access.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if limits.Now == nil {
		limits.Now = time.Now
	}
	ext := filepath.Ext(path)
	l := &File{limits: limits, path: path, ext: ext, name: strings.TrimSuffix(filepath.Base(path), ext)}
	var err error
	if l.dir, err = fsx.OpenRoot(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := errors.Join(l.open(), l.expire(limits.Now())); err != nil {
		return nil, errors.Join(fmt.Errorf("log file %s: %w", path, err), l.Close())
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
	l.file, l.info, l.size, l.last, l.looked = f, info, info.Size(), info.ModTime(), l.limits.Now()
	l.next = max(l.limits.Bytes, l.next)
	return nil
}

// Write appends what is written as a whole, or not at all.
func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, fs.ErrClosed
	}
	now := l.limits.Now()
	if err := l.ready(now); err != nil {
		return 0, err
	}
	n, err := l.file.Write(p)
	if err != nil && n > 0 {
		// Half a line would spoil the next one. Where this fails the half stays.
		if f, ok := l.file.(interface{ Truncate(int64) error }); ok && f.Truncate(l.size) == nil {
			n = 0
		}
	}
	l.size += int64(n)
	l.last = now
	return n, err
}

// ready has the right file open.
func (l *File) ready(now time.Time) error {
	if l.file != nil && now.Sub(l.looked).Abs() >= time.Second {
		l.looked = now
		l.follow()
	}
	if l.file == nil {
		return l.open()
	}
	if l.due(now) {
		return l.rotate(now)
	}
	return nil
}

// follow lets a file go that is not the one of its name any more, and sees what another
// program has cut off.
func (l *File) follow() {
	info, err := l.dir.Lstat(l.name + l.ext)
	if err == nil && fsx.Same(info, l.info) {
		l.size = min(l.size, info.Size())
		return
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		l.file.Close() // all that was written is in the file of the other name
		l.file = nil
	}
}

// due reports whether the file is to be set aside.
func (l *File) due(now time.Time) bool {
	if l.size == 0 {
		return false
	}
	if l.limits.Bytes > 0 && l.size >= l.next {
		return true
	}
	return l.limits.Every > 0 && now.After(l.last) && !period(l.last.In(now.Location()), l.limits.Every).Equal(period(now, l.limits.Every))
}

// period is the beginning of the span of time that a moment is in, counted from midnight on
// the clock of its zone.
func period(t time.Time, every time.Duration) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC().Truncate(every)
}

// rotate sets the log aside and begins a new one, or goes on with the old one where that
// cannot be done.
func (l *File) rotate(now time.Time) error {
	err := l.file.Close()
	l.file = nil
	if err == nil {
		err = l.setAside(now)
	}
	l.next = l.limits.Bytes
	if err != nil {
		l.next = l.size + l.limits.Bytes/8
	}
	if oerr := l.open(); oerr != nil {
		return oerr
	}
	if err != nil {
		l.last = now // tried again in the next span, or when it has grown
	}
	return nil
}

// Reopen begins the file anew under its name, after another program has moved it away.
func (l *File) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fs.ErrClosed
	}
	dir, err := fsx.OpenRoot(filepath.Dir(l.path))
	if err != nil {
		return fmt.Errorf("log file %s: %w", l.path, err)
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file = nil
	err = errors.Join(err, l.dir.Close())
	l.dir = dir
	if err = errors.Join(err, l.open()); err != nil {
		return fmt.Errorf("log file %s: %w", l.path, err)
	}
	return nil
}

// Close closes the log.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.dir.Close()
	if l.file != nil {
		err = errors.Join(l.file.Close(), err)
	}
	return err
}
