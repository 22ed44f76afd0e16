package cms

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

const ideaRounds = 8

// ideaCipher is IDEA (Lai and Massey, 1991): 64-bit blocks, 128-bit keys. Its subkeys
// are six for each round and four for the output.
type ideaCipher struct {
	encrypt, decrypt [6*ideaRounds + 4]uint16
}

// newIDEA takes keys of 16 bytes.
func newIDEA(key []byte) (cipher.Block, error) {
	if len(key) != 16 {
		return nil, fmt.Errorf("cms: idea: key of %d bytes", len(key))
	}
	c := &ideaCipher{}
	// Eight subkeys are the key itself; the key then turns left by 25 bits for the next.
	hi, lo := binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
	for i := range c.encrypt {
		half := hi
		if i%8 >= 4 {
			half = lo
		}
		c.encrypt[i] = uint16(half >> (48 - 16*(i%4)))
		if i%8 == 7 {
			hi, lo = hi<<25|lo>>39, lo<<25|hi>>39
		}
	}
	c.invert()
	return c, nil
}

// invert makes the subkeys for decryption: those of encryption from the end, inverted.
// The inner rounds swap the two middle words, so their subkeys change places.
func (c *ideaCipher) invert() {
	e, d := &c.encrypt, &c.decrypt
	for r := 0; r <= ideaRounds; r++ {
		from, to := 6*(ideaRounds-r), 6*r
		two, three := 1, 2
		if r > 0 && r < ideaRounds {
			two, three = 2, 1
		}
		d[to] = ideaInverse(e[from])
		d[to+1] = -e[from+two]
		d[to+2] = -e[from+three]
		d[to+3] = ideaInverse(e[from+3])
		if r < ideaRounds {
			d[to+4], d[to+5] = e[from-2], e[from-1]
		}
	}
}

// ideaMultiply is multiplication modulo 2^16+1, where 0 stands for 2^16.
func ideaMultiply(a, b uint16) uint16 {
	x, y := uint64(a), uint64(b)
	// Without a branch, so that the time does not depend on the operands: 0 becomes 2^16.
	x |= (x - 1) >> 63 << 16
	y |= (y - 1) >> 63 << 16
	return uint16(x * y % 65537)
}

// ideaInverse is a^(65537-2) by Fermat, for 65537 is prime.
func ideaInverse(a uint16) uint16 {
	inverse := uint16(1)
	for range 16 { // 65535 has sixteen bits, all of them set
		inverse = ideaMultiply(ideaMultiply(inverse, inverse), a)
	}
	return inverse
}

func (c *ideaCipher) BlockSize() int { return 8 }

func (c *ideaCipher) Encrypt(dst, src []byte) { ideaCrypt(&c.encrypt, dst, src) }

func (c *ideaCipher) Decrypt(dst, src []byte) { ideaCrypt(&c.decrypt, dst, src) }

func ideaCrypt(k *[6*ideaRounds + 4]uint16, dst, src []byte) {
	a, b := binary.BigEndian.Uint16(src), binary.BigEndian.Uint16(src[2:])
	c, d := binary.BigEndian.Uint16(src[4:]), binary.BigEndian.Uint16(src[6:])
	for r := 0; r < 6*ideaRounds; r += 6 {
		a, b, c, d = ideaMultiply(a, k[r]), b+k[r+1], c+k[r+2], ideaMultiply(d, k[r+3])
		s := ideaMultiply(a^c, k[r+4])
		t := ideaMultiply((b^d)+s, k[r+5])
		s += t
		a, b, c, d = a^t, c^t, b^s, d^s
	}
	last := k[6*ideaRounds:]
	binary.BigEndian.PutUint16(dst, ideaMultiply(a, last[0]))
	binary.BigEndian.PutUint16(dst[2:], c+last[1])
	binary.BigEndian.PutUint16(dst[4:], b+last[2])
	binary.BigEndian.PutUint16(dst[6:], ideaMultiply(d, last[3]))
}
