package as2

import (
	"bufio"
	"io"
	"sync"
)

const streamBuffer = 64 << 10 // bytes that are worked on at once

// A small message passes through more buffers than it has bytes. Those that are done with
// are used again.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, streamBuffer) }}
	spare   = sync.Pool{New: func() any { return new([streamBuffer]byte) }}
)

// buffered is a buffer in front of r. Whoever took it gives it back when nothing reads from
// it any more.
func buffered(r io.Reader) *bufio.Reader {
	br := readers.Get().(*bufio.Reader)
	br.Reset(r)
	return br
}

// buffer is the buffer that r is already, or one in front of it, and what gives that back.
func buffer(r io.Reader) (br *bufio.Reader, done func()) {
	if br, ok := r.(*bufio.Reader); ok && br.Size() >= streamBuffer {
		return br, func() {} // another one would take bytes that are not its own
	}
	br = buffered(r)
	return br, func() { release(br) }
}

func release(br *bufio.Reader) {
	br.Reset(nil) // let go of what is below
	readers.Put(br)
}
