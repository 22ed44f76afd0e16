package as2

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/pipeline"
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
	Version     string  // AS2-Version, one of Versions; empty = "1.2"
	Extra       []Field // further HTTP header fields
	Quirks      Quirks
	Date        time.Time
	ContentType string // of the payload that Seal takes
	Filename    string // of the same; empty = not sent
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
	MICNames              string // spelling of digests: "" = sha-256 and sha1, "plain" = sha256, "rsa" = rsa-sha256
	PayloadBase64         bool   // Content-Transfer-Encoding: base64 for the files inside of a layer or a multipart; a plain body stays as it is
	UnquotedFilename      bool   // filename=INV-1.zip; names with blanks or other specials stay in quotes
	NoFilename            bool   // no Content-Disposition for the files
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
	Header     []Field        `json:"header"` // everything but Host, Content-Length and credentials
	Length     int64          `json:"length"` // of the body, bytes
	SHA256     string         `json:"sha256"` // of the body
	MICs       []MIC          `json:"mics"`   // what a receipt must repeat; the signature's first
	Signed     bool           `json:"signed"`
	Encrypted  bool           `json:"encrypted"`
	Compressed bool           `json:"compressed,omitempty"`
	Files      []SealedFile   `json:"files,omitempty"` // several = multipart/related, the document first; none = sealed by an earlier version
	Receipt    ReceiptRequest `json:"receipt"`
	Notes      []string       `json:"notes,omitempty"` // worth an event: legacy algorithms that were used
}

// Seal writes the body of an AS2 message to w in one pass. payload is called once and
// writes the document; its error is returned as it is. The digests for the receipt
// are taken on the way (RFC 4130, 7.3.1): of the signature, and all that the receipt
// request offers; without either the one that RFC 4130, 7.4.3 makes the default.
//
// Options that the AS2-Version forbids are an error, and nothing is written then.
func Seal(w io.Writer, payload func(io.Writer) error, o SealOptions) (*Sealed, error) {
	return SealFiles(w, []File{{o.ContentType, o.Filename, payload}}, o)
}

// SealFiles is Seal for several files, of which the first one is the document. They
// become one multipart/related whose root it is (RFC 6362; RFC 2387), each part with
// its content type, its name and a Content-ID; the MIC is over the whole of it. Its
// header counts where that of a single file would: not in a plain message, whose MIC is
// over the HTTP body (RFC 4130, 7.3.1). One file alone is sealed as it is.
//
// ContentType and Filename of the options count for nothing here.
func SealFiles(w io.Writer, files []File, o SealOptions) (*Sealed, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	content, sealed, err := o.content(files)
	if err != nil {
		return nil, err
	}
	mic := newHashes(o.digests())
	e, err := o.layers(content, mic)
	if err != nil {
		return nil, err
	}
	header := o.header(e)
	if err := checkFields(header); err != nil {
		return nil, err
	}
	out := &countingWriter{w: w, digest: sha256.New()}
	body := pipeline.NewWriter(out)
	defer body.Close() // again, or after a panic
	if err := closed(body, e.write(body)); err != nil {
		return nil, err
	}
	return &Sealed{
		Header: header, Length: out.n, SHA256: hex.EncodeToString(out.digest.Sum(nil)),
		MICs: mic.mics(), Signed: o.Sign != nil, Encrypted: len(o.Recipients) > 0, Compressed: o.Compress != NoCompression,
		Files: sealed, Receipt: o.Receipt, Notes: o.notes(),
	}, nil
}

// check holds the options against the AS2-Version.
func (o *SealOptions) check() error {
	if o.Version != "" && !slices.Contains(Versions, o.Version) {
		return fmt.Errorf("as2: AS2-Version %q is none of %s", o.Version, strings.Join(Versions, ", "))
	}
	if o.Compress != NoCompression && o.Version == "1.0" {
		return fmt.Errorf("as2: AS2-Version 1.0 knows no compression; it takes 1.1 or higher") // RFC 5402, 6
	}
	var used []cms.Digest
	if o.Sign != nil {
		used = append(used, o.Sign.Digest)
	}
	if o.Receipt.Wanted {
		used = append(used, o.Receipt.Digests...)
	}
	if err := CheckModern(o.Version, cms.NoCipher, 0, used...); err != nil {
		return err
	}
	for _, r := range o.Recipients {
		if err := CheckModern(o.Version, o.Cipher, r.Transport); err != nil {
			return err
		}
	}
	return CheckExtra(o.Extra)
}

// digests are those of the MIC, the signature's first.
func (o *SealOptions) digests() []cms.Digest {
	switch {
	case o.Sign != nil:
		return append([]cms.Digest{o.Sign.Digest}, o.Receipt.Digests...)
	case len(o.Receipt.Digests) > 0:
		return o.Receipt.Digests
	case atLeast(o.Version, 3):
		return []cms.Digest{cms.SHA256} // draft rfc4130bis, 8.4.3
	}
	return []cms.Digest{cms.SHA1, cms.SHA256} // RFC 4130, 7.4.3; and what partners above it answer with
}

// notes name the legacy algorithms that were used.
func (o *SealOptions) notes() (notes []string) {
	if len(o.Recipients) > 0 && o.Cipher.Legacy() {
		notes = append(notes, fmt.Sprintf("it is encrypted with %s, a legacy cipher", o.Cipher))
	}
	if o.Sign != nil && o.Sign.Digest == cms.SHA1 {
		notes = append(notes, "it is signed with sha1, a legacy digest")
	}
	return notes
}

// reserved are the header fields that Seal writes, or that belong to the connection.
var reserved = []string{
	"as2-version", "as2-product", "as2-from", "as2-to", "message-id", "original-message-id", "date", "mime-version", "subject", "user-agent", "ediint-features",
	"disposition-notification-to", "disposition-notification-options", "receipt-delivery-option",
	"content-type", "content-transfer-encoding", "content-disposition", "content-encoding", "content-length", "transfer-encoding", "te", "trailer",
	"host", "connection", "keep-alive", "proxy-connection", "upgrade", "expect", "authorization", "proxy-authorization",
}

// Reserved reports whether a header field, in any case, is written from the settings and
// cannot be an extra one.
func Reserved(name string) bool { return slices.Contains(reserved, strings.ToLower(name)) }

// CheckExtra reports a further header field that is not one line, or that would
// contradict one which a message has anyway.
func CheckExtra(fields []Field) error {
	for _, f := range fields {
		if !isToken(f.Name) {
			return fmt.Errorf("as2: %q is no name of a header field", f.Name)
		}
		if Reserved(f.Name) {
			return fmt.Errorf("as2: the header field %s is written from the settings and cannot be an extra one", f.Name)
		}
	}
	return checkFields(fields)
}

// header is what the HTTP request carries (RFC 4130, 5 and 6).
func (o *SealOptions) header(e entity) []Field {
	h := append(versionFields(o.Version, o.UserAgent),
		Field{"AS2-From", QuoteName(o.From)},
		Field{"AS2-To", QuoteName(o.To)},
		Field{"Message-ID", o.MessageID},
		Field{"Date", o.Date.UTC().Format(time.RFC1123Z)},
		Field{"MIME-Version", "1.0"},
	)
	if o.Subject != "" {
		h = append(h, Field{"Subject", o.Subject})
	}
	if o.UserAgent != "" {
		h = append(h, Field{"User-Agent", o.UserAgent})
	}
	h = append(h, o.Receipt.fields(o.ReceiptTo, o.Quirks.MICNames)...)
	for _, f := range e.header {
		// RFC 4130, 5.2.1: HTTP is eight-bit clean, a transfer encoding has no place there.
		if f.Name != "Content-Transfer-Encoding" || o.Quirks.HTTPTransferEncoding {
			h = append(h, f)
		}
	}
	if o.Quirks.HTTPTransferEncoding && Get(e.header, "Content-Transfer-Encoding") == "" {
		h = append(h, Field{"Content-Transfer-Encoding", "binary"})
	}
	return append(h, o.Extra...)
}

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
