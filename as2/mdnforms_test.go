package as2

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

const sha1Sum = "BQUFBQUFBQUFBQUFBQUFBQUFBQU="

var sha256Sum = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

// answer is what a partner sends: header fields, an empty line, the body. It is written
// with LF and sent with CRLF.
func answer(t *testing.T, text string) (http.Header, []byte) {
	t.Helper()
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatal("no empty line")
	}
	h := http.Header{}
	for _, f := range readFields([]byte(head)) {
		h.Add(f.Name, f.Value)
	}
	return h, crlf([]byte(body))
}

// bare is a receipt without signature whose machine-readable part has these fields.
func bare(fields string) string {
	return "AS2-From: Theirs\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: message/disposition-notification\n\n" + fields + "\n--b--\n"
}

const said = "Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; processed\n"

// What products of others are known to send (shared page on interoperability), byte for
// byte where bytes matter.
func TestFormsOfReceipts(t *testing.T) {
	mic := &MIC{cms.SHA256, bytes.Repeat([]byte{7}, 32)}
	old := &MIC{cms.SHA1, bytes.Repeat([]byte{5}, 20)}
	for name, c := range map[string]struct {
		answer string
		id     string // "" = <1@ours>
		d      Disposition
		mic    *MIC
		text   string
		note   string
	}{
		"header lines repeated before the first boundary": {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n" +
			"Message-ID: <m@theirs>\nContent-Type: multipart/report; report-type=disposition-notification;\n\tboundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: message/disposition-notification\n\n" + said + "\n--b--\n", d: Processed, text: "hi"},
		"AS2-From missing": {answer: strings.Replace(bare(said), "AS2-From: Theirs\n", "", 1), d: Processed, text: "hello", note: "no AS2-From"},
		"names in any case, blanks before the colon, folded": {answer: "as2-from: x\nContent-Type: multipart/report; boundary=b\n\n--b\nCONTENT-TYPE: Message/Disposition-Notification\n\n" +
			"reporting-ua: x\nORIGINAL-MESSAGE-ID : 1@ours\ndisposition:automatic-action/MDN-sent-automatically;\n\tprocessed\nReceived-content-MIC:\n " + sha256Sum + ",\n\tSHA256\n\n--b--", id: "1@ours", d: Processed, mic: mic},
		"the type quoted as a whole":         {answer: "AS2-From: x\nContent-Type: \"multipart/report; boundary=b\"\n\n--b\nContent-Type: message/disposition-notification\n\n" + said + "\n--b--\n", d: Processed},
		"no disposition mode worth the name": {answer: bare("Original-Message-ID: <1@ours>\nDisposition: x ;Processed\n"), d: Processed, text: "hello"},
		"processed/Error":                    {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; processed/Error: decryption-failed\n"), d: Failed(DecryptionFailed), text: "hello"},
		"blanks around everything":           {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action / MDN-sent-automatically ;  processed / error :  authentication-failed \n"), d: Failed(AuthenticationFailed), text: "hello"},
		"failed/failure=":                    {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically;failed/failure=sender-equals-receiver\n"), d: Failed(SenderEqualsReceiver), text: "hello"},
		"processed/warning":                  {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; processed/warning: duplicate-document\n"), d: Warned(DuplicateDocument), text: "hello"},
		"pure RFC 3798: error":               {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; processed/error\nError: authentication-failed\nError: more\n"), d: Failed(AuthenticationFailed), text: "hello"},
		"pure RFC 3798: warning":             {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; processed/warning\nWarning: duplicate-document\n"), d: Warned(DuplicateDocument), text: "hello"},
		"pure RFC 3798: failure":             {answer: bare("Original-Message-ID: <1@ours>\nDisposition: automatic-action/MDN-sent-automatically; failed\nFailure: sender-equals-receiver\n"), d: Failed(SenderEqualsReceiver), text: "hello"},
		"processed beside an error":          {answer: bare(said + "Error: and yet\n"), d: Processed, text: "hello", note: `has "Error: and yet"`},
		"MIC without a blank":                {answer: bare(said + "Received-Content-MIC: " + sha1Sum + ",SHA1\n"), d: Processed, mic: old, text: "hello"},
		"MIC as rsa-sha256":                  {answer: bare(said + "Received-Content-MIC: " + sha256Sum + " , rsa-sha256\n"), d: Processed, mic: mic, text: "hello"},
		"MIC as sha2_256":                    {answer: bare(said + "Received-Content-MIC: " + sha256Sum + ", sha2_256\n"), d: Processed, mic: mic, text: "hello"},
		"MIC as \"sha-1\"":                   {answer: bare(said + "Received-Content-MIC: " + sha1Sum + ", \"sha-1\"\n"), d: Processed, mic: old, text: "hello"},
		"MIC with blanks inside":             {answer: bare(said + "Received-Content-MIC: " + sha256Sum[:20] + "\n " + sha256Sum[20:] + ", sha-256\n"), d: Processed, mic: mic, text: "hello"},
		"several MICs in one field":          {answer: bare(said + "Received-Content-MIC: " + sha256Sum + ", sha-256, " + sha1Sum + ", sha1\n"), d: Processed, mic: mic, text: "hello"},
		"several MIC fields":                 {answer: bare(said + "Received-Content-MIC: x, md5\nReceived-Content-MIC: " + sha256Sum + ", sha-256\n"), d: Processed, mic: mic, text: "hello"},
		"two MICs that differ":               {answer: bare(said + "Received-Content-MIC: " + sha256Sum + ", sha-256\nReceived-Content-MIC: " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ", sha256\n"), d: Processed, text: "hello", note: "two different MICs"},
		"an empty MIC":                       {answer: bare(said + "Received-Content-MIC:\n"), d: Processed, text: "hello"},
		"another final recipient":            {answer: bare(said + "Final-Recipient: rfc822; edi@theirs.example\n"), d: Processed, text: "hello", note: `names "edi@theirs.example" as final recipient`},
		"a final recipient without type":     {answer: bare(said + "Final-Recipient: Theirs\n"), d: Processed, text: "hello"},
		"text in the second part":            {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n" + said + "\n--b\nContent-Type: text/plain\n\nlater\n--b--\n", d: Processed, text: "later"},
		"base64 parts": {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Transfer-Encoding: BASE64\n\naGVsbG8=\n--b\nContent-Type: message/disposition-notification\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte(said)) + "\n--b--\n", d: Processed, text: "hello"},
		"quoted-printable parts": {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nh=C3=A4llo\n--b\nContent-Type: message/disposition-notification\nContent-Transfer-Encoding: quoted-printable\n\n" +
			strings.Replace(said, "automatic-action", "automatic=2Daction", 1) + "\n--b--\n", d: Processed, text: "hällo"},
		"text in ISO 8859-1": {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\nh\xe4llo\n--b\nContent-Type: message/disposition-notification\n\n" + said + "\n--b--\n", d: Processed, text: "hällo"},
		"text as multipart/alternative": {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain\n\nfirst\n--c\nContent-Type: text/html\n\n<b>\n--c--\n--b\nContent-Type: message/disposition-notification\n\n" +
			said + "\n--b--\n", d: Processed, text: "first"},
		"our own header sent back":                 {answer: "AS2-From: x\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n" + said + "\n--b\nContent-Type: text/rfc822-headers\n\nSubject: s\n--b--\n", d: Processed},
		"a second report":                          {answer: strings.Replace(bare(said), "\n--b--", "\n--b\nContent-Type: message/disposition-notification\n\nDisposition: x; failed\n--b--", 1), d: Processed, text: "hello", note: "second part"},
		"bare message/disposition-notification":    {answer: "AS2-From: x\nContent-Type: message/disposition-notification\n\n" + said, d: Processed},
		"message/disposition-notification, base64": {answer: "AS2-From: x\nContent-Type: message/disposition-notification\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(said)) + "\n", d: Processed},
	} {
		t.Run(name, func(t *testing.T) {
			h, body := answer(t, c.answer)
			m, err := ParseMDN(h, body, cms.Trust{}, moment)
			if err != nil {
				t.Fatal(err)
			}
			if c.id == "" {
				c.id = "<1@ours>"
			}
			if m.OriginalMessageID != c.id || m.Disposition != c.d || m.Text != c.text || m.Signed || m.Claim != "" {
				t.Errorf("%+v", m)
			}
			if (c.mic == nil) != (m.MIC == nil) || (c.mic == nil) != (len(m.MICs) == 0) || c.mic != nil && !m.MIC.Equal(*c.mic) {
				t.Errorf("MIC %v of %q", m.MIC, m.MICText)
			}
			if notes := strings.Join(m.Notes, "; "); (c.note == "") != (notes == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q", notes)
			}
			if !IsReceipt(h, body) {
				t.Error("not recognised as a receipt")
			}
			if id, err := ReceiptFor(h, body); err != nil || id != c.id {
				t.Errorf("for %q, %v", id, err)
			}
		})
	}
}

func TestWordsOfThePartnerAreKept(t *testing.T) {
	h, body := answer(t, bare("Original-Message-ID: <1@ours>\nDisposition: Automatic-Action/x;PROCESSED/Error:  Their own word \nError: one\nFailure: two\nReceived-Content-MIC: what, ever\nReporting-UA: agent; 7\nOriginal-Recipient: rfc822;\"a b\"\n"))
	m, err := ParseMDN(h, body, cms.Trust{}, moment)
	if err != nil {
		t.Fatal(err)
	}
	if m.DispositionText != "Automatic-Action/x;PROCESSED/Error:  Their own word" || m.Disposition.Modifier != "Their own word" || m.MICText != "what, ever" || m.MIC != nil ||
		!slices.Equal(m.Details, []string{"Error: one", "Failure: two"}) || m.ReportingUA != "agent; 7" || m.OriginalRecipient != "a b" {
		t.Errorf("%+v", m)
	}
}

// What is refused says what it is instead, so that an operator need not look.
func TestNoReceipts(t *testing.T) {
	var z bytes.Buffer
	w, err := cms.Compress(&z)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeString(w, "Content-Type: multipart/report; boundary=b\r\n\r\n"), w.Close()); err != nil {
		t.Fatal(err)
	}
	detached, err := signer(partners(), cms.SHA256).Sign(make([]byte, 32), moment)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ contentType, body, says string }{
		"a page with a title":     {"text/html; charset=utf-8", "<!DOCTYPE html>\n<HTML><head><Title >\n 502 Bad\n Gateway</title>", `it is a web page (text/html) with the title "502 Bad Gateway"`},
		"a page without":          {"text/html", "<p>It works", `it is text/html and begins "<p>It works"`},
		"text":                    {"text/plain", "OK", `it is text/plain and begins "OK"`},
		"no type":                 {"", "OK", "it is of no stated type and begins"},
		"blanks":                  {"multipart/report; boundary=b", " \r\n", "it is empty"},
		"too long":                {"multipart/report; boundary=b", strings.Repeat("x", maxMDN), "1 MiB"},
		"compressed":              {"application/pkcs7-mime; smime-type=compressed-data", z.String(), "it is compressed"},
		"noise as pkcs7":          {"application/pkcs7-mime", "noise", "no signed-data"},
		"a signature alone":       {"application/pkcs7-mime; smime-type=signed-data", string(detached), "a signature without content"},
		"two dispositions":        {"message/disposition-notification", said + "Disposition: x; failed\n", "two dispositions"},
		"two messages":            {"message/disposition-notification", said + "Original-Message-ID: <2@ours>\n", "two messages"},
		"a disposition of e-mail": {"message/disposition-notification", "Disposition: manual-action/MDN-sent-manually; displayed\n", "neither processed nor failed"},
		"a delivery report":       {"multipart/report; report-type=delivery-status; boundary=b", "--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--", "no part message/disposition-notification"},
		"signed twice":            {"multipart/signed; boundary=a", "--a\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--a--", "what is signed is multipart/signed"},
		"bad base64":              {"multipart/report; boundary=b", "--b\r\nContent-Type: message/disposition-notification\r\nContent-Transfer-Encoding: base64\r\n\r\n????\r\n--b--", "structure"},
	} {
		m, err := ParseMDN(http.Header{"Content-Type": {c.contentType}}, []byte(c.body), cms.Trust{}, moment)
		if !errors.Is(err, ErrNotMDN) || !strings.Contains(err.Error(), c.says) || m != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for _, body := range []string{"Disposition: x; processed\n", "Original-Message-ID: <>\n", "Original-Message-ID:\n"} {
		if id, err := ReceiptFor(http.Header{"Content-Type": {"message/disposition-notification"}}, []byte(body)); !errors.Is(err, ErrNotMDN) || id != "" {
			t.Errorf("%q is for %q, %v", body, id, err)
		}
	}
}

func writeString(w interface{ Write([]byte) (int, error) }, s string) error {
	_, err := w.Write([]byte(s))
	return err
}

// A POST is told from a message by its header and first bytes.
func TestIsReceipt(t *testing.T) {
	o := mdnOptions()
	o.Sign = signer(partners(), cms.SHA256)
	h, body := build(t, o)
	signedMessage, messageBody := sealBytes(t, []byte("payload"), SealOptions{From: "A", To: "B", MessageID: "<1@a>", ContentType: "application/xml", Date: moment, Sign: o.Sign})
	v := readVector(t, "opaque")
	long := append(slices.Clone(v.body), make([]byte, 9000)...)
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		want   bool
	}{
		"signed":                        {h, body, true},
		"signed, the first bytes only":  {h, body[:300], true},
		"signed, cut in the header":     {h, body[:60], false},
		"a signed message":              {httpHeader(signedMessage.Header), messageBody, false},
		"opaque, cut":                   {v.header, v.body[:600], true},
		"opaque, with more behind":      {v.header, long[:peekReceipt], true},
		"encrypted":                     {readVector(t, "encrypted").header, readVector(t, "encrypted").body, false},
		"multipart/report without type": {http.Header{"Content-Type": {"multipart/report; boundary=b"}}, nil, true},
		"a delivery report":             {http.Header{"Content-Type": {"multipart/report; report-type=delivery-status; boundary=b"}}, nil, true},
		"a document":                    {http.Header{"Content-Type": {"application/xml"}}, []byte("<x/>"), false},
		"nothing":                       {http.Header{}, nil, false},
		"signed without boundary":       {http.Header{"Content-Type": {"multipart/signed"}}, body, false},
	} {
		if got := IsReceipt(c.header, c.body); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if c.want && !mayBeReceipt(c.header) && !IsReceipt(c.header, nil) {
			t.Errorf("%s: nobody would look", name)
		}
	}
}
