package cms

import (
	"cmp"
	"crypto/cipher"
	"crypto/subtle"
	"io"
)

// cbcWriter encrypts in place, one segment per full buffer.
type cbcWriter struct {
	out  segmentWriter
	mode cipher.BlockMode
	loan lent
	buf  []byte // of the loan: plaintext not yet encrypted
	err  error
}

func (c *cbcWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if c.err != nil {
			return written, c.err
		}
		n := copy(c.buf[len(c.buf):cap(c.buf)], p)
		c.buf = c.buf[:len(c.buf)+n]
		p = p[n:]
		written += n
		if len(c.buf) == cap(c.buf) {
			c.mode.CryptBlocks(c.buf, c.buf)
			c.err = c.out.segment(c.buf)
			c.buf = c.buf[:0]
		}
	}
	return written, c.err
}

// Close pads (RFC 5652, 6.3), writes the last segment and finishes the structure.
func (c *cbcWriter) Close() error {
	defer c.loan.giveBack()
	if c.err != nil {
		return c.err
	}
	pad := c.mode.BlockSize() - len(c.buf)%c.mode.BlockSize()
	for range pad {
		c.buf = append(c.buf, byte(pad))
	}
	c.mode.CryptBlocks(c.buf, c.buf)
	if c.err = c.out.segment(c.buf); c.err == nil {
		c.err = c.out.end()
	}
	err := c.err
	c.err = cmp.Or(err, errClosed)
	return err
}

// cbcReader decrypts in chunks and takes the padding off (RFC 5652, 6.3).
type cbcReader struct {
	chunks chunkReader
	mode   cipher.BlockMode
	out    []byte // decrypted and not yet read
	ended  bool
	padded int // 1 = the padding was right
}

func newCBCReader(src io.Reader, mode cipher.BlockMode) *cbcReader {
	return &cbcReader{chunks: newChunkReader(src, mode.BlockSize()), mode: mode}
}

func (c *cbcReader) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		chunk, last, err := c.chunks.next()
		if err != nil {
			return 0, err
		}
		whole := chunk[:len(chunk)-len(chunk)%c.mode.BlockSize()]
		c.mode.CryptBlocks(whole, whole)
		if c.out, c.ended = whole, last; last {
			c.out, c.padded = unpad(whole, c.mode.BlockSize())
			c.padded &= subtle.ConstantTimeEq(int32(len(whole)), int32(len(chunk)))
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

func (c *cbcReader) release() {
	c.chunks.loan.giveBack()
	c.out, c.ended = nil, true
}

func (c *cbcReader) good(_, _ []byte) bool { return c.padded == 1 && !c.chunks.cut }

// unpad takes the padding off, or if it is none the last block, and looks at the same
// bytes in either case.
func unpad(b []byte, blockSize int) (data []byte, good int) {
	if len(b) == 0 {
		return nil, 0
	}
	pad := b[len(b)-1]
	good = subtle.ConstantTimeLessOrEq(1, int(pad)) & subtle.ConstantTimeLessOrEq(int(pad), blockSize)
	for i := range blockSize {
		of := subtle.ConstantTimeLessOrEq(i+1, int(pad))
		good &= subtle.ConstantTimeByteEq(b[len(b)-1-i], pad) | (of ^ 1)
	}
	return b[:len(b)-subtle.ConstantTimeSelect(good, int(pad), blockSize)], good
}
