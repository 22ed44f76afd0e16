package as2

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// Each switch changes its bytes and nothing else, and all that it makes opens.
func TestQuirksWhenSealing(t *testing.T) {
	signed := func(q Quirks) (string, *Sealed) {
		o := options()
		o.Sign, o.Quirks = signer(ours(), cms.SHA256), q
		s, body := sealBytes(t, bytes.Repeat([]byte("0123456789"), 20), o)
		opened, got, err := openBytes(httpHeader(s.Header), bytes.NewReader(body), theirs())
		if err != nil || len(got) != 200 || !opened.MICs[0].Equal(s.MICs[0]) {
			t.Errorf("%+v: %v", q, err)
		}
		return string(body), s
	}
	plain, s := signed(Quirks{})
	for _, want := range []string{"\r\nContent-Type: application/zip\r\n", "Content-Transfer-Encoding: binary\r\n", `Content-Disposition: attachment; filename="INV-1.zip"` + "\r\n"} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in %q", want, plain)
		}
	}
	if got := Get(s.Header, "Content-Type"); !strings.Contains(got, `protocol="application/pkcs7-signature"; micalg=sha-256; boundary="as2drop-`) {
		t.Error(got)
	}

	encoded, _ := signed(Quirks{PayloadBase64: true})
	_, text, _ := strings.Cut(encoded, "Content-Transfer-Encoding: base64\r\n")
	_, text, _ = strings.Cut(text, "\r\n\r\n")
	if lines := strings.Split(text, "\r\n"); len(lines[0]) != 76 || len(lines[1]) != 76 || !strings.HasPrefix(lines[0], "MDEyMzQ1Njc4OTAx") {
		t.Errorf("%q", lines[:3])
	}
	if b, _ := signed(Quirks{UnquotedFilename: true}); !strings.Contains(b, "filename=INV-1.zip\r\n") {
		t.Errorf("%q", b)
	}
	if b, _ := signed(Quirks{NoFilename: true}); strings.Contains(b, "INV-1.zip") {
		t.Errorf("%q", b)
	}
	for names, want := range map[string]string{"plain": "sha256", "rsa": "rsa-sha256"} {
		_, s := signed(Quirks{MICNames: names})
		if !strings.Contains(Get(s.Header, "Content-Type"), "micalg="+want+";") || !strings.HasSuffix(Get(s.Header, "Disposition-Notification-Options"), "optional, "+want) {
			t.Errorf("%+v", s.Header)
		}
	}
	if _, s := signed(Quirks{HTTPTransferEncoding: true}); Get(s.Header, "Content-Transfer-Encoding") != "binary" {
		t.Errorf("%+v", s.Header)
	}
	if b, s := signed(Quirks{OpaqueSignature: true}); !strings.Contains(Get(s.Header, "Content-Type"), "smime-type=signed-data") || b[0] != 0x30 {
		t.Errorf("%+v", s.Header)
	}
}

// The attributes are looked at in the signature itself.
func TestQuirksOfTheSignature(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for _, q := range []Quirks{{}, {NoSignedAttributes: true}, {NoAlgorithmProtection: true}} {
			o := options()
			q.OpaqueSignature = opaque
			o.Sign, o.Quirks = signer(ours(), cms.SHA256), q
			s, body := sealBytes(t, []byte("x"), o)
			info := signerOf(t, s, body)
			if info.Attributes == q.NoSignedAttributes || info.Protected == (q.NoAlgorithmProtection || q.NoSignedAttributes) {
				t.Errorf("%+v: %+v", q, info)
			}
			if o.Sign.NoAttributes || o.Sign.NoProtection {
				t.Error("the caller's signer was changed")
			}
		}
	}
}

func signerOf(t *testing.T, s *Sealed, body []byte) cms.SignerInfo {
	t.Helper()
	der := body
	if _, params := mediaType(Get(s.Header, "Content-Type")); params["boundary"] != "" {
		ps, err := newParts(bytes.NewReader(body), params["boundary"])
		if err != nil || firstPart(ps) != nil {
			t.Fatal(err)
		}
		signature, err := readSignature(ps, cms.Limits{}, true)
		if err != nil {
			t.Fatal(err)
		}
		return signature.Signers()[0]
	}
	signature, err := cms.OpenSigned(bytes.NewReader(der), cms.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, signature); err != nil {
		t.Fatal(err)
	}
	return signature.Signers()[0]
}

// A plain body has no transfer encoding, whatever is configured (RFC 4130, 5.2.1).
func TestPlainBodyIsNeverEncoded(t *testing.T) {
	o := options()
	o.Quirks.PayloadBase64 = true
	s, body := sealBytes(t, []byte("UNB+"), o)
	if string(body) != "UNB+" || Get(s.Header, "Content-Transfer-Encoding") != "" || Get(s.Header, "Content-Disposition") != `attachment; filename="INV-1.zip"` {
		t.Errorf("%q %+v", body, s.Header)
	}
}

// Without layers, without anything asked for, the default of each version is computed.
func TestDefaultDigestOfAnUnsignedMessage(t *testing.T) {
	for version, want := range map[string][]cms.Digest{"1.0": {cms.SHA1, cms.SHA256}, "": {cms.SHA1, cms.SHA256}, "1.3": {cms.SHA256}} {
		o := options()
		o.Version, o.Receipt = version, ReceiptRequest{Wanted: true}
		s, body := sealBytes(t, []byte("x"), o)
		var got []cms.Digest
		for _, m := range s.MICs {
			got = append(got, m.Digest)
		}
		opened, _, err := openBytes(httpHeader(s.Header), bytes.NewReader(body), theirs())
		if err != nil || !slices.Equal(got, want) || opened.MICs[0].Digest != want[0] {
			t.Errorf("%q: %v, %v, %v", version, got, opened, err)
		}
	}
}

// What a version forbids is refused by name, and nothing is written.
func TestVersionForbids(t *testing.T) {
	legacy := func(c cms.Cipher, k cms.KeyTransport) func(*SealOptions) {
		return func(o *SealOptions) {
			o.Cipher, o.Recipients = c, []cms.Recipient{{Certificate: partners().Certificate, Transport: k}}
		}
	}
	for name, c := range map[string]struct {
		version string
		change  func(*SealOptions)
		word    string // in the error; empty = allowed
	}{
		"1.3 with 3DES":                 {"1.3", legacy(cms.DESEDE3CBC, cms.RSAPKCS1), "des-ede3-cbc"},
		"1.3 with RC2":                  {"1.3", legacy(cms.RC2CBC40, cms.RSAPKCS1), "rc2"},
		"1.3 with OAEP over SHA-1":      {"1.3", legacy(cms.AES128CBC, cms.OAEPSHA1), "SHA-1"},
		"1.3 with OAEP over SHA-256":    {"1.3", legacy(cms.AES128CBC, cms.OAEPSHA256), ""},
		"1.3 signed with SHA-1":         {"1.3", func(o *SealOptions) { o.Sign = signer(ours(), cms.SHA1) }, "sha1"},
		"1.3 asking for SHA-1":          {"1.3", func(o *SealOptions) { o.Receipt.Digests = append(o.Receipt.Digests, cms.SHA1) }, "sha1"},
		"1.3 as it should be":           {"1.3", func(o *SealOptions) { o.Sign = signer(ours(), cms.SHA384) }, ""},
		"1.2 with 3DES and OAEP":        {"1.2", legacy(cms.DESEDE3CBC, cms.OAEPSHA1), ""},
		"1.2 signed with SHA-1":         {"1.2", func(o *SealOptions) { o.Sign = signer(ours(), cms.SHA1) }, ""},
		"1.0 with compression":          {"1.0", func(o *SealOptions) { o.Compress = CompressBeforeSign }, "compression"},
		"1.1 with compression":          {"1.1", func(o *SealOptions) { o.Compress = CompressBeforeSign }, ""},
		"2.0":                           {"2.0", func(*SealOptions) {}, "2.0"},
		"extra field of our own":        {"1.2", func(o *SealOptions) { o.Extra = []Field{{"as2-to", "x"}} }, "as2-to"},
		"extra field with a line break": {"1.2", func(o *SealOptions) { o.Extra = []Field{{"X-A", "a\r\nAS2-To: x"}} }, "X-A"},
		"extra field without a name":    {"1.2", func(o *SealOptions) { o.Extra = []Field{{"X A", "a"}} }, "X A"},
		"extra field":                   {"1.2", func(o *SealOptions) { o.Extra = []Field{{"X-Route", "a b"}} }, ""},
		"subject with a line break":     {"1.2", func(o *SealOptions) { o.Subject = "a\nX: b" }, "Subject"},
		"type with a line break":        {"1.2", func(o *SealOptions) { o.ContentType = "a/b\r\nX: b" }, "Content-Type"},
	} {
		o := options()
		o.Version = c.version
		c.change(&o)
		var out bytes.Buffer
		s, err := Seal(&out, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }, o)
		switch {
		case c.word == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.word != "" && (err == nil || !strings.Contains(err.Error(), c.word) || s != nil || out.Len() > 0):
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
		if c.word == "" && len(o.Extra) > 0 && Get(s.Header, "X-Route") != "a b" {
			t.Errorf("%s: %+v", name, s.Header)
		}
	}
}

// Legacy algorithms leave a note each, modern ones none.
func TestLegacyIsNoted(t *testing.T) {
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA1), cms.DESEDE3CBC, to(partners())
	s, body := sealBytes(t, []byte("x"), o)
	opts := theirs()
	opts.Ciphers, opts.Digests = []cms.Cipher{cms.DESEDE3CBC}, []cms.Digest{cms.SHA1}
	opened, _, err := openBytes(httpHeader(s.Header), bytes.NewReader(body), opts)
	if err != nil || len(s.Notes) != 2 || len(opened.Notes) != 2 || !opened.Layers[0].Legacy || !opened.Layers[1].Legacy {
		t.Errorf("%q, %+v, %v", s.Notes, opened, err)
	}
	o.Sign, o.Cipher = signer(ours(), cms.SHA224), cms.AES128GCM
	if s, _ := sealBytes(t, []byte("x"), o); len(s.Notes) > 0 || Get(s.Header, "Content-Type") != `application/pkcs7-mime; smime-type=authEnveloped-data; name="smime.p7m"` {
		t.Errorf("%+v", s)
	}
}

func TestSealedSurvivesJSON(t *testing.T) {
	o := options()
	o.Sign, o.Compress = signer(ours(), cms.SHA1), CompressBeforeSign
	s, _ := sealBytes(t, []byte("x"), o)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again Sealed
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(*s, again) {
		t.Errorf("%s: %+v, %v", text, again, err)
	}
	// A ledger of the first version.
	const old = `{"header":[{"name":"AS2-From","value":"A"}],"length":3,"sha256":"ab","mics":[{"digest":3,"sum":"AQI="}],"signed":true,"encrypted":false,"receipt":{"Wanted":true,"Signed":true,"Async":"","Digests":[3]}}`
	var before Sealed
	if err := json.Unmarshal([]byte(old), &before); err != nil || before.Compressed || before.MICs[0].Digest != cms.SHA256 || before.Receipt.Digests[0] != cms.SHA256 || !before.Receipt.Signed {
		t.Errorf("%+v, %v", before, err)
	}
}

var errDisk = errors.New("disk")

// The error of the payload comes back as it is, through every layer.
func TestPayloadError(t *testing.T) {
	o := options()
	o.Sign, o.Cipher, o.Recipients, o.Compress = signer(ours(), cms.SHA256), cms.AES128CBC, to(partners()), CompressAfterSign
	if s, err := Seal(io.Discard, func(io.Writer) error { return errDisk }, o); err != errDisk || s != nil {
		t.Errorf("%v, %v", s, err)
	}
	o.Quirks = Quirks{OpaqueSignature: true, PayloadBase64: true}
	if s, err := Seal(failingWriter{}, func(w io.Writer) error { _, err := w.Write(make([]byte, 1<<20)); return err }, o); !errors.Is(err, errNetwork) || s != nil {
		t.Errorf("%v, %v", s, err)
	}
}

// Names that are not ASCII are there twice: for readers of RFC 2231 and for others.
func TestFileNamesAreReadByOthers(t *testing.T) {
	for name, want := range map[string]string{
		"INV-1.zip":           `attachment; filename="INV-1.zip"`,
		`a "b" \c.xml`:        `attachment; filename="a \"b\" \\c.xml"`,
		"Rechnung März.xml":   `attachment; filename="Rechnung M_rz.xml"; filename*=utf-8''Rechnung%20M%C3%A4rz.xml`,
		"100%.txt":            `attachment; filename="100%.txt"`,
		"発注書'1'*.xml":         `attachment; filename="___'1'*.xml"; filename*=utf-8''%E7%99%BA%E6%B3%A8%E6%9B%B8%271%27%2A.xml`,
		"semi;colon=equal.pp": `attachment; filename="semi;colon=equal.pp"`,
	} {
		got := disposition(name, false)
		_, params, err := mime.ParseMediaType(got) // the standard library's reader
		if got != want || err != nil || params["filename"] != name {
			t.Errorf("%q: %q, %q, %v", name, got, params["filename"], err)
		}
		if _, ours := mediaType(got); ours["filename"] != name {
			t.Errorf("%q: %q", name, ours)
		}
		if _, ours := mediaType(disposition(name, true)); ours["filename"] != name {
			t.Errorf("%q unquoted: %q", name, ours)
		}
	}
	if got := disposition("a b.xml", true); got != `attachment; filename="a b.xml"` {
		t.Error(got)
	}
}
