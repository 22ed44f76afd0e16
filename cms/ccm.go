package cms

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

// ccmStream is CCM (RFC 3610) chunk by chunk. It has to know the length of the content
// and the additional data beforehand.
type ccmStream struct {
	ctr     cipher.Stream
	mac     cipher.BlockMode
	mask    [aeadTag]byte // S_0
	tagLen  int
	scratch []byte
	last    [aeadTag]byte // block of the CBC-MAC
}

// ccmLimit is the longest content that a nonce leaves room to state, bytes.
func ccmLimit(nonce []byte) uint64 {
	return 1<<(8*min(15-len(nonce), 7)) - 1
}

func newCCM(block cipher.Block, nonce []byte, tagLen int, length uint64, additional []byte) *ccmStream {
	c := &ccmStream{mac: cipher.NewCBCEncrypter(block, make([]byte, aeadTag)), tagLen: tagLen, scratch: make([]byte, 4<<10)}
	octets := 15 - len(nonce) // of the length field

	// Counter blocks: A_0 masks the tag, A_1 is the first of the content (RFC 3610, 2.3).
	var a [aeadTag]byte
	a[0] = byte(octets - 1)
	copy(a[1:], nonce)
	block.Encrypt(c.mask[:], a[:])
	a[aeadTag-1] = 1
	c.ctr = cipher.NewCTR(block, a[:])

	// B_0 (RFC 3610, 2.2).
	var b [aeadTag]byte
	binary.BigEndian.PutUint64(b[8:], length)
	copy(b[1:], nonce) // over the leading zeros of the length
	b[0] = byte((tagLen-2)/2<<3 | (octets - 1))
	if len(additional) > 0 {
		b[0] |= 1 << 6
	}
	c.absorb(b[:])
	if len(additional) > 0 {
		c.absorb(append(ccmLength(len(additional)), additional...))
	}
	return c
}

// ccmLength states the length of additional data.
func ccmLength(n int) []byte {
	if n < 1<<16-1<<8 {
		return binary.BigEndian.AppendUint16(nil, uint16(n))
	}
	return binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n))
}

// absorb takes bytes into the CBC-MAC, padded to whole blocks with zeros.
func (c *ccmStream) absorb(p []byte) {
	for len(p) > 0 {
		n := min(len(p), len(c.scratch))
		whole := n - n%aeadTag
		if whole == 0 {
			whole = aeadTag
			clear(c.scratch[copy(c.scratch, p[:n]):whole])
			c.mac.CryptBlocks(c.scratch[:whole], c.scratch[:whole])
			p = nil
		} else {
			c.mac.CryptBlocks(c.scratch[:whole], p[:whole])
			p = p[whole:]
		}
		copy(c.last[:], c.scratch[whole-aeadTag:whole])
	}
}

func (c *ccmStream) seal(dst, src []byte) {
	c.absorb(src)
	c.ctr.XORKeyStream(dst, src)
}

func (c *ccmStream) take(dst, chunk []byte) {
	c.ctr.XORKeyStream(chunk, chunk)
	c.absorb(chunk)
	copy(dst, chunk)
}

func (c *ccmStream) give(dst, src []byte) { copy(dst, src) }

// sum is the tag. The additional data has been there from the start.
func (c *ccmStream) sum([]byte) []byte {
	tag := make([]byte, c.tagLen)
	for i := range tag {
		tag[i] = c.last[i] ^ c.mask[i]
	}
	return tag
}

// ccmWriter keeps the plaintext in a spool until Close, because the first block states
// its length.
type ccmWriter struct {
	out   segmentWriter
	head  []byte // up to the content
	block cipher.Block
	nonce []byte
	spool Spool
	size  uint64
	err   error
}

func (c *ccmWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.spool.Write(p)
	c.size += uint64(n)
	if err != nil {
		c.err = ofSpool(err)
		c.spool.Close() // the error of Write counts
	}
	return n, c.err
}

// Close encrypts what was spooled and gives the spool free.
func (c *ccmWriter) Close() error {
	if c.err != nil {
		return c.err
	}
	c.err = c.encrypt()
	if err := c.spool.Close(); c.err == nil {
		c.err = ofSpool(err)
	}
	return c.err
}

// encrypt writes the content as one primitive string, so that a reader knows its length
// and can do without a spool.
func (c *ccmWriter) encrypt() error {
	if c.size > ccmLimit(c.nonce) {
		return fmt.Errorf("cms: content of %d bytes: more than CCM can encrypt", c.size)
	}
	plain, err := rewind(c.spool, c.size)
	if err != nil {
		return err
	}
	if _, err := c.out.w.Write(appendLength(append(c.head, classContext<<6), c.size)); err != nil {
		return err
	}
	ccm := newCCM(c.block, c.nonce, aeadTag, c.size, nil)
	buf := make([]byte, streamBuffer)
	for plain.left > 0 {
		n, err := io.ReadFull(plain, buf[:min(plain.left, uint64(len(buf)))])
		if err != nil {
			return err
		}
		ccm.seal(buf[:n], buf[:n])
		if _, err := c.out.w.Write(buf[:n]); err != nil {
			return err
		}
	}
	return c.out.endWithMAC(ccm.sum(nil))
}
