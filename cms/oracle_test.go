package cms

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"testing"
)

// decrypter is what an Identity decrypts with.
type decrypter interface {
	crypto.Decrypter
}

// untouchable is a private key that must not be used.
type untouchable struct {
	t *testing.T
	decrypter
}

func (u untouchable) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	u.t.Error("the private key was used")
	return nil, io.EOF
}

// work counts what decryption costs.
type work struct {
	private int // operations with a private key
	blocks  int // of the content cipher, with keys and tags
}

type countingKey struct {
	decrypter
	w *work
}

// Decrypt counts what is work: a number that is too long, or not below the modulus, is
// refused without any.
func (c countingKey) Decrypt(r io.Reader, wrapped []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	if pub := c.Public().(*rsa.PublicKey); len(wrapped) == pub.Size() && new(big.Int).SetBytes(wrapped).Cmp(pub.N) < 0 {
		c.w.private++
	}
	return c.decrypter.Decrypt(r, wrapped, opts)
}

type countingBlock struct {
	cipher.Block
	w *work
}

func (c countingBlock) Encrypt(dst, src []byte) { c.w.blocks++; c.Block.Encrypt(dst, src) }
func (c countingBlock) Decrypt(dst, src []byte) { c.w.blocks++; c.Block.Decrypt(dst, src) }

// decryptCounted opens a message and tells what it took.
func decryptCounted(message []byte, ids ...Identity) (data []byte, d *Decrypted, w work, err error) {
	for i := range ids {
		ids[i].Key = countingKey{ids[i].Key.(decrypter), &w}
	}
	d, err = decrypt(bytes.NewReader(message), allCiphers(ids...), func(a contentAlgorithm, key []byte) (cipher.Block, error) {
		block, err := a.block(key)
		return countingBlock{block, &w}, err
	})
	if err == nil {
		data, err = io.ReadAll(d)
	}
	return data, d, w, err
}

// sealedByHand is content that a test can break, and what went into it.
type sealedByHand struct {
	crafted
	key, plain []byte
}

// byHand seals in one of the forms: CBC, GCM or CCM in AuthEnvelopedData, GCM with the
// tag appended.
func byHand(t *testing.T, c Cipher, auth bool, to Identity, k KeyTransport) sealedByHand {
	t.Helper()
	key, iv := make([]byte, c.spec().keyLen), make([]byte, c.spec().ivLen)
	rand.Read(key)
	rand.Read(iv)
	block, err := c.spec().block(key, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := sealedByHand{key: key, plain: bytes.Repeat([]byte("0123456789abcde\n"), 20)}
	s.algorithm, err = marshalAlgorithm(c, iv)
	if err != nil {
		t.Fatal(err)
	}
	s.recipients = [][]byte{wrapped(t, key, to, k)}
	s.content = bytes.Clone(s.plain)
	switch c.spec().mode {
	case modeCBC:
		s.content = append(s.content, bytes.Repeat([]byte{byte(block.BlockSize())}, block.BlockSize())...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(s.content, s.content)
	case modeGCM:
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		s.mac = aead.Seal(nil, iv, s.plain, nil)
		s.content, s.mac = s.mac[:len(s.plain)], s.mac[len(s.plain):]
	case modeCCM:
		ccm := newCCM(block, iv, aeadTag, uint64(len(s.plain)), nil)
		ccm.seal(s.content, s.plain)
		s.mac = ccm.sum(nil)
	}
	if s.auth = auth; !auth {
		s.content = append(bytes.Clone(s.content), s.mac...)
	}
	return s
}

// flipped has one bit changed; i counts from the end if negative.
func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 0x40
	return b
}

// RFC 3218: whatever is wrong, the answer is the same after the same work. A key that
// nobody knows makes a plausible CBC padding once in 256 times; what comes out then is
// noise, which is no answer either.
func TestOneAnswerAfterTheSameWork(t *testing.T) {
	us, partner, stranger := identities(t)
	for _, form := range []struct {
		name string
		c    Cipher
		auth bool
	}{{"cbc", AES128CBC, false}, {"gcm", AES256GCM, true}, {"gcm appended", AES256GCM, false}, {"ccm", AES128CCM, true}, {"ccm appended", AES128CCM, false}, {"3des", DESEDE3CBC, false}} {
		t.Run(form.name, func(t *testing.T) {
			// Both keys can try it: what is not below a modulus costs no operation with that key.
			seal := func(k KeyTransport) sealedByHand {
				for {
					s := byHand(t, form.c, form.auth, us, k)
					r := s.recipients[0]
					if new(big.Int).SetBytes(r[len(r)-256:]).Cmp(stranger.Certificate.PublicKey.(*rsa.PublicKey).N) < 0 {
						return s
					}
				}
			}
			good := seal(RSAPKCS1)
			data, _, want, err := decryptCounted(good.bytes(), us)
			if err != nil || !bytes.Equal(data, good.plain) || want.private != 1 || want.blocks < len(good.plain)/16 {
				t.Fatalf("the good one: %d bytes, %v, %+v", len(data), err, want)
			}
			oaep := seal(OAEPSHA256)
			broken := map[string]func() (sealedByHand, Identity){
				"wrong private key":         func() (sealedByHand, Identity) { return good, Identity{us.Certificate, stranger.Key} },
				"oaep, wrong private key":   func() (sealedByHand, Identity) { return oaep, Identity{us.Certificate, stranger.Key} },
				"wrapped key damaged":       func() (sealedByHand, Identity) { return good.rewrapped(flipped(good.recipients[0], -1)), us },
				"wrapped key damaged early": func() (sealedByHand, Identity) { return good.rewrapped(flipped(good.recipients[0], -250)), us },
				"oaep damaged":              func() (sealedByHand, Identity) { return good.rewrapped(flipped(oaep.recipients[0], -1)), us },
				"wrapped key over modulus": func() (sealedByHand, Identity) {
					r := bytes.Clone(good.recipients[0])
					copy(r[len(r)-256:], bytes.Repeat([]byte{0xff}, 256))
					return good.rewrapped(r), us
				},
				"key of another length": func() (sealedByHand, Identity) {
					return good.rewrapped(wrapped(t, append(bytes.Clone(good.key), 1), us, RSAPKCS1)), us
				},
				"oaep, another length": func() (sealedByHand, Identity) {
					return good.rewrapped(wrapped(t, good.key[1:], us, OAEPSHA1)), us
				},
				"another key": func() (sealedByHand, Identity) {
					return good.rewrapped(wrapped(t, make([]byte, len(good.key)), us, RSAPKCS1)), us
				},
				"to somebody else":   func() (sealedByHand, Identity) { return good.rewrapped(wrapped(t, good.key, partner, RSAPKCS1)), us },
				"to nobody":          func() (sealedByHand, Identity) { return good.rewrapped(), us },
				"unknown transport":  func() (sealedByHand, Identity) { return good.rewrapped(unknownTransport(t, us)), us },
				"last block damaged": func() (sealedByHand, Identity) { s := good; s.content = flipped(s.content, -17); return s, us },
				"last byte damaged":  func() (sealedByHand, Identity) { s := good; s.content = flipped(s.content, -1); return s, us },
			}
			if form.auth {
				broken["tag damaged"] = func() (sealedByHand, Identity) { s := good; s.mac = flipped(s.mac, 0); return s, us }
				broken["tag cut"] = func() (sealedByHand, Identity) { s := good; s.mac = s.mac[:12]; return s, us }
				broken["no tag"] = func() (sealedByHand, Identity) { s := good; s.mac = nil; return s, us }
				broken["attributes added"] = func() (sealedByHand, Identity) {
					s := good
					s.attributes = sequence(header{class: classContext, tag: 1}, sequence(inSequence, mustMarshal(oidData)))
					return s, us
				}
			}
			for name, make := range broken {
				s, id := make()
				message := s.bytes()
				data, d, got, err := decryptCounted(message, id)
				if noise := form.c.spec().mode == modeCBC && err == nil && !bytes.Equal(data, good.plain); err != ErrDecrypt && !noise {
					t.Errorf("%s: %d bytes, %v", name, len(data), err)
				}
				if name != "attributes added" && got != want || got.private != want.private {
					t.Errorf("%s: took %+v, not %+v", name, got, want)
				}
				// A second try of the same tells nothing new.
				again, _, _, err2 := decryptCounted(message, id)
				if err2 != err || !bytes.Equal(again, data) {
					t.Errorf("%s: another answer the second time: %v, %d bytes", name, err2, len(again))
				}
				if d.Detail() != "" != (name == "to somebody else" || name == "to nobody" || name == "unknown transport") {
					t.Errorf("%s: detail %q", name, d.Detail())
				}
			}
		})
	}
}

func (s sealedByHand) rewrapped(recipients ...[]byte) sealedByHand {
	s.recipients = recipients
	return s
}

// unknownTransport is a recipient whose key is wrapped in a way that we do not have.
func unknownTransport(t *testing.T, id Identity) []byte {
	var info recipientInfo
	if !whole(wrapped(t, make([]byte, 16), id, RSAPKCS1), &info) {
		t.Fatal("recipient")
	}
	info.KeyAlg = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}}
	return mustMarshal(info)
}

// What is wrong with the length of CBC content shows as the same answer after one
// operation for every whole block.
func TestContentOfAWrongLength(t *testing.T) {
	us, _, _ := identities(t)
	good := byHand(t, AES256CBC, false, us, RSAPKCS1)
	for _, size := range []int{0, 1, 15, 16, 17, 32, len(good.content) - 1, len(good.content) - 16} {
		for _, segments := range []int{0, 7, 1000} {
			s := good
			s.content, s.segments = s.content[:size], segments
			if _, d, w, err := decryptCounted(s.bytes(), us); err != ErrDecrypt || w != (work{1, size / 16}) || d.Detail() != "" {
				t.Errorf("%d bytes in segments of %d: %v, %+v", size, segments, err, w)
			}
		}
	}
	for extra := 1; extra < 16; extra++ {
		s := good
		s.content = append(bytes.Clone(s.content), make([]byte, extra)...)
		if _, _, w, err := decryptCounted(s.bytes(), us); err != ErrDecrypt || w != (work{1, len(good.content) / 16}) {
			t.Errorf("%d bytes behind the padding: %v, %+v", extra, err, w)
		}
	}
	// Cut off in the middle: what came is worked on, and the answer is the same.
	message := good.bytes()
	for _, missing := range []int{1, 16, 100} {
		if _, _, w, err := decryptCounted(message[:len(message)-missing], us); err != ErrDecrypt || w != (work{1, (len(good.content) - missing) / 16}) {
			t.Errorf("%d bytes missing: %v, %+v", missing, err, w)
		}
	}
}

// A cipher that we do not have costs what AES-256-CBC does.
func TestUnknownCipherTakesTheSameWork(t *testing.T) {
	us, _, _ := identities(t)
	good := byHand(t, AES256CBC, false, us, RSAPKCS1)
	_, _, want, err := decryptCounted(good.bytes(), us)
	if err != nil {
		t.Fatal(err)
	}
	iv := mustMarshal(make([]byte, 16))
	for name, algorithm := range map[string][]byte{
		"no such cipher": mustMarshal(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}, Parameters: asn1.RawValue{FullBytes: iv}}),
		"no parameters":  mustMarshal(pkix.AlgorithmIdentifier{Algorithm: AES256CBC.spec().oid}),
		"bad parameters": algorithmOf(AES256CBC, mustMarshal(make([]byte, 15))),
		"bad nonce":      algorithmOf(AES256GCM, aeadParameters{make([]byte, 16), 16}),
	} {
		s := good
		s.algorithm = algorithm
		if _, d, got, err := decryptCounted(s.bytes(), us); err != ErrDecrypt || got != want || d.Detail() == "" {
			t.Errorf("%s: %v, %+v, not %+v, %q", name, err, got, want, d.Detail())
		}
	}
	good.auth = true
	if _, d, got, err := decryptCounted(good.bytes(), us); err != ErrDecrypt || got != want || d.Detail() != "content cipher aes-256-cbc is not authenticated, but stands in AuthEnvelopedData" {
		t.Errorf("CBC in AuthEnvelopedData: %v, %+v, %q", err, got, d.Detail())
	}
}

// The padding is looked at as a whole, and its bytes must all be right.
func TestPadding(t *testing.T) {
	block := func(end ...byte) []byte { return append(bytes.Repeat([]byte{7}, 32-len(end)), end...) }
	for name, c := range map[string]struct {
		b    []byte
		left int
		good int
	}{
		"one":          {block(1), 31, 1},
		"three":        {block(3, 3, 3), 29, 1},
		"sixteen":      {block(bytes.Repeat([]byte{16}, 16)...), 16, 1},
		"none":         {block(0), 16, 0},
		"seventeen":    {block(bytes.Repeat([]byte{17}, 17)...), 16, 0},
		"one is wrong": {block(3, 2, 3), 16, 0},
		"first wrong":  {block(append([]byte{15}, bytes.Repeat([]byte{16}, 15)...)...), 16, 0},
		"too many":     {block(255), 16, 0},
		"nothing":      {nil, 0, 0},
	} {
		if got, good := unpad(c.b, 16); len(got) != c.left || good != c.good {
			t.Errorf("%s: %d bytes, %d", name, len(got), good)
		}
	}
}
