package as2

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/as2drop/as2drop/cms"
)

// part is the signature part of a multipart/signed made by openssl.
var part = regexp.MustCompile(`(?s)(Content-Type: application/pkcs7-signature.*?)\r\n\r\n(.*?)\r?\n\r\n--`)

// signature replaces header and content of the signature part. The content comes as
// DER.
func signature(change func(header, text string, der []byte) string) func(http.Header, string) string {
	return func(_ http.Header, body string) string {
		m := part.FindStringSubmatch(body)
		der, err := base64.StdEncoding.DecodeString(m[2])
		if err != nil {
			panic(err)
		}
		return strings.Replace(body, m[1]+"\r\n\r\n"+m[2], change(m[1], m[2], der), 1)
	}
}

const noEncoding = "Content-Transfer-Encoding: base64\r\n"

// contentType changes the HTTP header.
func contentType(change func(string) string) func(http.Header, string) string {
	return func(h http.Header, body string) string {
		h.Set("Content-Type", change(h.Get("Content-Type")))
		return body
	}
}

func replace(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

// What products send, as changes to what OpenSSL made. The content is the same, the
// signature verifies, and only what does not fit together leaves a note.
func TestLiberties(t *testing.T) {
	for name, c := range map[string]struct {
		vector string
		change func(h http.Header, body string) string
		note   string
	}{
		"no preamble": {"message-signed", func(_ http.Header, b string) string {
			return strings.TrimPrefix(b, "This is an S/MIME signed message\r\n\r\n")
		}, ""},
		"headers repeated before the boundary": {"message-signed", func(h http.Header, b string) string {
			return "Content-Type: " + h.Get("Content-Type") + "\r\n\r\n" + b
		}, ""},
		"blank line first":    {"message-signed", func(_ http.Header, b string) string { return "\r\n" + b }, ""},
		"epilogue":            {"message-signed", func(_ http.Header, b string) string { return b + "\r\nbye" }, ""},
		"epilogue of a CRLF":  {"message-signed", func(_ http.Header, b string) string { return b + "\r\n" }, ""},
		"no break at the end": {"message-signed", func(_ http.Header, b string) string { return strings.TrimRight(b, "\r\n") }, ""},
		"blanks behind boundary": {"message-signed", func(_ http.Header, b string) string {
			return regexp.MustCompile(`(\n--\S+[^-\s])\r\n`).ReplaceAllString(b, "$1 \t\r\n")
		}, ""},

		"no micalg":              {"message-signed", contentType(replace(` micalg="sha-256";`, "")), ""},
		"micalg spelt otherwise": {"message-signed", contentType(replace(`"sha-256"`, "SHA2_256")), ""},
		"micalg is a list":       {"message-signed", contentType(replace(`"sha-256"`, `"md5, sha1,SHA256"`)), ""},
		"micalg unknown":         {"message-signed-sha-384", contentType(replace(`"sha-384"`, "unknown")), ""},
		"micalg wrong":           {"message-signed-sha-512", contentType(replace(`"sha-512"`, "sha-256")), "micalg"},
		"parameters upper case":  {"message-signed", contentType(replace("boundary", "BOUNDARY", "micalg", "MicAlg", "multipart/signed", "Multipart/SIGNED")), ""},
		"folded with tabs":       {"message-signed", contentType(replace("; ", ";\t ")), ""},
		"quoted as a whole": {"message-signed", contentType(func(s string) string {
			return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
		}), ""},
		"quoted as a whole, not escaped": {"message-signed", contentType(func(s string) string { return `"` + s + `"` }), ""},

		"signature with bare line feeds": {"message-signed", signature(func(h, text string, _ []byte) string {
			return strings.ReplaceAll(h+"\r\n\r\n"+text, "\r\n", "\n")
		}), ""},
		"signature in one line": {"message-signed", signature(func(h, _ string, der []byte) string {
			return h + "\r\n\r\n" + base64.StdEncoding.EncodeToString(der)
		}), ""},
		"signature with blanks in base64": {"message-signed", signature(func(h, text string, _ []byte) string {
			return h + "\r\n\r\n" + strings.ReplaceAll(text, "\n", " \t\n")
		}), ""},
		"signature as DER, no encoding stated": {"message-signed", signature(func(h, _ string, der []byte) string {
			return strings.Replace(h, noEncoding, "", 1) + "\r\n\r\n" + string(der)
		}), ""},
		"signature as DER, binary": {"message-signed", signature(func(h, _ string, der []byte) string {
			return strings.Replace(h, "base64", "binary", 1) + "\r\n\r\n" + string(der)
		}), ""},
		"signature as DER, called base64": {"message-signed", signature(func(h, _ string, der []byte) string {
			return h + "\r\n\r\n" + string(der)
		}), ""},
		"signature as base64, no encoding stated": {"message-signed", signature(func(h, text string, _ []byte) string {
			return strings.Replace(h, noEncoding, "", 1) + "\r\n\r\n" + text
		}), ""},
		"signature without a header": {"message-signed", signature(func(_, _ string, der []byte) string {
			return "\r\n" + string(der)
		}), ""},
		"signature of no stated type": {"message-signed", signature(func(_, text string, _ []byte) string {
			return "Content-Transfer-Encoding:base64\r\n\r\n" + text
		}), ""},
		"signature called x-pkcs7": {"message-signed", signature(func(h, text string, _ []byte) string {
			return strings.Replace(h, "application/pkcs7", "Application/X-pkcs7", 1) + "\r\n\r\n" + text
		}), ""},
		"header of the signature folded": {"message-signed", signature(func(h, text string, _ []byte) string {
			return strings.Replace(h, "; name", ";\r\n\tname", 1) + "\r\n\r\n" + text
		}), ""},

		"x-pkcs7-mime":           {"message-signed-encrypted", contentType(replace("application/pkcs7-mime", "application/x-pkcs7-mime")), ""},
		"no smime-type":          {"message-signed-encrypted", contentType(replace("smime-type=enveloped-data; ", "")), ""},
		"another smime-type":     {"message-signed-encrypted", contentType(replace("enveloped-data", "signed-data")), ""},
		"octet-stream smime.p7m": {"message-signed-encrypted", contentType(func(string) string { return `application/octet-stream; name="smime.p7m"` }), ""},
		"octet-stream msg.p7m":   {"message-signed-encrypted", contentType(func(string) string { return `application/octet-stream; name=msg.P7M` }), ""},
		"bytes behind the end":   {"message-signed-encrypted", func(_ http.Header, b string) string { return b + "\r\n\x00\x01" }, "bytes behind the end"},
		"a CRLF behind the end":  {"message-signed-encrypted", func(_ http.Header, b string) string { return b + "\r\n" }, ""},
		"base64, stated": {"message-signed-encrypted", func(h http.Header, b string) string {
			h.Set("Content-Transfer-Encoding", "BASE64 ")
			return base64.StdEncoding.EncodeToString([]byte(b))
		}, ""},
		"base64, not stated": {"message-signed-encrypted", func(_ http.Header, b string) string {
			return "\r\n" + base64.StdEncoding.EncodeToString([]byte(b)) + "\r\n"
		}, ""},
		"base64, called binary": {"message-signed-encrypted", func(h http.Header, b string) string {
			h.Set("Content-Transfer-Encoding", "binary")
			return base64.StdEncoding.EncodeToString([]byte(b))
		}, "transfer encoding is not"},
		"binary, called base64": {"message-compressed", func(h http.Header, b string) string {
			h.Set("Content-Transfer-Encoding", "base64")
			return b
		}, "transfer encoding is not"},
	} {
		t.Run(name, func(t *testing.T) {
			v := loadVector(t, c.vector)
			changed := c.change(v.header, string(v.body))
			v.expect.Note = c.note
			for _, r := range []io.Reader{strings.NewReader(changed), iotest.OneByteReader(strings.NewReader(changed))} {
				e, err := ParseEnvelope(v.header)
				if err != nil {
					t.Fatal(err)
				}
				var files collector
				opened, err := Open(e, r, files.sink, asUs(false))
				if err != nil {
					t.Fatal(err)
				}
				v.check(t, opened, files.files)
			}
		})
	}
}

// encryptedEntity encrypts an entity that no product of ours would write.
func encryptedEntity(t testing.TB, c cms.Cipher, entity string) (http.Header, []byte) {
	t.Helper()
	var body bytes.Buffer
	w, err := cms.Encrypt(&body, cms.EncryptOptions{Cipher: c, Recipients: to(partners()), Rand: zeroRand{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, entity); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return http.Header{"As2-From": {"Theirs"}, "As2-To": {"Ours"}, "Message-Id": {"<x@y>"}, "Content-Type": {"application/x-pkcs7-mime"}}, body.Bytes()
}

// openEntity opens an encrypted entity without a signature.
func openEntity(t testing.TB, entity string, change func(*OpenOptions)) (*Opened, string, error) {
	t.Helper()
	h, body := encryptedEntity(t, cms.AES128CBC, entity)
	o := theirs()
	if change != nil {
		change(&o)
	}
	opened, got, err := openBytes(h, bytes.NewReader(body), o)
	return opened, string(got), err
}

// File names in every spelling that was seen.
func TestFileNamesOfOthers(t *testing.T) {
	for header, want := range map[string]string{
		`Content-Disposition: attachment; filename="INV-1.xml"`:                                        "INV-1.xml",
		`content-disposition:ATTACHMENT;FileName=INV-1.xml`:                                            "INV-1.xml",
		"Content-Disposition: attachment;\r\n\tfilename=\"INV-1.xml\"":                                 "INV-1.xml",
		`Content-Disposition : attachment ; filename = "INV-1.xml" `:                                   "INV-1.xml",
		`Content-Disposition: attachment; filename=INV 1.xml; size=3`:                                  "INV 1.xml",
		`Content-Disposition: attachment; filename=""INV-1.xml""`:                                      "INV-1.xml",
		`Content-Disposition: "attachment; filename=INV-1.xml"`:                                        "INV-1.xml",
		`Content-Disposition: attachment; filename="C:\out\INV-1.xml"`:                                 `C:\out\INV-1.xml`,
		`Content-Disposition: attachment; filename="a;b.xml"`:                                          "a;b.xml",
		`Content-Disposition: attachment; filename="INV-1.xml`:                                         "INV-1.xml",
		`Content-Disposition: attachment; filename*=utf-8''M%C3%A4rz%20%E2%82%AC.xml`:                  "März €.xml",
		`Content-Disposition: attachment; filename="M_rz.xml"; filename*=UTF-8'de'M%C3%A4rz.xml`:       "März.xml",
		`Content-Disposition: attachment; filename*=iso-8859-1'de'M%E4rz.xml; filename=x`:              "März.xml",
		`Content-Disposition: attachment; filename*=iso-8859-1''%C3%A4.xml`:                            "Ã¤.xml",
		`Content-Disposition: attachment; filename*0="Rech"; filename*1="nung.xml"`:                    "Rechnung.xml",
		`Content-Disposition: attachment; filename*0*=utf-8''M%C3; filename*1*=%A4; filename*2="rz.x"`: "März.x",
		`Content-Disposition: attachment; filename="=?utf-8?B?TcOkcnoueG1s?="`:                         "März.xml",
		`Content-Disposition: attachment; filename="=?ISO-8859-1?Q?M=E4rz.xml?="`:                      "März.xml",
		`Content-Disposition: attachment; filename="März.xml"`:                                         "März.xml",
		`Content-Disposition: attachment; filename=März.xml`:                                           "März.xml",
		"Content-Disposition: attachment; filename=\"M\xe4rz.xml\"":                                    "März.xml",
		`X-Other: 1`: "",
	} {
		opened, got, err := openEntity(t, "Content-Type: application/xml\r\n"+header+"\r\n\r\n<a/>", nil)
		if err != nil || got != "<a/>" || opened.Parts[0].Filename != want {
			t.Errorf("%s: %+v, %q, %v", header, opened, got, err)
		}
	}
	if opened, _, err := openEntity(t, "Content-Type: application/xml; Name=\"INV-1.xml\"\r\n\r\n<a/>", nil); err != nil || opened.Parts[0].Filename != "INV-1.xml" {
		t.Errorf("%+v, %v", opened, err)
	}
}

// Of two forms of one name the same one counts each time.
func TestParametersInTwoForms(t *testing.T) {
	for range 50 {
		_, params := mediaType(`x/y; filename*0=piece; filename*=utf-8''whole; filename=plain; boundary=first; Boundary=second`)
		if params["filename"] != "whole" || params["boundary"] != "first" {
			t.Fatalf("%q", params)
		}
	}
}

// The name of a wrapper is not the name of what is inside.
func TestWrapperNamesNoPayload(t *testing.T) {
	h, body := encryptedEntity(t, cms.AES128CBC, "Content-Type: application/xml\r\n\r\n<a/>")
	for name, want := range map[string]string{"smime.p7m": "", "INV-1.xml": "INV-1.xml"} {
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		opened, _, err := openBytes(h, bytes.NewReader(body), theirs())
		if err != nil || opened.Parts[0].Filename != want {
			t.Errorf("%s: %+v, %v", name, opened, err)
		}
	}
}

// A transfer encoding inside of encryption is undone for delivery and never for the
// MIC; none means binary.
func TestTransferEncodingsInsideOfEncryption(t *testing.T) {
	for entity, want := range map[string]string{
		"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEv\r\nPg==\r\n": "<a/>",
		"Content-Type: a/b\r\nContent-Transfer-Encoding:\t\"BASE64\"\r\n\r\nPGEv\nPg==":  "<a/>",
		"Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=3Ca/>": "<a/>",
		"Content-Type: a/b\r\n\r\nPGEvPg==\r\n":                                          "PGEvPg==\r\n",
		"Content-Type: a/b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\x80\x00\n":         "\x80\x00\n",
		"Content-Type: a/b\r\nContent-Transfer-Encoding: x-unknown\r\n\r\nabc":           "abc",
		"MIME-Version: 1.0\nContent-Type: a/b\n\nbare line feeds":                        "bare line feeds",
		"\r\nno header, but the line that ends it":                                       "no header, but the line that ends it",
		"UNA:+.? 'UNB+UNOA:3":   "UNA:+.? 'UNB+UNOA:3",
		"ISA*00*          *00*": "ISA*00*          *00*",
	} {
		opened, got, err := openEntity(t, entity, nil)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", entity, got, err)
			continue
		}
		sum := cms.SHA1.New()
		io.WriteString(sum, entity)
		if !bytes.Equal(opened.MICs[0].Sum, sum.Sum(nil)) || opened.MICs[0].Digest != cms.SHA1 {
			t.Errorf("%q: the MIC is not over the entity as it was encrypted", entity)
		}
		if strings.Contains(entity, "x-unknown") != slices.ContainsFunc(opened.Notes, func(n string) bool { return strings.Contains(n, "unknown") }) {
			t.Errorf("%q: %q", entity, opened.Notes)
		}
	}
	if _, _, err := openEntity(t, "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nPGE*", nil); modifierOf(err) != DecryptionFailed {
		t.Error("bad base64:", err)
	}
}

// A document that its issuer signed is a document, not a layer.
func TestSignedDocumentIsNoLayer(t *testing.T) {
	const entity = "Content-Type: application/octet-stream; name=\"invoice.xml.p7m\"\r\n\r\n0\x80 looks like CMS"
	opened, got, err := openEntity(t, entity, nil)
	if err != nil || got != "0\x80 looks like CMS" || len(opened.Layers) != 1 {
		t.Errorf("%+v, %q, %v", opened, got, err)
	}
}

// Line ends that are no text stay what they are: a binary part whose signature is over
// other bytes is refused, though CRLF line ends would verify.
func TestBinaryIsNeverCanonical(t *testing.T) {
	const boundary = "b"
	signed := "Content-Type: application/octet-stream\r\n\r\na\r\nb"
	d := cms.SHA256.New()
	io.WriteString(d, signed)
	der, err := signer(ours(), cms.SHA256).Sign(d.Sum(nil), moment)
	if err != nil {
		t.Fatal(err)
	}
	sent := strings.Replace(signed, "a\r\nb", "a\nb", 1)
	h := http.Header{"As2-From": {"Ours"}, "As2-To": {"Theirs"}, "Message-Id": {"x"}, "Content-Type": {"multipart/signed; boundary=" + boundary}}
	body := func(part string) io.Reader {
		return strings.NewReader("--b\r\n" + part + string(signaturePart(der, boundary)))
	}
	if _, _, err := openBytes(h, body(signed), theirs()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openBytes(h, body(sent), theirs()); modifierOf(err) != IntegrityCheckFailed {
		t.Error(err)
	}
}

// An asterisk alone extends no parameter (found by FuzzMIMEHeader).
func TestAsteriskExtendsNothing(t *testing.T) {
	if _, params := mediaType("a/b; *=0; *0*=x; name=a"); len(params) != 1 || params["name"] != "a" {
		t.Errorf("%q", params)
	}
}
