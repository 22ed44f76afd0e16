package fsx

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
)

// Spool is temporary storage in a file of the agent's own: written once, then read from
// its start, then gone. Nothing of it is synced; a crash may leave the file behind, and
// who made it knows its name and removes it.
type Spool struct {
	fsys FS
	name string
	file File
}

// NewSpool makes an empty spool. What an earlier one left under the name is replaced.
func NewSpool(fsys FS, name string, perm fs.FileMode) (*Spool, error) {
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_TRUNC, perm)
	if err != nil {
		return nil, err
	}
	return &Spool{fsys, name, f}, nil
}

// Write appends.
func (s *Spool) Write(p []byte) (int, error) { return s.file.Write(p) }

// ReadAt reads what was written.
func (s *Spool) ReadAt(p []byte, at int64) (int, error) { return s.file.ReadAt(p, at) }

// Rewind gives a reader of all that was written.
func (s *Spool) Rewind() (io.Reader, error) {
	return io.NewSectionReader(s.file, 0, math.MaxInt64), nil
}

// Close removes the file.
func (s *Spool) Close() error { return errors.Join(s.file.Close(), s.fsys.Remove(s.name)) }
