package cms

import (
	"bufio"
	"encoding/asn1"
	"errors"
	"io"
)

// ContentType is what a CMS structure holds.
type ContentType int

const (
	Unknown ContentType = iota
	Signed
	Enveloped
	Compressed
	AuthEnveloped
)

// String is the smime-type parameter (RFC 8551, 3.2.2).
func (c ContentType) String() string {
	return [...]string{"unknown", "signed-data", "enveloped-data", "compressed-data", "authEnveloped-data"}[c]
}

var (
	oidData              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidEnvelopedData     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidCompressedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 9}
	oidAuthEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 23}
)

// Sniff tells what the stream holds without taking anything from it. r needs a
// buffer of at least 32 bytes.
func Sniff(r *bufio.Reader) ContentType {
	start, _ := r.Peek(32) // a shorter stream is simply not recognised
	b := newBER(bufio.NewReaderSize(&sliceReader{start}, 32), Limits{})
	if b.enter(classUniversal, tagSequence, "ContentInfo") != nil {
		return Unknown
	}
	der, err := b.der("content type")
	if err != nil {
		return Unknown
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(der, &oid); err != nil {
		return Unknown
	}
	switch {
	case oid.Equal(oidSignedData):
		return Signed
	case oid.Equal(oidEnvelopedData):
		return Enveloped
	case oid.Equal(oidCompressedData):
		return Compressed
	case oid.Equal(oidAuthEnvelopedData):
		return AuthEnveloped
	}
	return Unknown
}

type sliceReader struct{ b []byte }

func (s *sliceReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b)
	s.b = s.b[n:]
	return n, nil
}

// open enters a ContentInfo of the given type (RFC 5652, 3) up to the SEQUENCE of
// its content, and reads the version.
func open(r io.Reader, lim Limits, want asn1.ObjectIdentifier, what string) (*ber, error) {
	b, oid, err := openAny(r, lim)
	if err != nil {
		return nil, err
	}
	if !oid.Equal(want) {
		return nil, syntaxError("%s expected, found content type %v", what, oid)
	}
	return b, b.version(what)
}

// openAny enters a ContentInfo up to the content type.
func openAny(r io.Reader, lim Limits) (*ber, asn1.ObjectIdentifier, error) {
	b := newBER(r, lim)
	if err := b.enter(classUniversal, tagSequence, "ContentInfo"); err != nil {
		return nil, nil, err
	}
	oid, err := b.oid("content type")
	return b, oid, err
}

// version enters the content of a ContentInfo and reads its version.
func (b *ber) version(what string) error {
	if err := b.enter(classContext, 0, "content"); err != nil {
		return err
	}
	if err := b.enter(classUniversal, tagSequence, what); err != nil {
		return err
	}
	if h, err := b.peek(); err != nil || !h.is(classUniversal, tagInteger) {
		return missing(orSyntax(err, "version expected"), "version")
	}
	_, err := b.der("version") // nothing depends on it
	return err
}

func orSyntax(err error, text string) error {
	if err == nil {
		return syntaxError("%s", text)
	}
	return err
}

func (b *ber) oid(what string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	err := b.unmarshal(&oid, what)
	return oid, err
}

// unmarshal reads the next element whole into v.
func (b *ber) unmarshal(v any, what string) error {
	der, err := b.der(what)
	if err != nil {
		return err
	}
	return unmarshal(der, v, what)
}

func unmarshal(der []byte, v any, what string) error {
	rest, err := asn1.Unmarshal(der, v)
	if err != nil || len(rest) > 0 {
		return syntaxError("%s: %v, %d bytes left", what, err, len(rest))
	}
	return nil
}

// octets streams the contents of an octet string in primitive or constructed form,
// to any depth of segments within the limits, without recursion.
type octets struct {
	b    *ber
	base int   // depth of the stack outside of the string
	left int64 // of the primitive segment being read
	done bool
	err  error
}

// octetString opens the next element as an octet string with the given tag.
func (b *ber) octetString(class byte, tag uint32, what string) (*octets, error) {
	h, err := b.peek()
	if err != nil {
		return nil, missing(err, what)
	}
	if !h.is(class, tag) {
		return nil, syntaxError("%s expected, found %v", what, h)
	}
	if _, err := b.take(); err != nil {
		return nil, err
	}
	o := &octets{b: b, base: len(b.stack)}
	if !h.constructed {
		if err := b.consume(h.length); err != nil {
			return nil, err
		}
		o.left, o.done = h.length, true
		return o, nil
	}
	return o, b.push(h)
}

func (o *octets) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	for o.left == 0 {
		if o.done {
			o.err = io.EOF
			return 0, io.EOF
		}
		if o.err = o.segment(); o.err != nil {
			return 0, o.err
		}
	}
	if int64(len(p)) > o.left {
		p = p[:o.left]
	}
	n, err := o.b.r.Read(p)
	o.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	o.err = err
	return n, err
}

// segment finds the next primitive segment of a constructed string, or its end.
func (o *octets) segment() error {
	h, err := o.b.peek()
	if errors.Is(err, errEnd) {
		if err := o.b.pop(); err != nil {
			return err
		}
		o.done = len(o.b.stack) == o.base
		return nil
	}
	if err != nil {
		return err
	}
	if !h.is(classUniversal, tagOctetString) {
		return syntaxError("octet string segment expected, found %v", h)
	}
	if _, err := o.b.take(); err != nil {
		return err
	}
	if h.constructed {
		return o.b.push(h)
	}
	o.left = h.length
	return o.b.consume(h.length)
}

// finish closes every element that is open, so that a stream which was cut short
// behind the content is not taken for a whole one. Bytes behind the end are left.
func (b *ber) finish() error {
	for len(b.stack) > 0 {
		if err := b.leave(); err != nil {
			return err
		}
	}
	return nil
}

// known is the length of a primitive string.
func (o *octets) known() (length int64, ok bool) { return o.left, o.done }
