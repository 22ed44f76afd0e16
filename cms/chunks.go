package cms

import (
	"crypto/subtle"
	"io"
)

// chunkReader cuts a stream into chunks of streamBuffer bytes and keeps its last bytes
// back until it knows that they are the last.
type chunkReader struct {
	src  io.Reader
	loan lent
	buf  []byte // of the loan
	kept int    // bytes at the end of buf that the next chunk begins with
	cut  bool   // the stream ended too early, or is malformed from there on
}

func newChunkReader(src io.Reader, hold int) chunkReader {
	loan := lend()
	return chunkReader{src: src, loan: loan, buf: loan.space[:streamBuffer+hold]}
}

// next returns a chunk, which is the caller's to change, or as the last one all that is
// left, those bytes included that are kept back. A stream that ends too early or is
// malformed ends there for now: what came is worked on like any other. Errors are those
// of the reader below.
func (c *chunkReader) next() (chunk []byte, last bool, err error) {
	have := copy(c.buf, c.buf[len(c.buf)-c.kept:])
	n, err := io.ReadFull(c.src, c.buf[have:])
	have += n
	if err == nil {
		c.kept = len(c.buf) - streamBuffer
		return c.buf[:streamBuffer], false, nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		// ReadFull says ErrUnexpectedEOF both at a clean end and where the source was
		// cut; asking again tells them apart.
		if _, err = c.src.Read(c.buf[:0]); err == nil {
			err = io.EOF
		}
	}
	if malformed(err) {
		c.cut = true
	} else if err != io.EOF {
		return nil, false, err
	}
	return c.buf[:have], true, nil
}

// contentReader decrypts. Its Read ends with io.EOF whatever the content is; good then
// tells whether it may be believed. Other errors of Read come from the reader below.
type contentReader interface {
	io.Reader
	good(mac, additional []byte) bool
	release() // ends it
}

// aeadStream is an authenticated cipher that opens content chunk by chunk. Every chunk
// but the last is a whole number of blocks.
type aeadStream interface {
	take(dst, chunk []byte) // of ciphertext, which it may change, and turns the first bytes into plaintext
	give(dst, src []byte)   // turns the next bytes of a taken chunk into plaintext
	sum(additional []byte) []byte
}

// aeadReader decrypts content that is authenticated.
type aeadReader struct {
	chunks   chunkReader
	stream   aeadStream
	tagLen   int
	appended bool   // the tag is the end of the content, as Java products do in EnvelopedData
	tag      []byte // that was there
	taken    []byte // not yet read
	ended    bool
	limit    uint64 // bytes that may be decrypted
	size     uint64
}

func newAEADReader(src io.Reader, stream aeadStream, tagLen int, appended bool, limit uint64) *aeadReader {
	hold := 0
	if appended {
		hold = tagLen
	}
	return &aeadReader{chunks: newChunkReader(src, hold), stream: stream, tagLen: tagLen, appended: appended, limit: limit}
}

func (a *aeadReader) Read(p []byte) (int, error) {
	for len(a.taken) == 0 {
		if a.ended {
			return 0, io.EOF
		}
		chunk, last, err := a.chunks.next()
		if err != nil {
			return 0, err
		}
		if a.ended = last; last && a.appended {
			end := max(len(chunk)-a.tagLen, 0)
			a.tag, chunk = chunk[end:], chunk[:end]
		}
		a.size += uint64(len(chunk))
		n := min(len(p), len(chunk))
		a.stream.take(p[:n], chunk)
		if a.taken = chunk[n:]; n > 0 {
			return n, nil
		}
	}
	n := min(len(p), len(a.taken))
	a.stream.give(p[:n], a.taken[:n])
	a.taken = a.taken[n:]
	return n, nil
}

func (a *aeadReader) release() {
	a.chunks.loan.giveBack()
	a.taken, a.tag, a.ended = nil, nil, true
}

func (a *aeadReader) good(mac, additional []byte) bool {
	if a.appended {
		mac = a.tag
	}
	right := subtle.ConstantTimeCompare(mac, a.stream.sum(additional)[:a.tagLen]) == 1
	return right && !a.chunks.cut && a.size <= a.limit
}
