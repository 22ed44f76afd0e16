package as2

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// MDNOptions say what a receipt states.
type MDNOptions struct {
	From, To          string // AS2 names: From is ours
	MessageID         string // of the receipt itself, with angle brackets
	OriginalMessageID string // byte for byte as received
	Recipient         string // Original-Recipient and Final-Recipient; empty = From
	Disposition       Disposition
	MIC               *MIC   // nil = not stated
	Text              string // for people
	UserAgent         string
	Version           string // AS2-Version; empty = "1.2"
	MICNames          string // as in Quirks
	Date              time.Time
	Sign              *cms.Signer // nil = unsigned
	Rand              io.Reader   // nil = crypto/rand
}

// BuildMDN writes a receipt (RFC 4130, 7.4): the HTTP header fields and the body.
func BuildMDN(o MDNOptions) ([]Field, []byte, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	inner, err := newBoundary(o.Rand)
	if err != nil {
		return nil, nil, err
	}
	report := o.report(inner)
	contentType := Field{"Content-Type", `multipart/report; report-type=disposition-notification; boundary="` + inner + `"`}
	body := report
	if o.Sign != nil {
		outer, err := newBoundary(o.Rand)
		if err != nil {
			return nil, nil, err
		}
		part := append(appendFields(nil, []Field{contentType}), report...)
		digest := o.Sign.Digest.New()
		digest.Write(part)
		der, err := o.Sign.Sign(digest.Sum(nil), o.Date)
		if err != nil {
			return nil, nil, err
		}
		body = append([]byte("--"+outer+"\r\n"), part...)
		body = append(body, signaturePart(der, outer)...)
		contentType.Value = `multipart/signed; protocol="application/pkcs7-signature"; micalg=` + o.Sign.Digest.String() + `; boundary="` + outer + `"`
	}
	h := []Field{
		{"AS2-Version", "1.2"},
		{"AS2-From", QuoteName(o.From)},
		{"AS2-To", QuoteName(o.To)},
		{"Message-ID", o.MessageID},
		{"Date", o.Date.UTC().Format(time.RFC1123Z)},
		{"MIME-Version", "1.0"},
		{"EDIINT-Features", features},
		{"User-Agent", o.UserAgent},
		contentType,
	}
	return h, body, nil
}

// report is the body of the multipart/report (RFC 3462, RFC 3798).
func (o *MDNOptions) report(boundary string) []byte {
	b := []byte("--" + boundary + "\r\n")
	b = appendFields(b, []Field{{"Content-Type", "text/plain; charset=us-ascii"}, {"Content-Transfer-Encoding", "7bit"}})
	b = append(b, strings.ReplaceAll(strings.TrimSpace(o.Text), "\n", "\r\n")+"\r\n"...)
	b = append(b, "\r\n--"+boundary+"\r\n"...)
	b = appendFields(b, []Field{{"Content-Type", "message/disposition-notification"}, {"Content-Transfer-Encoding", "7bit"}})
	recipient := o.Recipient
	if recipient == "" {
		recipient = o.From
	}
	fields := []Field{
		{"Reporting-UA", o.UserAgent},
		{"Original-Recipient", "rfc822; " + QuoteName(recipient)},
		{"Final-Recipient", "rfc822; " + QuoteName(o.From)},
		{"Original-Message-ID", o.OriginalMessageID},
		{"Disposition", o.Disposition.String()},
	}
	if o.MIC != nil {
		fields = append(fields, Field{"Received-Content-MIC", o.MIC.String()})
	}
	b = appendFields(b, fields)
	return append(b, "\r\n--"+boundary+"--\r\n"...)
}

// MDN is a receipt as read.
type MDN struct {
	Text              string // what it says to people, at most 4 KiB of it
	OriginalMessageID string // as written
	FinalRecipient    string
	Disposition       Disposition
	DispositionText   string // as written
	MIC               *MIC   // nil = not stated
	MICText           string // as written, also where it could not be read
	Signed            bool   // and verified
	Signer            *x509.Certificate
	Expired           bool   // the signer's certificate had expired
	Claim             string // why the signature does not count; empty if it does, or there is none
}

// ErrNotMDN is wrapped where an answer is no receipt at all.
var ErrNotMDN = errors.New("as2: the answer is no receipt")

// ParseMDN reads a receipt of at most a few MiB. An answer that is none gives an error
// wrapping ErrNotMDN that says what it is instead.
//
// A receipt whose signature does not verify with the trusted certificates comes back
// with Signed false and the reason in Claim: what it says is then worth nothing but
// the trouble of showing it.
func ParseMDN(header http.Header, body []byte, trust cms.Trust, at time.Time) (*MDN, error) {
	typ, params := mediaType(header.Get("Content-Type"))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrNotMDN)
	}
	switch typ {
	case "multipart/signed":
		return parseSignedMDN(body, params, trust, at)
	case "multipart/report":
		return parseReport(body, params)
	case "message/disposition-notification":
		m := &MDN{}
		return m, m.readFields(body)
	}
	return nil, fmt.Errorf("%w: it is %s", ErrNotMDN, describeAnswer(typ, body))
}

// describeAnswer says what stands where a receipt belongs.
func describeAnswer(typ string, body []byte) string {
	start := bytes.TrimSpace(body[:min(len(body), 200)])
	if typ == "" {
		typ = "of no stated type"
	}
	return fmt.Sprintf("%s and begins %q", typ, start[:min(len(start), 80)])
}

func parseSignedMDN(body []byte, params map[string]string, trust cms.Trust, at time.Time) (*MDN, error) {
	ps, err := newParts(bytes.NewReader(body), params["boundary"])
	if err == nil {
		err = firstPart(ps)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
	}
	part, err := io.ReadAll(ps)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
	}
	br := bufio.NewReader(bytes.NewReader(part))
	_, h, err := readMIMEHeader(br)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
	}
	typ, inner := mediaType(h.Get("Content-Type"))
	if typ != "multipart/report" {
		return nil, fmt.Errorf("%w: what is signed is %s", ErrNotMDN, typ)
	}
	rest, err := io.ReadAll(br)
	if err != nil {
		return nil, err
	}
	m, err := parseReport(rest, inner)
	if err != nil {
		return nil, err
	}
	p := &peeler{opened: &Opened{}}
	signature, err := p.signaturePart(ps)
	if err != nil {
		m.Claim = err.Error()
		return m, nil
	}
	sums := map[cms.Digest][]byte{}
	for _, d := range signature.Digests() {
		state := d.New()
		state.Write(part)
		sums[d] = state.Sum(nil)
	}
	v, err := signature.Verify(sums, trust, at)
	if err != nil {
		m.Claim = err.Error()
		return m, nil
	}
	m.Signed, m.Signer, m.Expired = true, v.Certificate, v.Expired
	return m, nil
}

// parseReport finds the machine-readable part. Some products repeat header lines
// before the first boundary; they are part of the preamble and skipped.
func parseReport(body []byte, params map[string]string) (*MDN, error) {
	ps, err := newParts(bytes.NewReader(body), params["boundary"])
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
	}
	m := &MDN{}
	found := false
	for {
		err := ps.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
		}
		br := bufio.NewReader(ps)
		_, h, err := readMIMEHeader(br)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
		}
		content, err := io.ReadAll(decodeTransfer(br, h))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrNotMDN, err)
		}
		switch typ, _ := mediaType(h.Get("Content-Type")); {
		case typ == "message/disposition-notification" && !found:
			found = true
			if err := m.readFields(content); err != nil {
				return nil, err
			}
		case strings.HasPrefix(typ, "text/") && m.Text == "":
			m.Text = strings.TrimSpace(string(content[:min(len(content), 4<<10)]))
		}
	}
	if !found {
		return nil, fmt.Errorf("%w: it has no part message/disposition-notification", ErrNotMDN)
	}
	return m, nil
}

// readFields reads the fields of RFC 3798 and RFC 4130, 7.4.3.
func (m *MDN) readFields(content []byte) error {
	content = append(bytes.TrimSpace(content), "\r\n\r\n"...)
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(content))).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("%w: its fields cannot be read: %v", ErrNotMDN, err)
	}
	m.OriginalMessageID = h.Get("Original-Message-Id")
	_, recipient, _ := strings.Cut(h.Get("Final-Recipient"), ";")
	m.FinalRecipient = UnquoteName(recipient)
	m.DispositionText = h.Get("Disposition")
	if m.Disposition, err = ParseDisposition(m.DispositionText); err != nil {
		return fmt.Errorf("%w: %v", ErrNotMDN, err)
	}
	m.MICText = h.Get("Received-Content-Mic")
	if mic, err := ParseMIC(m.MICText); err == nil {
		m.MIC = &mic
	}
	return nil
}
