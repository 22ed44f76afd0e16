package as2

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// MDN is a receipt as read. What stands in it is the partner's, verbatim.
type MDN struct {
	From, To          string // AS2 names of the HTTP header; empty = missing there
	Text              string // what it says to people, at most 4 KiB of it
	ReportingUA       string
	OriginalMessageID string // as written
	FinalRecipient    string
	OriginalRecipient string
	Disposition       Disposition
	DispositionText   string   // as written
	Details           []string // the fields Error, Failure, Warning and Explanation, as written
	MIC               *MIC     // the first that could be read; nil = not stated
	MICs              []MIC    // all of them; some products state several
	MICText           string   // as written, also where it could not be read

	Signed      bool // and verified
	Signer      *x509.Certificate
	ByAuthority bool       // the signer was not configured himself: an authority vouches for him
	Digest      cms.Digest // of the signature that verified
	Scheme      cms.Scheme // likewise
	SigningTime time.Time  // as the signer claims; zero if he does not
	Expired     bool       // the signer's certificate had expired
	Claim       string     // why the signature does not count; empty if it does, or there is none

	Layers []string // media types, outermost first
	Notes  []string // worth an event: a liberty taken, something that does not fit
}

// ErrNotMDN is wrapped where an answer is no receipt at all.
var ErrNotMDN = errors.New("as2: the answer is no receipt")

func notMDN(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotMDN, fmt.Errorf(format, args...))
}

// maxMDN bounds a receipt, in bytes; they have a few KiB.
const maxMDN = 1 << 20

// ParseMDN reads a receipt of less than 1 MiB. An answer that is none gives an error
// wrapping ErrNotMDN that says what it is instead, and no MDN.
//
// A receipt whose signature does not verify with the trusted certificates comes back
// with Signed false and the reason in Claim: what it says is then worth nothing but
// the trouble of showing it. Encrypted and compressed receipts are refused: RFC 4130,
// 7.4.2 knows only multipart/report, bare or signed.
func ParseMDN(header http.Header, body []byte, trust cms.Trust, at time.Time) (*MDN, error) {
	r := &mdnReader{m: &MDN{From: foreignName(header.Get("AS2-From")), To: foreignName(header.Get("AS2-To"))}, verify: func(s *cms.Signature, sums map[cms.Digest][]byte) (*cms.Verified, error) {
		return s.Verify(sums, trust, at)
	}}
	if err := r.read(header, body); err != nil {
		return nil, err
	}
	if err := r.m.understand(r.report); err != nil {
		return nil, err
	}
	return r.m, nil
}

// mdnReader finds the report in an answer.
type mdnReader struct {
	m      *MDN
	verify func(*cms.Signature, map[cms.Digest][]byte) (*cms.Verified, error) // nil = nobody asks
	report []Field                                                            // of message/disposition-notification
}

// read takes an answer apart.
func (r *mdnReader) read(header http.Header, body []byte) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return notMDN("it is empty")
	case len(body) >= maxMDN:
		return notMDN("it has 1 MiB or more")
	}
	return r.entity(textproto.MIMEHeader(header), body, true)
}

// entity reads what may stand outermost, and inside of a signature.
func (r *mdnReader) entity(h textproto.MIMEHeader, body []byte, outermost bool) error {
	typ, params := mediaType(h.Get("Content-Type"))
	r.m.Layers = append(r.m.Layers, typ)
	switch {
	case typ == "multipart/report":
		return r.multipartReport(body, params)
	case typ == "message/disposition-notification":
		content, err := decodeAll(bytes.NewReader(body), h)
		if err != nil {
			return notMDN("%w", err)
		}
		r.report = readFields(content)
		return nil
	case !outermost:
		return notMDN("what is signed is %s", nameType(typ))
	case typ == "multipart/signed":
		return r.multipartSigned(body, params)
	case typ == "application/pkcs7-mime" || typ == "application/x-pkcs7-mime":
		content, err := decodeAll(bytes.NewReader(body), h)
		if err != nil {
			return notMDN("%w", err)
		}
		return r.opaque(content)
	}
	return notMDN("it is %s", describeAnswer(typ, body))
}

func decodeAll(r io.Reader, h textproto.MIMEHeader) ([]byte, error) {
	return io.ReadAll(decodeTransfer(r, h))
}

// multipartSigned reads RFC 1847, 2.1: the signature is over the exact bytes of the
// first part.
func (r *mdnReader) multipartSigned(body []byte, params map[string]string) error {
	ps, err := newParts(bytes.NewReader(body), params["boundary"])
	if err == nil {
		defer ps.release()
		err = firstPart(ps)
	}
	if err != nil {
		return notMDN("%w", err)
	}
	part, err := io.ReadAll(ps)
	if err != nil {
		return notMDN("%w", err)
	}
	if err := r.inner(part); err != nil {
		return err
	}
	if r.verify == nil {
		return nil
	}
	signature, err := readSignature(ps, cms.Limits{}, false)
	if err != nil {
		r.m.Claim = err.Error()
		return nil
	}
	v, err := r.verify(signature, sumsOf(part, signature.Digests()))
	if canonical := crlf(part); err != nil && len(canonical) != len(part) {
		// Some products sign CRLF and send bare LF.
		if again, cerr := r.verify(signature, sumsOf(canonical, signature.Digests())); cerr == nil {
			v, err = again, nil
			r.note("the receipt is signed with CRLF line ends and was sent with others")
		}
	}
	r.conclude(v, err)
	return nil
}

// opaque reads a receipt inside of a SignedData (RFC 5751, 3.4.2).
func (r *mdnReader) opaque(body []byte) error {
	switch cms.Sniff(bufio.NewReader(bytes.NewReader(body))) {
	case cms.Signed:
	case cms.Enveloped, cms.AuthEnveloped:
		return notMDN("it is encrypted; receipts are signed, never encrypted (RFC 4130, 7.4.2)")
	case cms.Compressed:
		return notMDN("it is compressed; receipts are signed, never compressed (RFC 4130, 7.4.2)")
	default:
		return notMDN("it is application/pkcs7-mime that is no signed-data")
	}
	s, err := cms.OpenSigned(bytes.NewReader(body), cms.Limits{})
	if err != nil {
		return notMDN("%w", err)
	}
	if !s.Opaque() {
		return notMDN("it is a signature without content")
	}
	content, err := io.ReadAll(s)
	if err != nil {
		return notMDN("%w", err)
	}
	if err := r.inner(content); err != nil || r.verify == nil {
		return err
	}
	r.note("the receipt stands inside of its signature (signed-data instead of multipart/signed)")
	v, err := r.verify(s, s.Sums())
	r.conclude(v, err)
	return nil
}

// inner reads the entity that is signed.
func (r *mdnReader) inner(part []byte) error {
	br := bufio.NewReader(bytes.NewReader(part))
	_, h, err := readMIMEHeader(br)
	if err != nil {
		return notMDN("%w", err)
	}
	rest, err := io.ReadAll(br)
	if err != nil {
		return notMDN("%w", err)
	}
	return r.entity(h, rest, false)
}

func (r *mdnReader) conclude(v *cms.Verified, err error) {
	if err != nil {
		r.m.Claim = err.Error()
		return
	}
	r.m.Signed, r.m.Signer, r.m.ByAuthority, r.m.Expired = true, v.Certificate, v.ByAuthority, v.Expired
	r.m.Digest, r.m.Scheme, r.m.SigningTime = v.Digest, v.Scheme, v.SigningTime
	if v.Digest == cms.SHA1 {
		r.note("the receipt is signed with sha1, which is broken")
	}
}

func (r *mdnReader) note(format string, args ...any) {
	r.m.Notes = append(r.m.Notes, fmt.Sprintf(format, args...))
}

func sumsOf(content []byte, ds []cms.Digest) map[cms.Digest][]byte {
	h := newHashes(ds)
	h.Write(content)
	return h.sums()
}

// crlf writes every line end as CRLF.
func crlf(b []byte) []byte {
	lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))
}

// multipartReport finds the machine-readable part and the first text, in any order.
// Header lines that some products repeat before the first boundary are preamble and
// skipped.
func (r *mdnReader) multipartReport(body []byte, params map[string]string) error {
	ps, err := newParts(bytes.NewReader(body), params["boundary"])
	if err != nil {
		return notMDN("%w", err)
	}
	defer ps.release()
	for found := false; ; {
		err := ps.next()
		if err == io.EOF && !found {
			return notMDN("it has no part message/disposition-notification")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return notMDN("%w", err)
		}
		br := bufio.NewReader(ps)
		_, h, err := readMIMEHeader(br)
		if err != nil {
			return notMDN("%w", err)
		}
		content, err := decodeAll(br, h)
		if err != nil {
			return notMDN("%w", err)
		}
		typ, params := mediaType(h.Get("Content-Type"))
		switch {
		case typ == "message/disposition-notification" && found:
			r.note("the receipt has a second part message/disposition-notification, which was not read")
		case typ == "message/disposition-notification":
			found, r.report = true, readFields(content)
		case r.m.Text == "":
			r.m.Text = humanText(typ, params, content)
		}
	}
}
