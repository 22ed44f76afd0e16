package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// anAttribute is one of a type, with a string as its value.
func anAttribute(oid []byte, value string) []byte {
	return sequence(inSequence, oid, sequence(header{tag: tagSet}, encode(header{tag: tagOctetString}, []byte(value))))
}

// Authenticated attributes are covered by the tag, as SET OF in DER (RFC 5083, 2.2),
// whatever order they were sent in. They stand behind the content.
func TestAuthenticatedAttributes(t *testing.T) {
	us, _, _ := identities(t)
	first, second := anAttribute(mustMarshal(oidData), "a"), anAttribute(mustMarshal(oidData), "b")
	covered := sequence(header{tag: tagSet}, first, second)
	asSent := sequence(header{tag: tagSet}, second, first)
	for _, c := range []Cipher{AES128GCM, AES192CCM} {
		for _, plain := range [][]byte{nil, []byte("invoice"), bytes.Repeat([]byte("invoice "), 20_000)} {
			for name, v := range map[string]struct {
				additional, attributes []byte
				opens                  bool
			}{
				"in order":     {covered, sequence(header{class: classContext, tag: 1}, first, second), true},
				"out of order": {covered, sequence(header{class: classContext, tag: 1}, second, first), true},
				"not DER":      {asSent, sequence(header{class: classContext, tag: 1}, second, first), false},
				"changed":      {covered, sequence(header{class: classContext, tag: 1}, first, first), false},
				"missing":      {covered, nil, false},
				"no attribute": {covered, sequence(header{class: classContext, tag: 1}, []byte{5}), false},
			} {
				s := byHand(t, c, true, us, OAEPSHA1)
				iv := identifier(t, s.algorithm)
				a, err := readAlgorithm(iv)
				if err != nil {
					t.Fatal(err)
				}
				block, err := aes.NewCipher(s.key)
				if err != nil {
					t.Fatal(err)
				}
				if c == AES128GCM {
					aead, err := cipher.NewGCM(block)
					if err != nil {
						t.Fatal(err)
					}
					sealed := aead.Seal(nil, a.iv, plain, v.additional)
					s.content, s.mac = sealed[:len(plain)], sealed[len(plain):]
				} else {
					ccm := newCCM(block, a.iv, aeadTag, uint64(len(plain)), v.additional)
					s.content = make([]byte, len(plain))
					ccm.seal(s.content, plain)
					s.mac = ccm.sum(nil)
				}
				s.attributes = v.attributes
				got, err := unseal(bytes.NewReader(s.bytes()), us)
				if v.opens && (err != nil || !bytes.Equal(got, plain)) || !v.opens && err != ErrDecrypt {
					t.Errorf("%v, %d bytes, %s: %d bytes, %v", c, len(plain), name, len(got), err)
				}
			}
		}
	}
}

// Tags shorter than ours, in both places where a tag can be.
func TestShorterTags(t *testing.T) {
	us, _, _ := identities(t)
	plain := []byte("twenty-three bytes long")
	for tagLen := 4; tagLen <= 16; tagLen++ {
		for _, c := range []Cipher{AES256GCM, AES256CCM} {
			for _, auth := range []bool{true, false} {
				nonce := make([]byte, 12)
				s := byHand(t, c, auth, us, RSAPKCS1)
				s.algorithm = algorithmOf(c, aeadParameters{nonce, tagLen})
				block, err := aes.NewCipher(s.key)
				if err != nil {
					t.Fatal(err)
				}
				s.content = make([]byte, len(plain))
				if c == AES256GCM {
					gcm, err := newGCM(block, nonce)
					if err != nil {
						t.Fatal(err)
					}
					gcm.ctr.XORKeyStream(s.content, plain)
					gcm.hash.add(s.content)
					s.mac = gcm.sum(nil)[:tagLen]
				} else {
					ccm := newCCM(block, nonce, tagLen, uint64(len(plain)), nil)
					ccm.seal(s.content, plain)
					s.mac = ccm.sum(nil)
				}
				if !auth {
					s.content = append(s.content, s.mac...)
				}
				opens := tagLen >= 12 || c == AES256CCM && tagLen >= 8 && tagLen%2 == 0
				if c == AES256CCM && tagLen%2 == 1 {
					opens = false
				}
				got, err := unseal(bytes.NewReader(s.bytes()), us)
				if opens && (err != nil || !bytes.Equal(got, plain)) || !opens && err != ErrDecrypt {
					t.Errorf("%v, tag of %d, %v: %q, %v", c, tagLen, auth, got, err)
				}
			}
		}
	}
}

// Appended tags in content that comes in any size and any segments.
func TestAppendedTags(t *testing.T) {
	us, _, _ := identities(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom([]Cipher{AES128GCM, AES128CCM}).Draw(rt, "cipher")
		size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(streamBuffer-40, streamBuffer+40), rapid.IntRange(2*streamBuffer-20, 2*streamBuffer+20)).Draw(rt, "size")
		segments := rapid.SampledFrom([]int{0, 1, 1000, 4096, streamBuffer}).Draw(rt, "segments")
		if segments == 1 {
			size %= 300
		}
		s := byHand(t, c, false, us, RSAPKCS1)
		plain := bytes.Repeat([]byte("0123456"), size/7+1)[:size]
		a, err := readAlgorithm(identifier(t, s.algorithm))
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(s.key)
		if err != nil {
			t.Fatal(err)
		}
		if c == AES128GCM {
			aead, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			s.content = aead.Seal(nil, a.iv, plain, nil)
		} else {
			ccm := newCCM(block, a.iv, aeadTag, uint64(size), nil)
			s.content = make([]byte, size)
			ccm.seal(s.content, plain)
			s.content = append(s.content, ccm.sum(nil)...)
		}
		s.segments = segments
		got, err := unseal(iotest.HalfReader(bytes.NewReader(s.bytes())), us)
		if err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("%d of %d bytes, %v", len(got), size, err)
		}
		short := min(size+aeadTag, 5)
		s.content = s.content[:size+aeadTag-short]
		if got, err := unseal(bytes.NewReader(s.bytes()), us); err != ErrDecrypt {
			rt.Fatalf("%d bytes less: %d of %d bytes, %v", short, len(got), size, err)
		}
	})
}

// CCM needs a spool only where the length is not there, or attributes may come.
func TestWhenCCMNeedsASpool(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []struct {
		auth     bool
		segments int
		without  bool // opens without a spool
		used     int  // spools used where there is one
	}{{true, 0, true, 1}, {false, 0, true, 0}, {true, 100, false, 1}, {false, 100, false, 1}} {
		s := byHand(t, AES256CCM, c.auth, us, RSAPKCS1)
		s.segments = c.segments
		got, d, err := openWith(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}})
		if c.without && (err != nil || !bytes.Equal(got, s.plain)) {
			t.Errorf("%+v without: %v", c, err)
		}
		if !c.without && (err != ErrDecrypt || d.Detail() != "aes-256-ccm does not state its length, and there is no spool for it" || bytes.Contains(got, s.plain[:16])) {
			t.Errorf("%+v without: %v, %q", c, err, d.Detail())
		}
		m := &memory{}
		got, _, err = openWith(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}, Spool: m.spool})
		if err != nil || !bytes.Equal(got, s.plain) || m.closed != c.used {
			t.Errorf("%+v with: %v, closed %d times", c, err, m.closed)
		}
		if bytes.Contains(m.Bytes(), s.plain[:16]) {
			t.Errorf("%+v: plaintext in the spool", c)
		}
	}
}

// A spool that fails is a fault of ours, and never an answer about the message.
func TestSpoolsThatFail(t *testing.T) {
	us, _, _ := identities(t)
	s := byHand(t, AES256CCM, true, us, RSAPKCS1)
	for name, m := range map[string]*memory{
		"writing":      {failWrite: errFull},
		"writing less": {failWrite: io.ErrUnexpectedEOF},
		"rewinding":    {failEnd: errFull},
		"losing bytes": {lose: 3},
		"losing all":   {lose: len(s.content)},
	} {
		_, _, err := openWith(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}, Spool: m.spool})
		if err == nil || errors.Is(err, ErrDecrypt) || !strings.HasPrefix(err.Error(), "cms: spool: ") || m.closed != 1 {
			t.Errorf("reading, %s: %v, closed %d times", name, err, m.closed)
		}
		if m.failWrite != nil && !errors.Is(err, m.failWrite) || m.failEnd != nil && !errors.Is(err, m.failEnd) {
			t.Errorf("reading, %s: %v", name, err)
		}
		m.closed, m.lose = 0, min(m.lose, 3)
		m.Reset()
		var out bytes.Buffer
		w, err := Encrypt(&out, EncryptOptions{Cipher: AES128CCM, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader, Spool: m.spool})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte("invoice"))
		if err == nil {
			err = w.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "cms: spool: ") || m.closed != 1 {
			t.Errorf("writing, %s: %v, closed %d times", name, err, m.closed)
		}
		if again := w.Close(); again != err {
			t.Errorf("writing, %s: closed again: %v", name, again)
		}
	}
	_, _, err := openWith(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}, Spool: func() (Spool, error) { return nil, errFull }})
	if !errors.Is(err, errFull) || errors.Is(err, ErrDecrypt) {
		t.Errorf("no spool to be had: %v", err)
	}
	// A connection that breaks while the spool fills comes through, and frees it.
	m := &memory{}
	message := s.bytes()
	r := io.MultiReader(bytes.NewReader(message[:len(message)-100]), iotest.ErrReader(errPass))
	if _, _, err := openWith(r, DecryptOptions{Identities: []Identity{us}, Spool: m.spool}); !errors.Is(err, errPass) || m.closed != 1 {
		t.Errorf("a broken connection: %v, closed %d times", err, m.closed)
	}
}

// Whoever stops reading frees the spool himself.
func TestCloseFreesTheSpool(t *testing.T) {
	us, _, _ := identities(t)
	s := byHand(t, AES256CCM, true, us, RSAPKCS1)
	m := &memory{}
	d, err := Decrypt(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}, Spool: m.spool})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil || m.closed != 0 {
		t.Errorf("before there is one: %v, %d", err, m.closed)
	}
	if _, err := d.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil || m.closed != 1 {
		t.Errorf("closed %d times, %v", m.closed, err)
	}
	if n, err := d.Read(make([]byte, 5)); n != 0 || err != errClosed {
		t.Errorf("read from what is somebody else's by now: %d, %v", n, err)
	}
	sealed := byHand(t, AES256CBC, false, us, RSAPKCS1)
	if d, err = Decrypt(bytes.NewReader(sealed.bytes()), DecryptOptions{}); err != nil || d.Close() != nil {
		t.Errorf("no spool at all: %v", err)
	}
}

// A nonce of thirteen bytes leaves two for the length: 64 KiB.
func TestContentTooLongForItsNonce(t *testing.T) {
	us, _, _ := identities(t)
	s := byHand(t, AES256CCM, false, us, RSAPKCS1)
	s.algorithm = algorithmOf(AES256CCM, aeadParameters{make([]byte, 13), 16})
	s.content = make([]byte, 1<<16+aeadTag)
	for _, segments := range []int{0, 1000} {
		s.segments = segments
		if _, d, err := openWith(bytes.NewReader(s.bytes()), allCiphers(us)); err != ErrDecrypt || segments == 0 && d.Detail() != "content of 65552 bytes is too long for the nonce of aes-256-ccm" {
			t.Errorf("%v, %q", err, d.Detail())
		}
	}
	for n, want := range map[int]uint64{7: 1<<56 - 1, 8: 1<<56 - 1, 12: 1<<24 - 1, 13: 1<<16 - 1} {
		if got := ccmLimit(make([]byte, n)); got != want {
			t.Errorf("nonce of %d: %d", n, got)
		}
	}
}

// One nonce of GCM is good for so much and no more; nobody has to write it all to see.
func TestGCMLimit(t *testing.T) {
	us, _, _ := identities(t)
	w, err := Encrypt(io.Discard, EncryptOptions{Cipher: AES128GCM, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	g := w.(*gcmWriter)
	if g.left != 1<<36-32 {
		t.Errorf("%d bytes", g.left)
	}
	g.left = 10
	if _, err := w.Write(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if n, err := w.Write(make([]byte, 1)); n != 0 || err == nil || w.Close() != err {
		t.Errorf("one more: %d, %v", n, err)
	}
	s := byHand(t, AES256GCM, true, us, RSAPKCS1)
	d, err := Decrypt(bytes.NewReader(s.bytes()), DecryptOptions{Identities: []Identity{us}})
	if err != nil {
		t.Fatal(err)
	}
	d.body.(*aeadReader).limit = uint64(len(s.plain)) - 1
	if _, err := io.ReadAll(d); err != ErrDecrypt {
		t.Errorf("more than a nonce can have encrypted: %v", err)
	}
}

// errAfter fails once n bytes have been written.
type errAfter struct{ n int }

func (e *errAfter) Write(p []byte) (int, error) {
	if e.n -= len(p); e.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestErrorsOfTheWriterBelow(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES128CBC, AES128GCM, AES128CCM} {
		whole := len(seal(t, c, make([]byte, 150_000), us))
		for _, n := range []int{0, 1000, 70_000, whole - 1} {
			t.Run(fmt.Sprint(c, n), func(t *testing.T) {
				w, err := Encrypt(&errAfter{n}, EncryptOptions{Cipher: c, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader, Spool: newMemory})
				if err == nil {
					_, err = w.Write(make([]byte, 150_000))
				}
				if err == nil {
					err = w.Close()
				}
				if !errors.Is(err, errFull) {
					t.Errorf("after %d bytes: %v", n, err)
				}
			})
		}
	}
}
