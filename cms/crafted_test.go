package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"testing"
)

// crafted is an envelope made by hand, as no writer of ours makes it.
type crafted struct {
	recipients [][]byte
	algorithm  []byte // an AlgorithmIdentifier
	content    []byte // encrypted
	segments   int    // > 0: a constructed string of so many of that length
	auth       bool   // AuthEnvelopedData
	attributes []byte // [1]
	mac        []byte
}

// sequence is one constructed element around others.
func sequence(h header, parts ...[]byte) []byte {
	h.constructed = true
	return encode(h, bytes.Join(parts, nil))
}

var (
	inSequence = header{tag: tagSequence}
	inContext0 = header{class: classContext}
)

func (c crafted) bytes() []byte {
	content := encode(inContext0, c.content)
	if c.segments > 0 {
		content = []byte{0xa0, 0x80}
		for rest := c.content; len(rest) > 0; {
			n := min(c.segments, len(rest))
			content = append(content, encode(header{tag: tagOctetString}, rest[:n])...)
			rest = rest[n:]
		}
		content = append(content, 0, 0)
	}
	oid, version := oidEnvelopedData, []byte{tagInteger, 1, 2}
	if c.auth {
		oid = oidAuthEnvelopedData
	}
	parts := [][]byte{version,
		sequence(header{tag: tagSet}, c.recipients...),
		sequence(inSequence, mustMarshal(oidData), c.algorithm, content),
	}
	if c.auth {
		parts = append(parts, c.attributes, encode(header{tag: tagOctetString}, c.mac))
	}
	return sequence(inSequence, mustMarshal(oid), sequence(inContext0, sequence(inSequence, parts...)))
}

// wrapped is a RecipientInfo for an identity.
func wrapped(t testing.TB, key []byte, id Identity, k KeyTransport) []byte {
	t.Helper()
	der, err := Recipient{Certificate: id.Certificate, Transport: k}.wrap(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// algorithmOf is an AlgorithmIdentifier with parameters of any kind.
func algorithmOf(c Cipher, parameters any) []byte {
	der, ok := parameters.([]byte)
	if !ok {
		der = mustMarshal(parameters)
	}
	return mustMarshal(pkix.AlgorithmIdentifier{Algorithm: c.spec().oid, Parameters: asn1.RawValue{FullBytes: der}})
}

// memory is a spool that counts, and can fail.
type memory struct {
	bytes.Buffer
	closed             int
	failWrite, failEnd error
	lose               int // bytes that do not come back
}

var errFull = errors.New("no space left on device")

func (m *memory) Write(p []byte) (int, error) {
	if m.failWrite != nil {
		return 0, m.failWrite
	}
	return m.Buffer.Write(p)
}

func (m *memory) Rewind() (io.Reader, error) {
	return bytes.NewReader(m.Bytes()[:m.Len()-m.lose]), m.failEnd
}

func (m *memory) Close() error {
	m.closed++
	return nil
}

// spool hands out one that the test can look at.
func (m *memory) spool() (Spool, error) { return m, nil }

func newMemory() (Spool, error) { return &memory{}, nil }

// allCiphers accepts everything.
func allCiphers(ids ...Identity) DecryptOptions {
	return DecryptOptions{Identities: ids, Ciphers: every(), Spool: newMemory}
}

func openWith(r io.Reader, o DecryptOptions) ([]byte, *Decrypted, error) {
	d, err := Decrypt(r, o)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(d)
	return data, d, err
}
