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
		return cms.NotedSpool(spool, s.note), nil
	}
}
