package as2

import (
	"crypto/rand"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"time"
	"unicode"

	"github.com/as2drop/as2drop/cms"
)

// MDNOptions say what a receipt states.
type MDNOptions struct {
	From, To          string // AS2 names: From is ours
	MessageID         string // of the receipt itself, with angle brackets
	OriginalMessageID string // byte for byte as received
	Recipient         string // Original-Recipient and Final-Recipient; empty = From
	Subject           string // of the message, for people; empty = not stated
	Disposition       Disposition
	MIC               *MIC   // nil = not stated
	Text              string // for people; empty = what Disposition.Explain says
	UserAgent         string
	Version           string // AS2-Version; empty = "1.2"
	MICNames          string // as in Quirks
	Date              time.Time
	Sign              *cms.Signer // nil = unsigned
	Rand              io.Reader   // nil = crypto/rand
}

// BuildMDN writes a receipt (RFC 4130, 7.4): the HTTP header fields and the body. The
// disposition is written as a partner of that version knows it.
func BuildMDN(o MDNOptions) ([]Field, []byte, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	o.Disposition = o.Disposition.For(o.Version)
	inner, err := newBoundary(o.Rand)
	if err != nil {
		return nil, nil, err
	}
	report, err := o.report(inner)
	if err != nil {
		return nil, nil, err
	}
	contentType := Field{"Content-Type", `multipart/report; report-type=disposition-notification; boundary="` + inner + `"`}
	body := report
	if o.Sign != nil {
		if contentType, body, err = o.signed(contentType, report); err != nil {
			return nil, nil, err
		}
	}
	h := []Field{{"AS2-From", QuoteName(o.From)}, {"AS2-To", QuoteName(o.To)}}
	if o.MessageID != "" {
		h = append(h, Field{"Message-ID", o.MessageID})
	}
	h = append(h, Field{"Date", o.Date.UTC().Format(time.RFC1123Z)}, Field{"MIME-Version", "1.0"})
	if o.UserAgent != "" {
		h = append(h, Field{"User-Agent", o.UserAgent})
	}
	h = append(append(versionFields(o.Version, o.UserAgent), h...), contentType)
	if err := checkFields(h); err != nil {
		return nil, nil, err
	}
	return h, body, nil
}

// signed wraps the report in multipart/signed (RFC 1847, 2.1).
func (o *MDNOptions) signed(contentType Field, report []byte) (Field, []byte, error) {
	outer, err := newBoundary(o.Rand)
	if err != nil {
		return Field{}, nil, err
	}
	part := append(appendFields(nil, []Field{contentType}), report...)
	digest := o.Sign.Digest.New()
	digest.Write(part)
	der, err := o.Sign.Sign(digest.Sum(nil), o.Date)
	if err != nil {
		return Field{}, nil, err
	}
	body := append([]byte("--"+outer+"\r\n"), part...)
	body = append(body, signaturePart(der, outer)...)
	return Field{"Content-Type", `multipart/signed; protocol="application/pkcs7-signature"; micalg=` + micName(o.Sign.Digest, o.MICNames) + `; boundary="` + outer + `"`}, body, nil
}

// report is the body of the multipart/report (RFC 3462, RFC 3798): text for people,
// then fields for machines. Nothing stands before the first boundary, nothing behind
// the last.
func (o *MDNOptions) report(boundary string) ([]byte, error) {
	fields := o.fields()
	if err := checkFields(fields); err != nil {
		return nil, err
	}
	b := append([]byte("--"+boundary+"\r\n"), o.text()...)
	b = append(b, "\r\n--"+boundary+"\r\n"...)
	encoding := "7bit"
	for _, f := range fields {
		if !isASCII(f.Value) {
			encoding = "8bit" // a foreign Message-ID is repeated byte for byte
		}
	}
	b = appendFields(b, []Field{{"Content-Type", "message/disposition-notification"}, {"Content-Transfer-Encoding", encoding}})
	b = appendFields(b, fields)
	return append(b, "\r\n--"+boundary+"--\r\n"...), nil
}

// fields are those of RFC 3798, 3.2 and RFC 4130, 7.4.3.
func (o *MDNOptions) fields() []Field {
	recipient := o.Recipient
	if recipient == "" {
		recipient = o.From
	}
	var fs []Field
	if o.UserAgent != "" {
		fs = append(fs, Field{"Reporting-UA", o.UserAgent})
	}
	fs = append(fs, Field{"Original-Recipient", "rfc822; " + QuoteName(recipient)}, Field{"Final-Recipient", "rfc822; " + QuoteName(recipient)})
	if o.OriginalMessageID != "" {
		fs = append(fs, Field{"Original-Message-ID", o.OriginalMessageID})
	}
	fs = append(fs, Field{"Disposition", o.Disposition.String()})
	fs = append(fs, o.explanations()...)
	if o.MIC != nil {
		fs = append(fs, Field{"Received-Content-MIC", o.MIC.text(o.MICNames)})
	}
	return fs
}

// explanations are the fields of RFC 3798, 3.2.7. A "failed" receipt has always one
// (RFC 3798, 2.2). RFC 4130, 7.5.6 expects no old partner to know the others, so they
// go to version 1.3 only, and Explanation with the modifiers that are new there
// (rfc4130bis, 8.4.3: MUST).
func (o *MDNOptions) explanations() []Field {
	text := printable(strings.Join(strings.Fields(o.words()), " "))
	name, ok := map[string]string{"error": "Error", "failure": "Failure", "warning": "Warning"}[o.Disposition.Kind]
	if !ok || text == "" || o.Disposition.Type != "failed" && !atLeast(o.Version, 3) {
		return nil
	}
	fs := []Field{{name, text}}
	if m, _ := findModifier(o.Disposition.Modifier); m.older != "" {
		fs = append(fs, Field{"Explanation", text})
	}
	return fs
}

// words are what the receipt says to people about its disposition.
func (o *MDNOptions) words() string {
	if text := strings.TrimSpace(o.Text); text != "" {
		return text
	}
	return o.Disposition.Explain()
}

// text is the first part (RFC 4130, 7.6: with what identifies the message). It stays
// ASCII where it can: some products show a transfer encoding as it is.
func (o *MDNOptions) text() []byte {
	lines := append(strings.Split(strings.ReplaceAll(o.words(), "\r\n", "\n"), "\n"), "", "Result: "+o.Disposition.Type)
	if o.Disposition.Modifier != "" {
		lines[len(lines)-1] += "/" + o.Disposition.Kind + ": " + o.Disposition.Modifier
	}
	for _, f := range []Field{{"Message-ID", o.OriginalMessageID}, {"Subject", o.Subject}, {"From", o.To}, {"To", o.From}, {"Date of this receipt", o.Date.UTC().Format(time.RFC1123Z)}} {
		if f.Value != "" {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	text := strings.Join(lines, "\r\n")
	if isASCII(text) {
		return append(appendFields(nil, []Field{{"Content-Type", "text/plain; charset=us-ascii"}, {"Content-Transfer-Encoding", "7bit"}}), text+"\r\n"...)
	}
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, text) // a strings.Builder takes everything
	_ = w.Close()
	return append(appendFields(nil, []Field{{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"}}), b.String()+"\r\n"...)
}

// printable leaves out what could move a terminal or break a line, and what is no
// UTF-8. What is repeated here comes from outside.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// checkFields refuses what would end a header line early.
func checkFields(fs []Field) error {
	for _, f := range fs {
		if strings.ContainsAny(f.Value, "\r\n\x00") {
			return fmt.Errorf("as2: %s: %q cannot stand in a header line", f.Name, f.Value)
		}
	}
	return nil
}
