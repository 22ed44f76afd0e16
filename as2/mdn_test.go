package as2

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/cms"
)

func mdnOptions() MDNOptions {
	return MDNOptions{From: "Their Name", To: "Ours", MessageID: "<r@theirs>", OriginalMessageID: "<1@ours>", Disposition: Processed,
		MIC: &MIC{cms.SHA256, bytes.Repeat([]byte{5}, 32)}, Text: "Received.", UserAgent: "test", Date: moment}
}

func build(t testing.TB, o MDNOptions) (http.Header, []byte) {
	t.Helper()
	h, body, err := BuildMDN(o)
	if err != nil {
		t.Fatal(err)
	}
	return httpHeader(h), body
}

func TestReceiptIsRead(t *testing.T) {
	for _, sign := range []bool{true, false} {
		for _, d := range []Disposition{Processed, Failed(AuthenticationFailed), Failed(UnsupportedFormat), {"processed", "warning", DuplicateDocument}} {
			o := mdnOptions()
			o.Disposition = d
			if sign {
				o.Sign = signer(partners(), cms.SHA384)
			}
			h, body := build(t, o)
			m, err := ParseMDN(h, body, trust(ours(), partners()), moment)
			if err != nil {
				t.Fatal(err)
			}
			if m.Signed != sign || m.Claim != "" || m.Disposition != d || m.OriginalMessageID != "<1@ours>" || !m.MIC.Equal(*o.MIC) || !strings.HasPrefix(m.Text, "Received.\r\n") || m.FinalRecipient != "Their Name" {
				t.Errorf("signed %v, %v: %+v", sign, d, m)
			}
			for _, line := range strings.Split(string(body), "\r\n") {
				if strings.Contains(line, "\n") || strings.HasPrefix(line, " ") {
					t.Errorf("bare LF or folded line: %q", line)
				}
			}
		}
	}
}

func TestReceiptsThatProveNothing(t *testing.T) {
	o := mdnOptions()
	o.Sign = signer(partners(), cms.SHA256)
	h, body := build(t, o)
	if m, err := ParseMDN(h, body, trust(ours(), stranger()), moment); err != nil || m.Signed || !strings.Contains(m.Claim, "none of the configured certificates") {
		t.Errorf("signed by a stranger: %+v, %v", m, err)
	}
	changed := bytes.Replace(body, []byte("; processed"), []byte(";processed"), 1)
	if m, err := ParseMDN(h, changed, trust(partners()), moment); err != nil || m.Signed || m.Claim == "" {
		t.Errorf("changed after signing: %+v, %v", m, err)
	}
	for name, c := range map[string]struct {
		contentType, body, says string
	}{
		"nothing":           {"text/html", "", "it is empty"},
		"an error page":     {"text/html; charset=utf-8", "<html><h1>It works</h1>", `it is text/html and begins "<html>`},
		"no type":           {"", "OK", "it is of no stated type"},
		"no report inside":  {"multipart/report; boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n", "no part message/disposition-notification"},
		"no disposition":    {"multipart/report; boundary=b", "--b\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; x\r\n--b--\r\n", "disposition"},
		"not closed":        {"multipart/report; boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello", "boundary"},
		"no boundary":       {"multipart/report", "--b\r\n", "boundary"},
		"signed, no report": {"multipart/signed; boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n\r\nx\r\n--b--\r\n", "what is signed is text/plain"},
	} {
		m, err := ParseMDN(http.Header{"Content-Type": {c.contentType}}, []byte(c.body), cms.Trust{}, moment)
		if !errors.Is(err, ErrNotMDN) || !strings.Contains(err.Error(), c.says) || m != nil && name != "no disposition" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// OpenAS2 repeats header lines before the first boundary of a receipt; others write
// no blank behind the comma of the MIC, or "=" before the modifier.
func TestReceiptsOfOthers(t *testing.T) {
	sum := "BQUFBQUFBQUFBQUFBQUFBQUFBQU="
	m, err := ParseMDN(http.Header{"Content-Type": {`multipart/report; Report-Type=disposition-notification;	boundary="b"`}}, []byte(
		"Content-Type: multipart/report\r\nX: y\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\n"+
			"content-type: Message/Disposition-Notification\r\n\r\nreporting-ua: x\r\nORIGINAL-MESSAGE-ID: 1@ours\r\n"+
			"Disposition: automatic-action/MDN-sent-automatically;processed/Warning=duplicate-document\r\nReceived-content-MIC: "+sum+",SHA1\r\n\r\n--b--"), cms.Trust{}, moment)
	if err != nil || m.Disposition != (Disposition{"processed", "warning", "duplicate-document"}) || m.MIC == nil || m.MIC.Digest != cms.SHA1 || m.OriginalMessageID != "1@ours" || !m.Disposition.Duplicate() {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDispositionSpellings(t *testing.T) {
	for in, want := range map[string]Disposition{
		"automatic-action/MDN-sent-automatically; processed":                               {"processed", "", ""},
		"automatic-action/MDN-sent-automatically;PROCESSED":                                {"processed", "", ""},
		"automatic-action/MDN-sent-automatically; processed/error: decryption-failed":      {"processed", "error", "decryption-failed"},
		"automatic-action/MDN-sent-automatically; processed/Error:decryption-failed":       {"processed", "error", "decryption-failed"},
		"automatic-action/mdn-sent-automatically ; failed / Failure = unsupported format ": {"failed", "failure", "unsupported format"},
	} {
		if got, err := ParseDisposition(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "processed", "x; delivered", ";", "x; processed/", "x; processed/ : y", "x; processed; y"} {
		if d, err := ParseDisposition(in); err == nil || d != (Disposition{}) {
			t.Errorf("%q: %+v, %v", in, d, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Disposition{Type: rapid.SampledFrom([]string{"processed", "failed"}).Draw(t, "type")}
		if rapid.Bool().Draw(t, "modified") {
			d.Kind, d.Modifier = rapid.SampledFrom([]string{"error", "failure", "warning"}).Draw(t, "kind"), rapid.StringMatching(`[a-z][a-z -]*[a-z]`).Draw(t, "modifier")
		}
		if got, err := ParseDisposition(d.String()); err != nil || got != d {
			t.Errorf("%+v: %+v, %v", d, got, err)
		}
	})
}

func TestParseMIC(t *testing.T) {
	want := MIC{cms.SHA256, bytes.Repeat([]byte{1}, 32)}
	text := want.String()
	for _, in := range []string{text, strings.Replace(text, ", ", ",", 1), strings.Replace(text, "sha-256", "SHA256", 1)} {
		if got, err := ParseMIC(in); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "abc", "abc, sha-256", text + "x", "!!!!, sha1"} {
		if got, err := ParseMIC(in); err == nil || got.Sum != nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}
