package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"go.mozilla.org/pkcs7"
	"pgregory.net/rapid"
)

func seal(t testing.TB, c Cipher, data []byte, to ...Identity) []byte {
	t.Helper()
	var certs []*x509.Certificate
	for _, id := range to {
		certs = append(certs, id.Certificate)
	}
	var buf bytes.Buffer
	w, err := Encrypt(&buf, EncryptOptions{Cipher: c, Recipients: toAll(certs), Rand: rand.Reader, Spool: newMemory})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func unseal(r io.Reader, ids ...Identity) ([]byte, error) {
	data, _, err := openWith(r, allCiphers(ids...))
	return data, err
}

func TestSealedOpens(t *testing.T) {
	us, partner, _ := identities(t)
	rapid.Check(t, func(rt *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(rt, "data"), rapid.SampledFrom([]int{1, 1, 3, 200, 400}).Draw(rt, "times"))
		c := rapid.SampledFrom(every()).Draw(rt, "cipher")
		sealed := seal(t, c, data, partner, us)
		shape := rapid.SampledFrom([]func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }}).Draw(rt, "reader")
		if len(sealed) > 50_000 {
			shape = iotest.HalfReader
		}
		got, err := unseal(shape(bytes.NewReader(sealed)), us)
		if err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("%d bytes, %v: %d bytes, %v", len(data), c, len(got), err)
		}
	})
}

func TestSecondOpinionOnEnvelopes(t *testing.T) {
	us, _, _ := identities(t)
	for _, size := range []int{0, 1, 16, 100_000} {
		data := bytes.Repeat([]byte("x"), size)
		p, err := pkcs7.Parse(seal(t, AES256CBC, data, us))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Decrypt(us.Certificate, us.Key)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("theirs opens ours, %d bytes: %d bytes, %v", size, len(got), err)
		}
		theirs, err := pkcs7.Encrypt(data, []*x509.Certificate{us.Certificate})
		if err != nil {
			t.Fatal(err)
		}
		// Its default is DES-CBC, which we do not have: the answer is the general one,
		// and our own log says why.
		d, err := Decrypt(bytes.NewReader(theirs), DecryptOptions{Identities: []Identity{us}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(d); err != ErrDecrypt || d.Detail() != "content cipher 1.3.14.3.2.7 is not supported" {
			t.Errorf("unsupported cipher: %v, %q", err, d.Detail())
		}
	}
}

// A message that was cut short anywhere never passes for a whole one.
func TestCutShortAnywhere(t *testing.T) {
	us, _, _ := identities(t)
	sealed := seal(t, AES256CBC, []byte("invoice"), us)
	for n := range len(sealed) {
		if got, err := unseal(bytes.NewReader(sealed[:n]), us); err == nil {
			t.Fatalf("%d of %d bytes opened: %q", n, len(sealed), got)
		}
	}
	if _, err := unseal(bytes.NewReader(append(sealed, "\r\n\x00junk"...)), us); err != nil {
		t.Errorf("bytes behind the end, as mendelson sends them: %v", err)
	}
}

// definite re-encodes our own message with definite lengths and a primitive string.
func TestOtherFormsOfTheSameMessage(t *testing.T) {
	us, _, _ := identities(t)
	data := bytes.Repeat([]byte("invoice "), 1000)
	sealed := seal(t, AES256CBC, data, us)
	b := newBER(bytes.NewReader(sealed), Limits{})
	der, err := b.der("message")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unseal(bytes.NewReader(der), us); err != nil || !bytes.Equal(got, data) {
		t.Errorf("definite lengths, segments: %d bytes, %v", len(got), err)
	}
	var ci struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &ci); err != nil || !ci.Type.Equal(oidEnvelopedData) {
		t.Errorf("encoding/asn1 reads it: %v, %v", ci.Type, err)
	}
	// Segments within segments, one of them empty.
	i := bytes.LastIndex(sealed, []byte{0xa0, 0x80, 4})
	nested := append(bytes.Clone(sealed[:i]), 0xa0, 0x80, 0x24, 0x80, 4, 0, 0x24, 0x80)
	nested = append(nested, sealed[i+2:len(sealed)-10]...)
	nested = append(nested, make([]byte, 14)...)
	if got, err := unseal(bytes.NewReader(nested), us); err != nil || !bytes.Equal(got, data) {
		t.Errorf("nested segments: %d bytes, %v", len(got), err)
	}
}

func TestHostileStructures(t *testing.T) {
	us, _, _ := identities(t)
	huge := []byte{0x30, 0x80, 6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 3, 0xa0, 0x80, 0x30, 0x80, 2, 1, 0, 0x31, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for name, message := range map[string][]byte{
		"4 MB of nested sequences":     bytes.Repeat([]byte{0x30, 0x80}, 2_000_000),
		"nested recipients":            append(bytes.Clone(huge[:20]), bytes.Repeat([]byte{0x31, 0x80}, 2_000_000)...),
		"a length of 2^63-1":           huge,
		"a length of 127 octets":       append([]byte{0x30, 0xff}, make([]byte, 127)...),
		"a tag number without end":     bytes.Repeat([]byte{0xff}, 100),
		"a primitive without length":   {0x04, 0x80, 0, 0},
		"end-of-contents at the start": {0, 0},
		"a million empty recipients":   append(append(bytes.Clone(huge[:20]), 0x31, 0x80), bytes.Repeat([]byte{0x30, 0}, 1_000_000)...),
		"nothing":                      nil,
		"text":                         []byte("hello, world, this is no CMS"),
	} {
		if _, err := unseal(bytes.NewReader(message), us); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := ParseSignature(bytes.NewReader(message), Limits{}); err == nil {
			t.Errorf("%s: accepted as a signature", name)
		}
		if _, err := Decompress(bytes.NewReader(message), Limits{}); err == nil {
			t.Errorf("%s: accepted as compressed", name)
		}
		if err := CheckBounds(bytes.NewReader(message), Limits{}); err == nil {
			t.Errorf("%s: within bounds", name)
		}
	}
	if err := CheckBounds(bytes.NewReader(us.Certificate.Raw), Limits{}); err != nil {
		t.Errorf("a certificate: %v", err)
	}
	if err := CheckBounds(bytes.NewReader(us.Certificate.Raw), Limits{HeaderBytes: 100}); !errors.Is(err, ErrSyntax) {
		t.Errorf("a certificate over the limit: %v", err)
	}
}

// errPass is what a broken connection gives; it must come through as it is.
var errPass = errors.New("connection reset")

func TestErrorsOfTheStreamBelow(t *testing.T) {
	us, _, _ := identities(t)
	sealed := seal(t, AES256CBC, bytes.Repeat([]byte("x"), 200_000), us)
	for _, n := range []int{0, 10, 150_000} {
		r := io.MultiReader(bytes.NewReader(sealed[:n]), iotest.ErrReader(errPass))
		if _, err := unseal(r, us); !errors.Is(err, errPass) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func toAll(certs []*x509.Certificate) (rs []Recipient) {
	for _, c := range certs {
		rs = append(rs, Recipient{Certificate: c})
	}
	return rs
}
