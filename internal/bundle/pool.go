package bundle

import (
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// A compressor has about a megabyte of tables, and a document often a kilobyte. Those that
// were closed are used again; a call that ends in an error leaves its own to the collector.
var compressors = map[int]*sync.Pool{deflateLevel: {}, flate.NoCompression: {}}

// buffers are pointers to pieces of memory of sampleSize bytes.
var buffers = sync.Pool{New: func() any { return new([sampleSize]byte) }}

// compressor goes back to where it came from when it is closed.
type compressor struct {
	*flate.Writer
	pool *sync.Pool
}

func newCompressor(out io.Writer, level int) (io.WriteCloser, error) {
	pool := compressors[level]
	if w, ok := pool.Get().(*flate.Writer); ok {
		w.ResetDict(out, nil) // Reset would keep the dictionary of a block, where it had one
		return &compressor{w, pool}, nil
	}
	w, err := flate.NewWriter(out, level)
	if err != nil {
		return nil, err
	}
	return &compressor{w, pool}, nil
}

// Close ends the stream. It is called once.
func (c *compressor) Close() error {
	err := c.Writer.Close()
	if err == nil {
		c.pool.Put(c.Writer)
	}
	return err
}
