package main

import (
	"fmt"
	"os"

	"github.com/as2drop/as2drop/internal/fsx"
)

// spoolFolder makes files for what does not fit into memory.
type spoolFolder struct {
	dir fsx.FS
	n   int
}

// temporary makes a folder for the time of one command; remove takes it away with all
// that is in it.
func temporary() (s *spoolFolder, remove func(), err error) {
	path, err := os.MkdirTemp("", "as2drop-")
	if err != nil {
		return nil, nil, err
	}
	dir, err := fsx.OpenRoot(path)
	if err != nil {
		os.RemoveAll(path) // the error that matters is the first one
		return nil, nil, err
	}
	return &spoolFolder{dir: dir}, func() {
		dir.Close()        // nothing of value is in it
		os.RemoveAll(path) // likewise; the system cleans what is left
	}, nil
}

func (s *spoolFolder) next() (*fsx.Spool, error) {
	s.n++
	return fsx.NewSpool(s.dir, fmt.Sprint(s.n), 0o600)
}
