package cms

import (
	"cmp"
	"crypto/cipher"
	"fmt"
)

const (
	// gcmNonce is the length of the only nonces that need no hashing (SP 800-38D, 8.2).
	gcmNonce = 12
	// gcmLimit is how much one nonce can encrypt (SP 800-38D, 5.2.1.1), bytes.
	gcmLimit = 1<<36 - 32
)

// gcmStream is GCM (SP 800-38D) chunk by chunk. It agrees with cipher.NewGCM, and needs
// no more memory than a chunk.
type gcmStream struct {
	ctr  cipher.Stream
	hash *ghash
}

func newGCM(block cipher.Block, nonce []byte) (*gcmStream, error) {
	hash, err := newGHASH(block, nonce, streamBuffer)
	if err != nil {
		return nil, err
	}
	first := make([]byte, aeadTag)
	copy(first, nonce)
	first[aeadTag-1] = 2 // 1 masks the tag
	return &gcmStream{cipher.NewCTR(block, first), hash}, nil
}

// take hashes the chunk and decrypts its first bytes while they are in the cache.
func (g *gcmStream) take(dst, chunk []byte) {
	g.hash.add(chunk)
	g.give(dst, chunk[:len(dst)])
}

func (g *gcmStream) give(dst, src []byte) { g.ctr.XORKeyStream(dst, src) }

func (g *gcmStream) sum(additional []byte) []byte { return g.hash.sum(additional) }

// gcmWriter encrypts into its buffer, one segment per full buffer.
type gcmWriter struct {
	out  segmentWriter
	gcm  *gcmStream
	loan lent
	buf  []byte // of the loan: encrypted, not yet hashed
	left uint64 // bytes that the nonce is still good for
	err  error
}

func (g *gcmWriter) Write(p []byte) (int, error) {
	if g.err == nil && uint64(len(p)) > g.left {
		g.err = fmt.Errorf("cms: content over %d bytes: more than GCM can encrypt", uint64(gcmLimit))
	}
	written := 0
	for len(p) > 0 && g.err == nil {
		have := len(g.buf)
		n := min(len(p), cap(g.buf)-have)
		g.buf = g.buf[:have+n]
		g.gcm.ctr.XORKeyStream(g.buf[have:], p[:n])
		p, written, g.left = p[n:], written+n, g.left-uint64(n)
		if len(g.buf) == cap(g.buf) {
			g.flush()
		}
	}
	return written, g.err
}

func (g *gcmWriter) flush() {
	g.gcm.hash.add(g.buf)
	g.err = g.out.segment(g.buf)
	g.buf = g.buf[:0]
}

// Close writes the last segment and the tag.
func (g *gcmWriter) Close() error {
	defer g.loan.giveBack()
	if g.err == nil && len(g.buf) > 0 {
		g.flush()
	}
	if g.err == nil {
		g.err = g.out.endWithMAC(g.gcm.sum(nil))
	}
	err := g.err
	g.err = cmp.Or(err, errClosed)
	return err
}
