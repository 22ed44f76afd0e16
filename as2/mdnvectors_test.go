package as2

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// vector is a receipt of somebody else, as the commands in testdata/mdn left it.
type vector struct {
	header http.Header
	body   []byte
	signer *x509.Certificate
}

func readVector(t *testing.T, name string) vector {
	t.Helper()
	dir := filepath.Join("testdata", "mdn", name)
	raw, err := os.ReadFile(filepath.Join(dir, "answer.http"))
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(bytes.NewReader(raw))
	h, err := textproto.NewReader(br).ReadMIMEHeader()
	if err != nil {
		t.Fatal(name, err)
	}
	body, _ := io.ReadAll(br) // of a bytes.Reader
	v := vector{header: http.Header(h), body: body}
	if text, err := os.ReadFile(filepath.Join(dir, "signer.pem")); err == nil {
		block, _ := pem.Decode(text)
		if v.signer, err = x509.ParseCertificate(block.Bytes); err != nil {
			t.Fatal(name, err)
		}
	}
	return v
}

// parse reads a vector an hour after its certificate was made.
func (v vector) parse() (*MDN, error) {
	if v.signer == nil {
		return ParseMDN(v.header, v.body, cms.Trust{}, moment)
	}
	return ParseMDN(v.header, v.body, cms.Pinned(v.signer), v.signer.NotBefore.Add(time.Hour))
}

var handMade = MDN{OriginalMessageID: "<1@ours>", FinalRecipient: "THEIRS", From: "THEIRS", Disposition: Processed, ReportingUA: "hand-made", Text: "The AS2 message has been received."}

// vectors are what must be read in each folder of testdata/mdn.
var vectors = map[string]struct {
	want    MDN // texts are the beginning of what must be read
	signed  bool
	digest  cms.Digest
	mic     bool
	claim   string // part of Claim
	note    string // part of a note; empty = there is none
	refused string // part of the error: it is no receipt
}{
	"base64-signature":      {want: handMade, signed: true, digest: cms.SHA256, mic: true},
	"binary-ber-signature":  {want: handMade, signed: true, digest: cms.SHA256, mic: true},
	"no-signed-attributes":  {want: handMade, signed: true, digest: cms.SHA256, mic: true},
	"sha1-signature":        {want: handMade, signed: true, digest: cms.SHA1, mic: true, note: "signed with sha1"},
	"pss-signature":         {want: handMade, signed: true, digest: cms.SHA384, mic: true},
	"ecdsa-signature":       {want: handMade, signed: true, digest: cms.SHA512, mic: true},
	"opaque":                {want: handMade, signed: true, digest: cms.SHA256, mic: true, note: "inside of its signature"},
	"opaque-base64":         {want: handMade, signed: true, digest: cms.SHA256, mic: true, note: "inside of its signature"},
	"sent-with-bare-lf":     {want: handMade, signed: true, digest: cms.SHA256, mic: true, note: "CRLF line ends"},
	"of-a-stranger":         {want: handMade, mic: true, claim: "none of the configured certificates"},
	"changed-after-signing": {want: handMade, mic: true, claim: "not what was signed"},
	"encrypted":             {refused: "it is encrypted"},
	"openas2-processed": {want: MDN{OriginalMessageID: "<1@ours>", FinalRecipient: "THE IRS", From: "THE IRS", Disposition: Processed, ReportingUA: "OpenAS2 Server v2.10.1@",
		Text: "The message sent to Recipient THE IRS on Mon, 23 Nov 2026 12:00:00 +0000 with Subject s has been received, the EDI Interchange was successfully decrypted and it's integrity was verified."}, signed: true, digest: cms.SHA256, mic: true},
	"openas2-error": {want: MDN{OriginalMessageID: "<1@ours>", FinalRecipient: "THE IRS", From: "THE IRS", Disposition: Failed(DecryptionFailed), ReportingUA: "OpenAS2 Server v2.10.1@",
		Text: "The message sent to Recipient THE IRS on Mon, 23 Nov 2026 12:00:00 +0000 with Subject s has been received, but an error occured decrypting the content."}, signed: true, digest: cms.SHA256},
	"pyas2lib-processed": {want: MDN{OriginalMessageID: "<1@ours@None>", FinalRecipient: "THE IRS", From: "THE IRS", Disposition: Processed, ReportingUA: "pyAS2 Open Source AS2 Software",
		Text: "The AS2 message has been successfully processed. Thank you for exchanging AS2 messages with pyAS2."}, signed: true, digest: cms.SHA256, mic: true},
	"pyas2lib-duplicate": {want: MDN{OriginalMessageID: "<1@ours@None>", FinalRecipient: "THE IRS", From: "THE IRS", Disposition: Warned(DuplicateDocument), ReportingUA: "pyAS2 Open Source AS2 Software",
		Text: "The AS2 message could not be processed. The disposition-notification report has additional details."}, signed: true, digest: cms.SHA256},
	"pyas2lib-authentication-failed": {want: MDN{OriginalMessageID: "<1@ours@None>", FinalRecipient: "THE IRS", From: "THE IRS", Disposition: Failed(AuthenticationFailed), ReportingUA: "pyAS2 Open Source AS2 Software",
		Text: "The AS2 message could not be processed. The disposition-notification report has additional details."}, signed: true, digest: cms.SHA256},
}

// scheme is that of a vector: PKCS#1 v1.5 where its name does not say another.
func scheme(name string, signed bool) cms.Scheme {
	switch {
	case !signed:
		return cms.NoScheme
	case name == "pss-signature":
		return cms.SchemePSS
	case name == "ecdsa-signature":
		return cms.SchemeECDSA
	}
	return cms.SchemePKCS1
}

// Every receipt in testdata/mdn was made by another hand: pyas2-lib, OpenAS2, openssl.
func TestReceiptsMadeByOthers(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("testdata", "mdn", "*", "answer.http"))
	if err != nil || len(folders) != len(vectors) {
		t.Errorf("%d vectors on disk, %d expected: %v", len(folders), len(vectors), err)
	}
	for name, c := range vectors {
		t.Run(name, func(t *testing.T) {
			v := readVector(t, name)
			m, err := v.parse()
			if c.refused != "" {
				if !errors.Is(err, ErrNotMDN) || !strings.Contains(err.Error(), c.refused) || m != nil {
					t.Fatalf("%+v, %v", m, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Signed != c.signed || m.Digest != c.digest || m.Scheme != scheme(name, c.signed) || (m.MIC != nil) != c.mic || m.Expired || (m.Signer != nil) != c.signed || m.SigningTime.IsZero() != (!c.signed || name == "no-signed-attributes") {
				t.Errorf("signed %v (%v, by %v at %v), MIC %v", m.Signed, m.Digest, m.Signer, m.SigningTime, m.MIC)
			}
			if (c.claim == "") != (m.Claim == "") || !strings.Contains(m.Claim, c.claim) {
				t.Errorf("claim %q", m.Claim)
			}
			if notes := strings.Join(m.Notes, "; "); (c.note == "") != (notes == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q", notes)
			}
			if m.OriginalMessageID != c.want.OriginalMessageID || m.FinalRecipient != c.want.FinalRecipient || m.From != c.want.From || !strings.HasPrefix(m.Text, c.want.Text) ||
				!strings.HasPrefix(m.ReportingUA, c.want.ReportingUA) || !strings.EqualFold(m.Disposition.String(), c.want.Disposition.String()) {
				t.Errorf("%+v", m)
			}
			if !IsReceipt(v.header, v.body[:min(len(v.body), peekReceipt)]) {
				t.Error("not recognised as a receipt")
			}
			if id, err := ReceiptFor(v.header, v.body); err != nil || id != c.want.OriginalMessageID {
				t.Errorf("for %q, %v", id, err)
			}
		})
	}
}
