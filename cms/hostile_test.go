package cms

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
)

// upTo is a good message in definite lengths up to and without a part of it.
func upTo(t *testing.T, message, part []byte) []byte {
	t.Helper()
	i := bytes.Index(message, part)
	if i < 0 {
		t.Fatal("no such part")
	}
	return bytes.Clone(message[:i])
}

// indefinite is the head of an envelope whose elements around the content have no
// length, so that anything can follow.
func indefinite(s sealedByHand) []byte {
	oid := oidEnvelopedData
	if s.auth {
		oid = oidAuthEnvelopedData
	}
	b := append([]byte{0x30, 0x80}, mustMarshal(oid)...)
	b = append(b, 0xa0, 0x80, 0x30, 0x80, tagInteger, 1, 0)
	b = append(b, sequence(header{tag: tagSet}, s.recipients...)...)
	b = append(b, 0x30, 0x80)
	return append(append(b, mustMarshal(oidData)...), s.algorithm...)
}

// allocated is what this process has taken from the heap so far, bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

var huge = []byte{0x86, 1, 0, 0, 0, 0, 1} // a length of 2^40+1

// Lengths that no machine has, where content, attributes and tag stand: nothing is
// allocated for them, and the answer is that of damaged content.
func TestLengthsBeyondAnything(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES128CBC, AES128GCM, AES128CCM} {
		for _, auth := range []bool{false, true} {
			if auth && !c.Authenticated() {
				continue
			}
			s := byHand(t, c, auth, us, RSAPKCS1)
			head := indefinite(s)
			content := append(bytes.Clone(head), encode(inContext0, s.content)...)
			inner := append(append(bytes.Clone(head), 0xa0, 0x80, tagOctetString), huge...)
			messages := map[string][]byte{
				"content":           append(append(append(bytes.Clone(head), 0x80), huge...), s.content...),
				"a segment":         append(inner, s.content...),
				"behind":            append(append(append(bytes.Clone(content), 0xa1), huge...), 0x30, 0),
				"depth of segments": append(append(bytes.Clone(head), 0xa0, 0x80), bytes.Repeat([]byte{0x24, 0x80}, 1_000_000)...),
				"depth behind":      append(append(bytes.Clone(content), 0, 0), bytes.Repeat([]byte{0xa1, 0x80}, 1_000_000)...),
			}
			if auth {
				closed := append(bytes.Clone(content), 0, 0)
				messages["a tag"] = append(append(append(closed, tagOctetString), huge...), s.mac...)
				messages["attributes"] = append(append(append(bytes.Clone(closed), 0xa1), huge...), 0x30, 0)
				messages["a million attributes"] = append(append(bytes.Clone(closed), 0xa1, 0x80), bytes.Repeat([]byte{5, 0}, 1_000_000)...)
			}
			for name, message := range messages {
				before := allocated()
				data, err := unseal(bytes.NewReader(message), us)
				if err != ErrDecrypt || len(data) > len(message) {
					t.Errorf("%v, auth %v, %s: %d bytes, %v", c, auth, name, len(data), err)
				}
				if bytes := allocated() - before; bytes > 64<<20 {
					t.Errorf("%v, auth %v, %s: %d MiB", c, auth, name, bytes>>20)
				}
			}
		}
	}
}

// Segments without anything in them cost nothing and change nothing.
func TestEmptySegments(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES128CBC, AES128GCM, AES128CCM} {
		s := byHand(t, c, false, us, RSAPKCS1)
		m := append(indefinite(s), 0xa0, 0x80)
		m = append(m, bytes.Repeat([]byte{4, 0}, 100_000)...)
		for _, b := range s.content {
			m = append(m, 4, 0, 0x24, 0x80, 4, 1, b, 4, 0, 0, 0, 0x24, 0)
		}
		m = append(m, bytes.Repeat([]byte{4, 0}, 100_000)...)
		m = append(m, make([]byte, 10)...)
		if data, err := unseal(bytes.NewReader(m), us); err != nil || !bytes.Equal(data, s.plain) {
			t.Errorf("%v: %d bytes, %v", c, len(data), err)
		}
	}
}

// Something else than a segment among the segments, behind all of the content: what came
// before is whole, and the answer is that of damaged content all the same.
func TestSomethingElseAmongTheSegments(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES128CBC, AES128GCM, AES128CCM} {
		s := byHand(t, c, false, us, RSAPKCS1)
		m := append(indefinite(s), 0xa0, 0x80)
		m = append(m, encode(header{tag: tagOctetString}, s.content)...)
		m = append(m, tagInteger, 1, 0)
		m = append(m, make([]byte, 10)...)
		if _, err := unseal(bytes.NewReader(m), us); err != ErrDecrypt {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// Wherever a message is cut, it does not pass for a whole one; what is behind its end
// does not count. One message for each shape.
func TestEnvelopesCutShortAnywhere(t *testing.T) {
	us, _, _ := identities(t)
	messages := map[string][]byte{
		"gcm as we write it": seal(t, AES256GCM, []byte("invoice"), us),
		"ccm as we write it": seal(t, AES256CCM, []byte("invoice"), us),
	}
	for _, c := range []Cipher{AES128GCM, AES128CCM} {
		for _, auth := range []bool{false, true} {
			s := byHand(t, c, auth, us, RSAPKCS1)
			messages[c.String()+map[bool]string{true: " in definite lengths", false: " appended"}[auth]] = s.bytes()
		}
	}
	for name, message := range messages {
		for n := range len(message) {
			if got, err := unseal(bytes.NewReader(message[:n]), us); err == nil {
				t.Fatalf("%s: %d of %d bytes opened: %q", name, n, len(message), got)
			}
		}
		if _, err := unseal(bytes.NewReader(append(message, "\r\n\x00\x00junk"...)), us); err != nil {
			t.Errorf("%s: bytes behind the end: %v", name, err)
		}
	}
}

// An error of the structure in front of the content is told, because everybody sees it;
// no private key is used.
func TestMalformedHeads(t *testing.T) {
	us, _, _ := identities(t)
	untouched := Identity{us.Certificate, untouchable{t, us.Key.(decrypter)}}
	s := byHand(t, AES128GCM, true, us, RSAPKCS1)
	message := s.bytes()
	noContent := sequence(inSequence, mustMarshal(oidData), s.algorithm)
	for name, m := range map[string][]byte{
		"signed":            bytes.Replace(message, mustMarshal(oidAuthEnvelopedData), append(mustMarshal(oidSignedData), 5, 0), 1),
		"no recipients":     upTo(t, message, s.recipients[0]),
		"no algorithm":      upTo(t, message, s.algorithm),
		"recipient of text": s.rewrapped([]byte("0\x05hello")).bytes(),
		"no content at all": append(upTo(t, indefinite(s), append(mustMarshal(oidData), s.algorithm...)), noContent[2:]...),
	} {
		d, err := Decrypt(bytes.NewReader(m), allCiphers(untouched))
		if d != nil || errors.Is(err, ErrDecrypt) || !errors.Is(err, ErrSyntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
