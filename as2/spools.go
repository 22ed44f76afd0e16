package as2

import (
	"io"

	"github.com/as2drop/as2drop/cms"
)

// spools makes the spools of a message and remembers the first error of one: it is a fault of
// ours and not of the message.
type spools struct {
	make cms.NewSpool
	err  error
}

func (s *spools) note(err error) error {
	if s.err == nil && err != io.EOF {
		s.err = err
	}
	return err
}

// maker is what package cms is given; nil = there are no spools.
func (s *spools) maker() cms.NewSpool {
	if s.make == nil {
		return nil
	}
	return func() (cms.Spool, error) {
		spool, err := s.make()
		if err != nil {
			return nil, s.note(err)
		}
		return trackedSpool{spool, s}, nil
	}
}

type trackedSpool struct {
	cms.Spool
	all *spools
}

func (t trackedSpool) Write(p []byte) (int, error) {
	n, err := t.Spool.Write(p)
	return n, t.all.note(err)
}

func (t trackedSpool) Rewind() (io.Reader, error) {
	r, err := t.Spool.Rewind()
	return trackedSpoolReader{r, t.all}, t.all.note(err) // with an error nobody reads
}

func (t trackedSpool) Close() error { return t.all.note(t.Spool.Close()) }

type trackedSpoolReader struct {
	io.Reader
	all *spools
}

func (r trackedSpoolReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	return n, r.all.note(err)
}
