package cms

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// castCipher is CAST-128 (RFC 2144). golang.org/x/crypto has it for keys of 128 bits
// alone, and shorter keys cannot be built from that: up to 80 bits it makes 12 rounds
// instead of 16.
type castCipher struct {
	mask   [16]uint32
	rotate [16]int
	rounds int
}

// newCAST5 takes keys of 5 to 16 bytes.
func newCAST5(key []byte) (cipher.Block, error) {
	if len(key) < 5 || len(key) > 16 {
		return nil, fmt.Errorf("cms: cast5: key of %d bytes", len(key))
	}
	c := &castCipher{rounds: 16}
	if len(key) <= 10 {
		c.rounds = 12 // RFC 2144, 2.5
	}
	var x, z [16]byte // bytes behind the key are zero (RFC 2144, 2.5)
	copy(x[:], key)
	c.expand(&x, &z, func(i int, k uint32) { c.mask[i] = k })
	c.expand(&x, &z, func(i int, k uint32) { c.rotate[i] = int(k & 31) })
	return c, nil
}

// castMix is one line of the key schedule that makes four bytes of z from x, or of x
// from z: which word of the source, which bytes of the target go through S5 to S8, and
// which byte of the source through one of them once more.
type castMix struct {
	word    int
	through [4]int
	extra   int
	box     int
}

// castSubkey is one line that makes a subkey: the bytes that go through S5 to S8, and
// one more through one of them.
type castSubkey struct {
	through [4]int
	extra   int
	box     int
}

// The tables are RFC 2144, 2.4. The first of four mixes takes its bytes from the source,
// because the target is not there yet.
var (
	castToZ = [4]castMix{
		{0, [4]int{0xd, 0xf, 0xc, 0xe}, 0x8, 6}, {2, [4]int{0x0, 0x2, 0x1, 0x3}, 0xa, 7},
		{3, [4]int{0x7, 0x6, 0x5, 0x4}, 0x9, 4}, {1, [4]int{0xa, 0x9, 0xb, 0x8}, 0xb, 5},
	}
	castToX = [4]castMix{
		{2, [4]int{0x5, 0x7, 0x4, 0x6}, 0x0, 6}, {0, [4]int{0x0, 0x2, 0x1, 0x3}, 0x2, 7},
		{1, [4]int{0x7, 0x6, 0x5, 0x4}, 0x1, 4}, {3, [4]int{0xa, 0x9, 0xb, 0x8}, 0x3, 5},
	}
	castSubkeys = [4][4]castSubkey{
		{
			{[4]int{0x8, 0x9, 0x7, 0x6}, 0x2, 4}, {[4]int{0xa, 0xb, 0x5, 0x4}, 0x6, 5},
			{[4]int{0xc, 0xd, 0x3, 0x2}, 0x9, 6}, {[4]int{0xe, 0xf, 0x1, 0x0}, 0xc, 7},
		}, {
			{[4]int{0x3, 0x2, 0xc, 0xd}, 0x8, 4}, {[4]int{0x1, 0x0, 0xe, 0xf}, 0xd, 5},
			{[4]int{0x7, 0x6, 0x8, 0x9}, 0x3, 6}, {[4]int{0x5, 0x4, 0xa, 0xb}, 0x7, 7},
		}, {
			{[4]int{0x3, 0x2, 0xc, 0xd}, 0x9, 4}, {[4]int{0x1, 0x0, 0xe, 0xf}, 0xc, 5},
			{[4]int{0x7, 0x6, 0x8, 0x9}, 0x2, 6}, {[4]int{0x5, 0x4, 0xa, 0xb}, 0x6, 7},
		}, {
			{[4]int{0x8, 0x9, 0x7, 0x6}, 0x3, 4}, {[4]int{0xa, 0xb, 0x5, 0x4}, 0x7, 5},
			{[4]int{0xc, 0xd, 0x3, 0x2}, 0x8, 6}, {[4]int{0xe, 0xf, 0x1, 0x0}, 0xd, 7},
		},
	}
)

// expand makes the next sixteen subkeys.
func (c *castCipher) expand(x, z *[16]byte, set func(i int, k uint32)) {
	for quarter, subkeys := range castSubkeys {
		from, to, mixes := x, z, &castToZ
		if quarter%2 == 1 {
			from, to, mixes = z, x, &castToX
		}
		for i, m := range mixes {
			bytes := to
			if i == 0 {
				bytes = from
			}
			w := binary.BigEndian.Uint32(from[4*m.word:]) ^ castSBox[m.box][from[m.extra]]
			for j, at := range m.through {
				w ^= castSBox[4+j][bytes[at]]
			}
			binary.BigEndian.PutUint32(to[4*i:], w)
		}
		for i, s := range subkeys {
			k := castSBox[s.box][to[s.extra]]
			for j, at := range s.through {
				k ^= castSBox[4+j][to[at]]
			}
			set(4*quarter+i, k)
		}
	}
}

func (c *castCipher) BlockSize() int { return 8 }

func (c *castCipher) Encrypt(dst, src []byte) {
	l, r := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
	for i := range c.rounds {
		l, r = r, l^c.round(i, r)
	}
	binary.BigEndian.PutUint32(dst, r)
	binary.BigEndian.PutUint32(dst[4:], l)
}

func (c *castCipher) Decrypt(dst, src []byte) {
	l, r := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
	for i := c.rounds - 1; i >= 0; i-- {
		l, r = r, l^c.round(i, r)
	}
	binary.BigEndian.PutUint32(dst, r)
	binary.BigEndian.PutUint32(dst[4:], l)
}

// round is the function of round i; the three types take turns (RFC 2144, 2.2).
func (c *castCipher) round(i int, d uint32) uint32 {
	s := &castSBox
	switch i % 3 {
	case 0:
		v := bits.RotateLeft32(c.mask[i]+d, c.rotate[i])
		return (s[0][v>>24] ^ s[1][v>>16&0xff]) - s[2][v>>8&0xff] + s[3][v&0xff]
	case 1:
		v := bits.RotateLeft32(c.mask[i]^d, c.rotate[i])
		return (s[0][v>>24] - s[1][v>>16&0xff] + s[2][v>>8&0xff]) ^ s[3][v&0xff]
	default:
		v := bits.RotateLeft32(c.mask[i]-d, c.rotate[i])
		return (s[0][v>>24] + s[1][v>>16&0xff]) ^ s[2][v>>8&0xff] - s[3][v&0xff]
	}
}
