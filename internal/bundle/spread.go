package bundle

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"github.com/as2drop/as2drop/internal/pipeline"
)

const (
	// spreadFrom is the size of a member from which all cores deflate it.
	spreadFrom = 2 << 20

	// blockSize bytes are deflated at once by one core. Each begins with what the block
	// before it ends with as its dictionary, so that it comes out hardly longer.
	blockSize  = 512 << 10
	dictionary = 32 << 10 // how far back deflate can refer (RFC 1951, 2)

	// mostCores bounds the memory: each needs about 3 MiB.
	mostCores = 4
)

// block is a piece of a member on its way to being deflated.
type block struct {
	in    []byte // the dictionary, and what is to be deflated
	dict  int    // length of the dictionary
	last  bool
	out   bytes.Buffer
	err   error
	ready chan struct{}
}

var blocks = sync.Pool{New: func() any { return &block{in: make([]byte, 0, dictionary+blockSize)} }}

// spread is a compressor that deflates blocks side by side and joins them to one stream.
// All of it ends when Close returns, which must be called. A panic of any of it is the
// caller's, as with a pipeline.Writer.
type spread struct {
	out    io.Writer
	filled *block
	order  chan *block // as they follow each other; as many as there are cores
	ended  chan struct{}
	failed atomic.Pointer[error] // of out, the first one
}

func newSpread(out io.Writer) *spread {
	s := &spread{out: out, order: make(chan *block, min(runtime.GOMAXPROCS(0), mostCores)), ended: make(chan struct{})}
	s.filled = newBlock(nil)
	go s.join()
	return s
}

func newBlock(dict []byte) *block {
	b := blocks.Get().(*block)
	b.in = append(b.in[:0], dict...)
	b.dict, b.last, b.err, b.ready = len(dict), false, nil, make(chan struct{})
	b.out.Reset()
	return b
}

func (s *spread) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if err := s.failed.Load(); err != nil {
			pipeline.Again(*err)
			return written, *err
		}
		n := min(len(p), s.filled.dict+blockSize-len(s.filled.in))
		s.filled.in = append(s.filled.in, p[:n]...)
		written += n
		if p = p[n:]; len(s.filled.in) == s.filled.dict+blockSize {
			full := s.filled
			s.filled = newBlock(full.in[len(full.in)-dictionary:])
			s.order <- full
			go full.run()
		}
	}
	return written, nil
}

// Close deflates the last block and waits until all of them are written. It may be called
// again.
func (s *spread) Close() error {
	if s.filled != nil {
		last := s.filled
		s.filled, last.last = nil, true
		s.order <- last
		go last.run()
		close(s.order)
		<-s.ended
		if err := s.failed.Load(); err != nil {
			pipeline.Again(*err)
		}
	}
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// join writes the blocks in their order. After an error it only takes them.
func (s *spread) join() {
	defer close(s.ended)
	for b := range s.order {
		<-b.ready
		err := b.err
		if err == nil && s.failed.Load() == nil {
			err = pipeline.Guarded(func() error { _, err := s.out.Write(b.out.Bytes()); return err })
		}
		if err != nil && s.failed.Load() == nil {
			s.failed.Store(&err)
		}
		blocks.Put(b)
	}
}

// run deflates a block that others wait for.
func (b *block) run() {
	b.err = pipeline.Guarded(b.deflate)
	close(b.ready)
}

// deflate makes whole bytes of a block: one that is not the last ends with an empty stored
// block, which fills the byte up.
func (b *block) deflate() (err error) {
	w, ok := compressors[deflateLevel].Get().(*flate.Writer)
	if ok {
		w.ResetDict(&b.out, b.in[:b.dict])
	} else if w, err = flate.NewWriterDict(&b.out, deflateLevel, b.in[:b.dict]); err != nil {
		return err
	}
	if _, err = w.Write(b.in[b.dict:]); err != nil {
		return err
	}
	if b.last {
		err = w.Close()
	} else {
		err = w.Flush()
	}
	if err == nil {
		compressors[deflateLevel].Put(w)
	}
	return err
}
