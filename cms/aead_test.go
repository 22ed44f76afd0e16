package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// chop splits data at random, every piece but the last whole blocks, as chunks are.
func chop(r *rand.Rand, data []byte) (pieces [][]byte) {
	for len(data) > 0 {
		n := min(16*(1+r.IntN(20)), len(data))
		if r.IntN(4) == 0 {
			n = min(streamBuffer, len(data))
		}
		pieces, data = append(pieces, data[:n]), data[n:]
	}
	return pieces
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// 3,000 random cases against the standard library.
func TestGCMEqualsTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		key, nonce := randomBytes(r, 16+8*r.IntN(3)), randomBytes(r, gcmNonce)
		plain, additional := randomBytes(r, r.IntN(700)), randomBytes(r, r.IntN(60)*r.IntN(2))
		if i%100 == 0 {
			plain = randomBytes(r, r.IntN(3*streamBuffer))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		want := theirs.Seal(nil, nonce, plain, additional)
		seal, err := newGCM(block, nonce)
		if err != nil {
			t.Fatal(err)
		}
		open, err := newGCM(block, nonce)
		if err != nil {
			t.Fatal(err)
		}
		sealed, opened := make([]byte, len(plain)), make([]byte, len(plain))
		done := 0
		for _, p := range chop(r, plain) {
			seal.ctr.XORKeyStream(sealed[done:], p)
			seal.hash.add(sealed[done : done+len(p)])
			done += len(p)
		}
		done = 0
		for _, p := range chop(r, sealed) {
			first := r.IntN(len(p) + 1)
			open.take(opened[done:done+first], p)
			open.give(opened[done+first:], p[first:])
			done += len(p)
		}
		if got := append(sealed, seal.sum(additional)...); !bytes.Equal(got, want) {
			t.Fatalf("case %d: %d bytes, %d additional: sealed otherwise", i, len(plain), len(additional))
		}
		if !bytes.Equal(opened, plain) || !bytes.Equal(open.sum(additional), seal.sum(additional)) {
			t.Fatalf("case %d: %d bytes, %d additional: opened otherwise", i, len(plain), len(additional))
		}
	}
}

func TestGHASHArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	one := element{hi: 1 << 63}
	for range 200 {
		a, b, c := element{r.Uint64(), r.Uint64()}, element{r.Uint64(), r.Uint64()}, element{r.Uint64(), r.Uint64()}
		n := r.Uint64N(1 << 40)
		if a.times(one) != a || a.times(b) != b.times(a) || a.times(b.xor(c)) != a.times(b).xor(a.times(c)) || a.power(n).times(a) != a.power(n+1) {
			t.Fatal("not a field")
		}
	}
}

// Published values for CCM.
func TestCCMVectors(t *testing.T) {
	long := bytes.Repeat(func() (b []byte) {
		for i := range 256 {
			b = append(b, byte(i))
		}
		return b
	}(), 256)
	for _, v := range []struct {
		from                          string
		key, nonce, additional, plain string
		tag                           int
		want                          string
		longAdditional                bool
	}{
		{from: "RFC 3610, packet vector 1", key: "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", nonce: "00000003020100a0a1a2a3a4a5", additional: "0001020304050607", plain: "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e", tag: 8, want: "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"},
		{from: "SP 800-38C, example 1", key: "404142434445464748494a4b4c4d4e4f", nonce: "10111213141516", additional: "0001020304050607", plain: "20212223", tag: 4, want: "7162015b4dac255d"},
		{from: "SP 800-38C, example 2", key: "404142434445464748494a4b4c4d4e4f", nonce: "1011121314151617", additional: "000102030405060708090a0b0c0d0e0f", plain: "202122232425262728292a2b2c2d2e2f", tag: 6, want: "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
		{from: "SP 800-38C, example 3", key: "404142434445464748494a4b4c4d4e4f", nonce: "101112131415161718191a1b", additional: "000102030405060708090a0b0c0d0e0f10111213", plain: "202122232425262728292a2b2c2d2e2f3031323334353637", tag: 8, want: "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
		{from: "SP 800-38C, example 4", key: "404142434445464748494a4b4c4d4e4f", nonce: "101112131415161718191a1b1c", longAdditional: true, plain: "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", tag: 14, want: "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b"},
	} {
		block, err := aes.NewCipher(unhex(v.key))
		if err != nil {
			t.Fatal(err)
		}
		additional, plain := unhex(v.additional), unhex(v.plain)
		if v.longAdditional {
			additional = long
		}
		for _, piece := range []int{16, len(plain)} {
			seal := newCCM(block, unhex(v.nonce), v.tag, uint64(len(plain)), additional)
			open := newCCM(block, unhex(v.nonce), v.tag, uint64(len(plain)), additional)
			got, back := make([]byte, len(plain)), make([]byte, len(plain))
			for done := 0; done < len(plain); done += piece {
				end := min(done+piece, len(plain))
				seal.seal(got[done:end], plain[done:end])
				copy(back[done:end], got[done:end])
				open.take(nil, back[done:end])
			}
			if got = append(got, seal.sum(nil)...); hex.EncodeToString(got) != v.want {
				t.Errorf("%s: %x, not %s", v.from, got, v.want)
			}
			if !bytes.Equal(back, plain) || !bytes.Equal(open.sum(nil), seal.sum(nil)) {
				t.Errorf("%s: opens to %x", v.from, back)
			}
		}
	}
}
