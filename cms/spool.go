package cms

import (
	"errors"
	"fmt"
	"io"
)

// Spool is temporary storage for one stream: written once, then read once from its
// start. Close gives the storage free. CCM needs it, because its first block states
// the length of the content.
type Spool interface {
	io.Writer
	Rewind() (io.Reader, error)
	Close() error
}

// NewSpool makes an empty Spool.
type NewSpool func() (Spool, error)

// NotedSpool is a spool that passes what each of its calls returns as error, nil and io.EOF
// included, through note, which may remember it: to tell a fault of ours from one of the message.
func NotedSpool(s Spool, note func(error) error) Spool { return notedSpool{s, note} }

type notedSpool struct {
	Spool
	note func(error) error
}

func (s notedSpool) Write(p []byte) (int, error) {
	n, err := s.Spool.Write(p)
	return n, s.note(err)
}

func (s notedSpool) Rewind() (io.Reader, error) {
	r, err := s.Spool.Rewind()
	return notedReader{r, s.note}, s.note(err) // with an error nobody reads
}

func (s notedSpool) Close() error { return s.note(s.Spool.Close()) }

type notedReader struct {
	io.Reader
	note func(error) error
}

func (r notedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	return n, r.note(err)
}

// spoolError is a fault of ours, never of the message, whatever it wraps.
type spoolError struct{ err error }

func (s *spoolError) Error() string { return "cms: spool: " + s.err.Error() }

func (s *spoolError) Unwrap() error { return s.err }

// ofSpool marks an error of a spool.
func ofSpool(err error) error {
	if err == nil {
		return nil
	}
	return &spoolError{err}
}

// malformed reports whether an error is about the bytes and not about getting them.
func malformed(err error) bool {
	if spool := (*spoolError)(nil); errors.As(err, &spool) {
		return false
	}
	return errors.Is(err, ErrSyntax) || errors.Is(err, io.ErrUnexpectedEOF)
}

// spoolReader reads back as many bytes as were written.
type spoolReader struct {
	r    io.Reader
	left uint64
}

func rewind(s Spool, size uint64) (*spoolReader, error) {
	r, err := s.Rewind()
	if err != nil {
		return nil, ofSpool(err)
	}
	return &spoolReader{r, size}, nil
}

func (s *spoolReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if uint64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= uint64(n)
	if err == io.EOF && s.left == 0 {
		return n, nil
	}
	if err == io.EOF {
		err = fmt.Errorf("%d bytes less than were written", s.left)
	}
	return n, ofSpool(err)
}
