package cms

import (
	"crypto/cipher"
	"encoding/binary"
)

// element is a member of GF(2^128) as GCM writes it: the coefficient of x^0 is the
// highest bit of hi (SP 800-38D, 6.3).
type element struct{ hi, lo uint64 }

func loadElement(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (e element) xor(f element) element { return element{e.hi ^ f.hi, e.lo ^ f.lo} }

// times multiplies (SP 800-38D, 6.3) without branches or tables, so that its time says
// nothing of the key.
func (e element) times(f element) (product element) {
	for i := range 128 {
		word := e.hi
		if i >= 64 {
			word = e.lo
		}
		bit := -(word >> (63 - i&63) & 1)
		product.hi ^= f.hi & bit
		product.lo ^= f.lo & bit
		carry := -(f.lo & 1)
		f.lo = f.lo>>1 | f.hi<<63
		f.hi = f.hi>>1 ^ carry&(0xe1<<56)
	}
	return product
}

// power is e^n.
func (e element) power(n uint64) element {
	product := element{hi: 1 << 63} // one
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			product = product.times(e)
		}
		e = e.times(e)
	}
	return product
}

// ghash is the hash of GCM, chunk by chunk, at the speed of the standard library. That
// has no streaming, but it hashes additional data, with whatever hardware there is: the
// tag of a chunk as additional data and no plaintext is
//
//	tag = (Y ^ L)·H ^ E(K, J0)
//
// where Y is what the chunk alone hashes to and L says its length. With the running
// value u = S·H, S being the hash so far, a chunk of m blocks leads to
//
//	u' = u·H^m ^ tag ^ E(K, J0) ^ L·H
//
// which takes a multiplication in software per chunk.
type ghash struct {
	aead  cipher.AEAD
	nonce []byte
	mask  element // E(K, J0)
	h     element
	u     element
	bytes uint64 // hashed so far

	chunk  int     // length for which the next two are right
	shift  element // H^m
	length element // L·H
	tag    [aeadTag]byte
}

func newGHASH(block cipher.Block, nonce []byte, chunk int) (*ghash, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	g := &ghash{aead: aead, nonce: nonce}
	var b [aeadTag]byte
	block.Encrypt(b[:], b[:])
	g.h = loadElement(b[:])
	b = [aeadTag]byte{aeadTag - 1: 1}
	copy(b[:], nonce)
	block.Encrypt(b[:], b[:])
	g.mask = loadElement(b[:])
	g.expect(chunk)
	return g, nil
}

// expect prepares for chunks of a length.
func (g *ghash) expect(chunk int) {
	g.chunk = chunk
	g.shift = g.h.power(uint64(chunk+aeadTag-1) / aeadTag)
	g.length = element{hi: uint64(chunk) * 8}.times(g.h)
}

// add hashes a chunk. Every one but the last is a whole number of blocks.
func (g *ghash) add(chunk []byte) {
	if len(chunk) == 0 {
		return
	}
	if len(chunk) != g.chunk {
		g.expect(len(chunk))
	}
	tag := loadElement(g.aead.Seal(g.tag[:0], g.nonce, nil, chunk))
	g.u = g.u.times(g.shift).xor(tag).xor(g.mask).xor(g.length)
	g.bytes += uint64(len(chunk))
}

// sum is the tag of everything that was added behind additional data. The additional
// data may come last, because it only has to be moved up: u = A·H^m ^ u.
func (g *ghash) sum(additional []byte) []byte {
	front := ghash{aead: g.aead, nonce: g.nonce, mask: g.mask, h: g.h}
	front.add(additional)
	u := front.u.times(g.h.power((g.bytes + aeadTag - 1) / aeadTag)).xor(g.u)
	lengths := element{front.bytes * 8, g.bytes * 8}
	t := u.xor(lengths.times(g.h)).xor(g.mask)
	out := binary.BigEndian.AppendUint64(nil, t.hi)
	return binary.BigEndian.AppendUint64(out, t.lo)
}
