package outbox

import (
	"io"
	"sync"
)

// passing remembers the first error of what sealing reads and writes: disk, files and
// random source. Such errors pass, and the step is repeated; any other error of sealing
// would come again.
//
// The stages of a large message note their errors at the same time.
type passing struct {
	mu  sync.Mutex
	err error
}

func (p *passing) note(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && err != io.EOF {
		p.err = err
	}
	return err
}

func (p *passing) writer(w io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) { n, err := w.Write(b); return n, p.note(err) })
}

func (p *passing) reader(r io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) { n, err := r.Read(b); return n, p.note(err) })
}

// payload notes errors of reading the files; those of w are what sealing makes of them.
func (p *passing) payload(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		var refused error
		err := write(writerFunc(func(b []byte) (n int, err error) { n, err = w.Write(b); refused = err; return n, err }))
		if refused == nil {
			return p.note(err)
		}
		return err
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
