package as2

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// Compression says where in the layers a message is compressed (RFC 5402, 2).
type Compression int

const (
	NoCompression Compression = iota
	CompressBeforeSign
	CompressAfterSign
)

// SealOptions say what Seal makes of a payload.
type SealOptions struct {
	From, To    string // AS2 names
	MessageID   string // with angle brackets
	Subject     string
	UserAgent   string
	Version     string  // AS2-Version; empty = "1.2"
	Extra       []Field // further HTTP header fields
	Quirks      Quirks
	Date        time.Time
	ContentType string // of the payload
	Filename    string // of the payload; empty = not sent
	Sign        *cms.Signer
	Cipher      cms.Cipher
	Recipients  []cms.Recipient // empty = not encrypted
	Spool       cms.NewSpool    // for CCM
	Compress    Compression
	Receipt     ReceiptRequest
	ReceiptTo   string    // Disposition-Notification-To; any value, it is never mailed to
	Rand        io.Reader // nil = crypto/rand
}

// Quirks are liberties that single partners need; the zero value is right for all others.
type Quirks struct {
	MICNames              string // spelling of SHA-2 names: "" = sha-256, "plain" = sha256, "rsa" = rsa-sha256
	PayloadBase64         bool   // Content-Transfer-Encoding: base64 for the payload
	UnquotedFilename      bool   // filename=INV-1.zip
	NoFilename            bool   // no Content-Disposition for the payload
	HTTPTransferEncoding  bool   // Content-Transfer-Encoding among the HTTP header fields
	CanonicalMIC          bool   // receipts whose MIC is over CRLF line ends are accepted
	UnsignedReceipts      bool   // answer with unsigned receipts whatever is asked for
	OpaqueSignature       bool   // application/pkcs7-mime signed-data instead of multipart/signed
	NoAlgorithmProtection bool
	NoSignedAttributes    bool
}

// Sealed is a message as it goes over the wire, without its body: what stays fixed
// for all attempts. It survives a round trip through JSON.
type Sealed struct {
	Header    []Field        `json:"header"` // everything but Host, Content-Length and credentials
	Length    int64          `json:"length"` // of the body, bytes
	SHA256    string         `json:"sha256"` // of the body
	MICs      []MIC          `json:"mics"`   // what a receipt must repeat; the signature's first
	Signed    bool           `json:"signed"`
	Encrypted bool           `json:"encrypted"`
	Receipt   ReceiptRequest `json:"receipt"`
}

// entity is a MIME entity that can be written once.
type entity struct {
	header []Field
	write  func(io.Writer) error
}

func (e entity) writeAll(w io.Writer) error {
	if _, err := w.Write(appendFields(nil, e.header)); err != nil {
		return err
	}
	return e.write(w)
}

// Seal writes the body of an AS2 message to w in one pass. payload is called once and
// writes the document; its error is returned as it is. The digests for the receipt
// are taken on the way (RFC 4130, 7.3.1): of the signature, and all that the receipt
// request offers.
func Seal(w io.Writer, payload func(io.Writer) error, o SealOptions) (*Sealed, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	offered := o.Receipt.Digests
	if o.Sign != nil {
		offered = append([]cms.Digest{o.Sign.Digest}, offered...)
	}
	mic := newHashes(offered)
	e, err := o.layers(payload, mic)
	if err != nil {
		return nil, err
	}
	out := &countingWriter{w: w, digest: sha256.New()}
	buffered := bufio.NewWriterSize(out, 64<<10)
	if err := e.write(buffered); err != nil {
		return nil, err
	}
	if err := buffered.Flush(); err != nil {
		return nil, err
	}
	return &Sealed{
		Header: o.header(e), Length: out.n, SHA256: hex.EncodeToString(out.digest.Sum(nil)),
		MICs: mic.mics(), Signed: o.Sign != nil, Encrypted: len(o.Recipients) > 0, Receipt: o.Receipt,
	}, nil
}

// layers wraps the payload from the inside out.
func (o *SealOptions) layers(payload func(io.Writer) error, mic *hashes) (entity, error) {
	e := entity{o.payloadHeader(), payload}
	wrapped := o.Sign != nil || o.Compress != NoCompression || len(o.Recipients) > 0
	if o.Sign == nil {
		e = o.hashed(e, mic, wrapped)
	}
	if o.Compress == CompressBeforeSign || o.Compress == CompressAfterSign && o.Sign == nil {
		e = compressed(e)
	}
	if o.Sign != nil {
		boundary, err := newBoundary(o.Rand)
		if err != nil {
			return entity{}, err
		}
		e = signed(e, o.Sign, mic, boundary, o.Date)
		if o.Compress == CompressAfterSign {
			e = compressed(e)
		}
	}
	if len(o.Recipients) > 0 {
		e = o.encrypted(e)
	}
	return e, nil
}

func (o *SealOptions) payloadHeader() []Field {
	h := []Field{{"Content-Type", o.ContentType}, {"Content-Transfer-Encoding", "binary"}}
	if o.Filename != "" {
		h = append(h, Field{"Content-Disposition", disposition(o.Filename)})
	}
	return h
}

// disposition names a file in quotes, or as RFC 2231 wants it where it is not ASCII.
func disposition(name string) string {
	for _, r := range name {
		if r > 0x7e || r < 0x20 {
			return mime.FormatMediaType("attachment", map[string]string{"filename": name})
		}
	}
	return `attachment; filename="` + name + `"`
}

// hashed takes the MIC of an unsigned message. Wrapped: over the inner entity with its
// header (RFC 4130, 7.3.1; RFC 5402, 4.3). Plain: over the body without header.
func (o *SealOptions) hashed(e entity, mic *hashes, wrapped bool) entity {
	return entity{e.header, func(w io.Writer) error {
		if wrapped {
			mic.Write(appendFields(nil, e.header))
		}
		return e.write(io.MultiWriter(w, mic))
	}}
}

func compressed(inner entity) entity {
	return entity{pkcs7Header("compressed-data", "smime.p7z"), func(w io.Writer) error {
		z, err := cms.Compress(w)
		if err != nil {
			return err
		}
		return errors.Join(inner.writeAll(z), z.Close())
	}}
}

func (o *SealOptions) encrypted(inner entity) entity {
	return entity{pkcs7Header("enveloped-data", "smime.p7m"), func(w io.Writer) error {
		c, err := cms.Encrypt(w, cms.EncryptOptions{Cipher: o.Cipher, Recipients: o.Recipients, Rand: o.Rand, Spool: o.Spool})
		if err != nil {
			return err
		}
		if err := inner.writeAll(c); err != nil {
			return err
		}
		return c.Close()
	}}
}

func pkcs7Header(smimeType, name string) []Field {
	return []Field{
		{"Content-Type", `application/pkcs7-mime; smime-type=` + smimeType + `; name="` + name + `"`},
		{"Content-Transfer-Encoding", "binary"},
		{"Content-Disposition", `attachment; filename="` + name + `"`},
	}
}

// signed wraps an entity in multipart/signed (RFC 1847, 2.1). What is hashed is the
// first part with its header, without the CRLF before the boundary.
func signed(inner entity, signer *cms.Signer, mic *hashes, boundary string, at time.Time) entity {
	h := []Field{{"Content-Type", `multipart/signed; protocol="application/pkcs7-signature"; micalg=` + signer.Digest.String() + `; boundary="` + boundary + `"`}}
	return entity{h, func(w io.Writer) error {
		if _, err := io.WriteString(w, "--"+boundary+"\r\n"); err != nil {
			return err
		}
		if err := inner.writeAll(io.MultiWriter(w, mic)); err != nil {
			return err
		}
		m, _ := FindMIC(mic.mics(), signer.Digest) // Seal has put it first
		signature, err := signer.Sign(m.Sum, at)
		if err != nil {
			return err
		}
		_, err = w.Write(signaturePart(signature, boundary))
		return err
	}}
}

// signaturePart is everything behind the signed part.
func signaturePart(der []byte, boundary string) []byte {
	b := []byte("\r\n--" + boundary + "\r\n")
	b = appendFields(b, []Field{
		{"Content-Type", `application/pkcs7-signature; name="smime.p7s"`},
		{"Content-Transfer-Encoding", "base64"},
		{"Content-Disposition", `attachment; filename="smime.p7s"`},
	})
	text := base64.StdEncoding.EncodeToString(der)
	for len(text) > 76 {
		b = append(append(b, text[:76]...), "\r\n"...)
		text = text[76:]
	}
	return append(append(b, text...), "\r\n--"+boundary+"--\r\n"...)
}

// newBoundary makes a boundary of letters, digits and hyphens that no payload has.
func newBoundary(rand io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("as2: random bytes: %w", err)
	}
	return "as2drop-" + hex.EncodeToString(b[:]), nil
}

// header is what the HTTP request carries (RFC 4130, 5 and 6).
func (o *SealOptions) header(e entity) []Field {
	h := []Field{
		{"AS2-Version", "1.2"},
		{"AS2-From", QuoteName(o.From)},
		{"AS2-To", QuoteName(o.To)},
		{"Message-ID", o.MessageID},
		{"Date", o.Date.UTC().Format(time.RFC1123Z)},
		{"MIME-Version", "1.0"},
	}
	if o.Subject != "" {
		h = append(h, Field{"Subject", o.Subject})
	}
	if o.UserAgent != "" {
		h = append(h, Field{"User-Agent", o.UserAgent})
	}
	h = append(h, Field{"EDIINT-Features", features})
	h = append(h, o.Receipt.fields(o.ReceiptTo, o.Quirks.MICNames)...)
	for _, f := range e.header {
		// RFC 4130, 5.2.1: HTTP is eight-bit clean, a transfer encoding has no place there.
		if f.Name != "Content-Transfer-Encoding" {
			h = append(h, f)
		}
	}
	return h
}

// features is our EDIINT-Features (RFC 6017).
const features = "CMS"

type countingWriter struct {
	w      io.Writer
	n      int64
	digest hash.Hash
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.digest.Write(p[:n])
	return n, err
}
