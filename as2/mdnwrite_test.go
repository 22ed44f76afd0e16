package as2

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// zeros is a source of random bytes that are none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The whole receipt as it goes over the wire, compared byte for byte: one line per
// field, CRLF, nothing before the first boundary and nothing behind the last.
func TestReceiptOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*MDNOptions)
	}{
		"processed": {func(o *MDNOptions) { o.Text = "" }},
		"error-1.2": {func(o *MDNOptions) {
			o.Text, o.Disposition, o.MIC, o.Version, o.Subject = "", Failed(UnknownRelationship), nil, "1.2", "Rechnung für März"
		}},
		"error-1.3": {func(o *MDNOptions) {
			o.Text, o.Disposition, o.MIC, o.Version, o.UserAgent, o.Subject = "", Failed(IllegalFilename), nil, "1.3", "as2drop/1.2.3", "a\x1b[2Jb"
		}},
		"failure-1.1": {func(o *MDNOptions) {
			o.Disposition, o.MIC, o.Version, o.Text = Failed(UnsupportedFormat), nil, "1.1", "First line.\nSecond line."
		}},
		"quirks": {func(o *MDNOptions) { o.Version, o.MICNames, o.Recipient, o.MessageID = "1.0", "plain", "A;B \"C\"", "" }},
	} {
		o := mdnOptions()
		o.Rand = zeros{}
		c.change(&o)
		h, body, err := BuildMDN(o)
		if err != nil {
			t.Fatal(name, err)
		}
		got := string(appendFields(nil, h)) + string(body)
		path := "testdata/receipts/" + name + ".http"
		if os.Getenv("AS2_UPDATE") != "" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s (write with AS2_UPDATE=1): %v\n%s", name, err, got)
		}
	}
}

// A Message-ID that is not ASCII comes back byte for byte, and the part says so.
func TestForeignMessageIDIsRepeated(t *testing.T) {
	o := mdnOptions()
	o.OriginalMessageID = "<\xe4 1@ours>"
	h, body := build(t, o)
	if m, err := ParseMDN(h, body, cms.Trust{}, moment); err != nil || m.OriginalMessageID != o.OriginalMessageID || !bytes.Contains(body, []byte("notification\r\nContent-Transfer-Encoding: 8bit\r\n")) {
		t.Errorf("%+v, %v\n%s", m, err, body)
	}
}

// The signature is over the first part with its header, and the names of digests follow
// the partner.
func TestSignedReceiptOnTheWire(t *testing.T) {
	o := mdnOptions()
	o.Sign, o.MICNames = signer(partners(), cms.SHA256), "rsa"
	h, body := build(t, o)
	_, params := mediaType(h.Get("Content-Type"))
	if params["micalg"] != "rsa-sha256" || params["protocol"] != "application/pkcs7-signature" || params["boundary"] == "" || !strings.HasPrefix(h.Get("Content-Type"), "multipart/signed;") {
		t.Error(h.Get("Content-Type"))
	}
	delim := "--" + params["boundary"]
	pieces := strings.Split(string(body), delim)
	if len(pieces) != 4 || pieces[0] != "" || pieces[3] != "--\r\n" {
		t.Fatalf("%d pieces: %q", len(pieces), pieces)
	}
	part := strings.TrimSuffix(strings.TrimPrefix(pieces[1], "\r\n"), "\r\n")
	if !strings.Contains(part, "Received-Content-MIC: "+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{5}, 32))+", rsa-sha256\r\n") {
		t.Error(part)
	}
	head, text, _ := strings.Cut(pieces[2], "\r\n\r\n")
	if !strings.Contains(head, "Content-Transfer-Encoding: base64") {
		t.Error(head)
	}
	der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	s, err := cms.ParseSignature(bytes.NewReader(der), cms.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(part))
	if v, err := s.Verify(map[cms.Digest][]byte{cms.SHA256: sum[:]}, trust(partners()), moment); err != nil || !v.Certificate.Equal(partners().Certificate) {
		t.Error(v, err)
	}
}

// Nothing from outside ends a line early or writes a header of its own.
func TestReceiptsCannotBeInjected(t *testing.T) {
	for name, change := range map[string]func(*MDNOptions){
		"Original-Message-ID": func(o *MDNOptions) { o.OriginalMessageID = "<1@x>\r\nDisposition: x; processed" },
		"AS2-To":              func(o *MDNOptions) { o.To = "a\nb" },
		"Final-Recipient":     func(o *MDNOptions) { o.Recipient = "a\rb" },
		"Disposition":         func(o *MDNOptions) { o.Disposition.Modifier, o.Disposition.Kind = "a\nb", "warning" },
		"Message-ID":          func(o *MDNOptions) { o.MessageID = "<\x00>" },
	} {
		o := mdnOptions()
		change(&o)
		if h, body, err := BuildMDN(o); err == nil || h != nil || body != nil || !strings.Contains(err.Error(), "cannot stand in a header line") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := mdnOptions()
	o.Text, o.Subject, o.Version, o.Disposition = "x\r\n--as2drop-00000000000000000000000000000000\r\ny", "s\r\nDisposition: z; failed", "1.3", Failed(AuthenticationFailed)
	h, body := build(t, o)
	m, err := ParseMDN(h, body, cms.Trust{}, moment)
	if err != nil || m.Disposition != Failed(AuthenticationFailed) || len(m.Details) != 1 || strings.ContainsAny(m.Details[0], "\r\n") {
		t.Errorf("%+v, %v", m, err)
	}
}
