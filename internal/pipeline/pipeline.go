// Package pipeline lets the stages of one large stream work side by side.
//
// A Writer stands between two stages that would call each other:
//
//	stage := pipeline.NewWriter(encrypting)
//	err := compress(stage)
//	if cerr := stage.Close(); err == nil {
//		err = cerr
//	}
//
// The bytes arrive in the same order and in large pieces. A stream of less than Start
// bytes is only buffered: it has nothing to gain. Beyond that a goroutine writes one piece
// while the caller makes the next; at most Ahead pieces are between them. It ends when Close
// returns, and Close must be called, whatever went wrong. The packages above may go on saying
// that nothing of theirs outlives a call. Where what is behind panics, the caller's next Write
// or Close does, with the text of that panic and where it was.
//
// What is behind a Writer is used by another goroutine until Close has returned, and so
// must not be looked at before.
package pipeline

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

const (
	Piece = 128 << 10 // bytes that are handed over at once
	Ahead = 4         // pieces that may wait
	Start = 1 << 20   // bytes that pass before a goroutine is worth it
)

type piece struct {
	bytes [Piece]byte
	n     int
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// Writer hands on what is written to it.
type Writer struct {
	w      io.Writer
	piece  *piece // that is being filled; nil = closed
	passed int64  // bytes, without a goroutine
	queue  chan *piece
	used   chan *piece // that were passed on, and can be filled again
	ended  chan struct{}
	failed atomic.Pointer[error] // of w, the first one
}

// ErrClosed is the error of a Write after Close.
var ErrClosed = errors.New("pipeline: closed")

// NewWriter starts a stage in front of w, which is not closed with it.
func NewWriter(w io.Writer) *Writer {
	p := pieces.Get().(*piece)
	p.n = 0
	return &Writer{w: w, piece: p}
}

// Write takes all of b, or gives the error that w gave for something written earlier.
func (s *Writer) Write(b []byte) (int, error) {
	if s.piece == nil {
		return 0, ErrClosed
	}
	written := 0
	for len(b) > 0 {
		if err := s.err(); err != nil {
			Again(err)
			return written, err
		}
		n := copy(s.piece.bytes[s.piece.n:], b)
		s.piece.n += n
		written += n
		b = b[n:]
		if s.piece.n == Piece {
			s.hand()
		}
	}
	return written, nil
}

// hand gives the piece away, here or to the goroutine.
func (s *Writer) hand() {
	if s.queue == nil && s.passed < Start {
		s.passed += int64(s.piece.n)
		s.pass(s.piece)
		return
	}
	if s.queue == nil {
		s.queue, s.used, s.ended = make(chan *piece, Ahead), make(chan *piece, Ahead+2), make(chan struct{})
		go s.run()
	}
	s.queue <- s.piece
	select {
	case s.piece = <-s.used:
	default:
		s.piece = pieces.Get().(*piece)
	}
	s.piece.n = 0
}

// run passes on pieces until there are no more. After an error it only takes them.
func (s *Writer) run() {
	defer close(s.ended)
	for p := range s.queue {
		if err := Guarded(func() error { s.pass(p); return nil }); err != nil {
			s.failed.Store(&err)
		}
		s.used <- p // there is room for all that can be between the stages
	}
}

func (s *Writer) pass(p *piece) {
	if s.err() == nil && p.n > 0 {
		if _, err := s.w.Write(p.bytes[:p.n]); err != nil {
			s.failed.Store(&err)
		}
	}
	p.n = 0
}

func (s *Writer) err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close hands on the rest, waits until w has all of it, and gives the first error of w.
// It may be called again.
func (s *Writer) Close() error {
	if s.piece == nil {
		return s.err()
	}
	if s.queue != nil {
		close(s.queue)
		<-s.ended
		for len(s.used) > 0 {
			pieces.Put(<-s.used)
		}
	}
	last := s.piece
	s.piece = nil
	Again(s.err())
	s.pass(last)
	pieces.Put(last)
	return s.err()
}
