package as2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/cms"
)

// httpHeader is how net/http would show the fields.
func httpHeader(fs []Field) http.Header {
	h := http.Header{}
	for _, f := range fs {
		h.Add(f.Name, f.Value)
	}
	return h
}

func options() SealOptions {
	return SealOptions{From: "Ours", To: "Theirs", MessageID: "<1@ours>", Subject: "s", Date: moment, ContentType: "application/zip", Filename: "INV-1.zip",
		Receipt: ReceiptRequest{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA256}}, ReceiptTo: "ours"}
}

func sealBytes(t interface{ Fatal(...any) }, payload []byte, o SealOptions) (*Sealed, []byte) {
	var buf bytes.Buffer
	s, err := Seal(&buf, func(w io.Writer) error { _, err := w.Write(payload); return err }, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Length != int64(buf.Len()) {
		t.Fatal("length", s.Length, buf.Len())
	}
	return s, buf.Bytes()
}

func theirs() OpenOptions {
	return OpenOptions{Identities: []cms.Identity{partners()}, Trust: trust(ours()), At: moment}
}

// into is a sink of one part.
func into(w io.Writer) Sink {
	return func(Part) (io.WriteCloser, error) { return nopCloser{w}, nil }
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func openBytes(h http.Header, body io.Reader, o OpenOptions) (*Opened, []byte, error) {
	e, err := ParseEnvelope(h)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	opened, err := Open(e, body, into(&out), o)
	return opened, out.Bytes(), err
}

// Every permutation of layers, random payloads that look like boundaries, any
// chunking: the same bytes come out and both sides have the same MIC.
func TestSealedOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := options()
		if rapid.Bool().Draw(t, "sign") {
			o.Sign = signer(ours(), rapid.SampledFrom([]cms.Digest{cms.SHA256, cms.SHA384, cms.SHA512}).Draw(t, "digest"))
		}
		if rapid.Bool().Draw(t, "encrypt") {
			o.Cipher, o.Recipients = rapid.SampledFrom([]cms.Cipher{cms.AES128CBC, cms.AES192CBC, cms.AES256CBC}).Draw(t, "cipher"), to(partners(), ours())
		}
		o.Compress = rapid.SampledFrom([]Compression{NoCompression, CompressBeforeSign, CompressAfterSign}).Draw(t, "compress")
		piece := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 300), rapid.SampledFrom([][]byte{[]byte("\r\n--as2drop-"), []byte("\r\n--"), []byte("\r"), []byte("\n"), bytes.Repeat([]byte("x\r\n"), 30_000)}))
		payload := slices.Concat(rapid.SliceOfN(piece, 0, 6).Draw(t, "payload")...)
		s, body := sealBytes(t, payload, o)
		var r io.Reader = bytes.NewReader(body)
		if len(body) < 5000 {
			r = rapid.SampledFrom([]func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}).Draw(t, "reader")(r)
		}
		opts := theirs()
		opts.RequireSigned, opts.RequireEncrypted = s.Signed, s.Encrypted
		opened, got, err := openBytes(httpHeader(s.Header), r, opts)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes of %d: %v", len(got), len(payload), err)
		}
		if !opened.MICs[0].Equal(s.MICs[0]) || opened.Parts[0].Filename != "INV-1.zip" || opened.Size != int64(len(payload)) {
			t.Fatalf("%+v\n%+v", opened, s.MICs)
		}
	})
}

type zeroRand struct{}

func (zeroRand) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

var errNetwork = errors.New("connection reset by peer")

func TestFaultsOfOursAreNoFaultsOfTheMessage(t *testing.T) {
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES128CBC, to(partners())
	s, body := sealBytes(t, bytes.Repeat([]byte("x"), 100_000), o)
	var f *Fault
	_, _, err := openBytes(httpHeader(s.Header), io.MultiReader(bytes.NewReader(body[:50_000]), iotest.ErrReader(errNetwork)), theirs())
	if !errors.Is(err, errNetwork) || errors.As(err, &f) {
		t.Errorf("connection: %v", err)
	}
	e, _ := ParseEnvelope(httpHeader(s.Header))
	if _, err = Open(e, bytes.NewReader(body), into(failingWriter{}), theirs()); !errors.Is(err, errNetwork) || errors.As(err, &f) {
		t.Errorf("disk: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errNetwork }

// mendelson encrypts the bare payload without any MIME header.
func TestEncryptedWithoutInnerHeader(t *testing.T) {
	for _, payload := range []string{"<?xml version='1.0'?><a/>", "UNB+UNOA:3+A+B", ""} {
		var body bytes.Buffer
		w, err := cms.Encrypt(&body, cms.EncryptOptions{Cipher: cms.AES128CBC, Recipients: to(partners()), Rand: zeroRand{}})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, payload)
		w.Close()
		o := options()
		h := httpHeader(o.header(entity{pkcs7Header("enveloped-data", "smime.p7m"), nil}))
		h.Set("Content-Type", "application/x-pkcs7-mime")
		h.Set("Content-Disposition", `attachment; filename="a.edi"`)
		opened, got, err := openBytes(h, &body, theirs())
		if err != nil || string(got) != payload || opened.Parts[0].Filename != "a.edi" {
			t.Errorf("%q: %q, %+v, %v", payload, got, opened, err)
		}
	}
}

func TestTransferEncodingsOfThePayload(t *testing.T) {
	h := http.Header{"As2-From": {"A"}, "As2-To": {"B"}, "Message-Id": {"x"}, "Content-Type": {"application/xml"}, "Content-Transfer-Encoding": {"Base64"}}
	if _, got, err := openBytes(h, strings.NewReader("PGEv\r\nPg==\r\n"), theirs()); err != nil || string(got) != "<a/>" {
		t.Errorf("%q, %v", got, err)
	}
	if _, _, err := openBytes(h, strings.NewReader("PGE*"), theirs()); err == nil {
		t.Error("bad base64 passes")
	}
}

func TestEnvelope(t *testing.T) {
	good := http.Header{"As2-From": {`"my \"own\" name"`}, "As2-To": {"B"}, "Message-Id": {"<x@y>"}, "Disposition-Notification-To": {"a"},
		"Disposition-Notification-Options": {"signed-receipt-micalg=required,\tmd5, sha1,SHA-256; foo=bar; signed-receipt-protocol = optional , \"pkcs7-signature\""}}
	e, err := ParseEnvelope(good)
	if err != nil || e.From != `my "own" name` || !e.Receipt.Signed || !slices.Equal(e.Receipt.Digests, []cms.Digest{cms.SHA1, cms.SHA256}) {
		t.Errorf("%+v, %v", e, err)
	}
	for name, c := range map[string]struct{ field, value, modifier, older string }{
		"no AS2-From":                   {"As2-From", "", UnknownRelationship, AuthenticationFailed},
		"AS2-From too long":             {"As2-From", strings.Repeat("x", 129), UnknownRelationship, AuthenticationFailed},
		"no AS2-To":                     {"As2-To", "", UnknownRelationship, AuthenticationFailed},
		"AS2-To not ASCII":              {"As2-To", "Müller", UnknownRelationship, AuthenticationFailed},
		"no Message-ID":                 {"Message-Id", "", InvalidMessageID, UnexpectedProcessing},
		"Message-ID of brackets":        {"Message-Id", "<>", InvalidMessageID, UnexpectedProcessing},
		"Message-ID too long":           {"Message-Id", strings.Repeat("x", 999), InvalidMessageID, UnexpectedProcessing},
		"Message-ID with a tab":         {"Message-Id", "<a\tb@c>", InvalidMessageID, UnexpectedProcessing},
		"Message-ID with a blank":       {"Message-Id", "<a b@c>", "", ""},
		"Message-ID without brackets":   {"Message-Id", "abc", "", ""},
		"Message-ID of 998 characters":  {"Message-Id", strings.Repeat("x", 998), "", ""},
		"AS2-From of 128 characters":    {"As2-From", strings.Repeat("x", 128), "", ""},
		"AS2-From with all that is odd": {"As2-From", `"a b,c;d#e!f[g<h\\i\"j"`, "", ""},
	} {
		h := good.Clone()
		h.Set(c.field, c.value)
		e, err := ParseEnvelope(h)
		if modifierOf(err) != c.modifier || e == nil {
			t.Errorf("%s: %v", name, err)
		}
		var f *Fault
		if errors.As(err, &f) && f.Disposition.For("1.2").Modifier != c.older {
			t.Errorf("%s: %v", name, f.Disposition.For("1.2"))
		}
		if err == nil && (e.From == "" || e.MessageID != h.Get("Message-Id")) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, name := range []string{"plain", "with blank", `q"uote`, `back\slash`, "a,b;c#[!<", ""} {
		if got := UnquoteName(QuoteName(name)); got != name {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}
