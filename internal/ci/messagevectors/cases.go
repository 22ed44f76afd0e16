package main

import (
	"bytes"
	"encoding/base64"
)

// vector is one message and how it comes to be.
type vector struct {
	name   string
	header []string // of the payload
	body   string
	files  []File
	layers []layer // innermost first
	digest string  // of the MIC; empty = sha-256
	legacy bool
	note   string
}

const interchange = "UNA:+.? 'UNB+UNOC:3+PARTNER:14+US:14+261123:1200+77120'UNZ+0+77120'\r\n"

func file(name, typ, content string, document bool) File {
	return File{name, typ, base64.StdEncoding.EncodeToString([]byte(content)), document}
}

// order is a message with one EDIFACT interchange.
func order(name string, layers ...layer) vector {
	return vector{
		name:   name,
		header: []string{"Content-Type: application/edifact", `Content-Disposition: attachment; filename="ORD-77120.edi"`},
		body:   interchange, files: []File{file("ORD-77120.edi", "application/edifact", interchange, true)}, layers: layers,
	}
}

// binary and der are how AS2 products sign and encrypt.
var (
	binary = []string{"-binary", "-crlfeol"}
	der    = []string{"-outform", "DER"}
)

func with(args ...[]string) (all []string) {
	for _, a := range args {
		all = append(all, a...)
	}
	return all
}

func cases() []vector {
	signed := sign("sha-256", "partner-rsa", binary...)
	encrypted := encrypt("aes-256-cbc", "aes-256-cbc", der...)
	all := []vector{
		// Every order of layers that RFC 4130 and RFC 5402, 3 know.
		order("plain"),
		order("signed", signed),
		order("encrypted", encrypted),
		order("signed-encrypted", signed, encrypted),
		order("compressed", compress),
		order("compressed-encrypted", compress, encrypted),
		order("compressed-signed", compress, signed),
		order("signed-compressed", signed, compress),
		order("compressed-signed-encrypted", compress, signed, encrypted),
		order("signed-compressed-encrypted", signed, compress, encrypted),
		// Other forms of signatures.
		order("signed-noattr", sign("sha-256", "partner-rsa", with(binary, []string{"-noattr"})...)),
		order("signed-keyid", sign("sha-256", "partner-rsa", with(binary, []string{"-keyid"})...)),
		order("signed-ecdsa", sign("sha-256", "partner-ecdsa", binary...)),
		order("signed-pss", sign("sha-256", "partner-rsa", with(binary, []string{"-keyopt", "rsa_padding_mode:pss"})...)),
		order("signed-x-pkcs7", sign("sha-256", "partner-rsa", with([]string{"smime"}, binary)...)),
		order("signed-opaque", sign("sha-256", "partner-rsa", with([]string{"-binary", "-nodetach"}, der)...)),
		order("signed-opaque-base64", sign("sha-256", "partner-rsa", with([]string{"-nodetach"}, binary)...)),
		order("signed-opaque-encrypted", sign("sha-256", "partner-rsa", with([]string{"-binary", "-nodetach"}, der)...), encrypted),
		// Other forms of encryption.
		order("encrypted-base64", encrypt("aes-128-cbc", "aes-128-cbc", "-crlfeol")),
		order("encrypted-keyid", encrypt("aes-192-cbc", "aes-192-cbc", with(der, []string{"-keyid"})...)),
		order("encrypted-oaep-sha-256", encrypt("aes-256-cbc", "aes-256-cbc", with(der, []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"})...)),
		order("encrypted-gcm", encrypt("aes-256-gcm", "aes-256-gcm", der...)),
		order("signed-encrypted-gcm", signed, encrypt("aes-128-gcm", "aes-128-gcm", der...)),
		order("encrypted-stream", encrypt("aes-256-cbc", "aes-256-cbc", with(der, []string{"-stream"})...)),
	}
	for _, d := range []string{"sha1", "sha-224", "sha-384", "sha-512"} {
		v := order("signed-"+d, sign(d, "partner-rsa", binary...))
		v.digest, v.legacy = d, d == "sha1"
		if v.legacy {
			v.note = "legacy digest"
		}
		all = append(all, v)
	}
	legacy := order("signed-encrypted-des3", signed, encrypt("des3", "des-ede3-cbc", der...))
	legacy.legacy, legacy.note = true, "legacy cipher"
	return append(all, legacy, textWithBareLF(), headless(), related(), relatedEncoded())
}

// textWithBareLF is signed over CRLF line ends, as openssl does with text, and was then
// stored by a program that writes others.
func textWithBareLF() vector {
	const text = "<?xml version='1.0'?>\n<Invoice>\n  <ID>INV-1001</ID>\n</Invoice>\n"
	return vector{
		name: "signed-text-bare-lf", header: []string{"Content-Type: application/xml", "Content-Transfer-Encoding: 8bit", "Content-Disposition: attachment; filename=INV-1001.xml"},
		body: text, files: []File{file("INV-1001.xml", "application/xml", text, true)},
		layers: []layer{sign("sha-256", "partner-rsa"), bareLF}, note: "CRLF line ends",
	}
}

// bareLF changes the line ends of what was signed. The MIC stays over what was signed.
func bareLF(_ *tools, m *message) error {
	m.mic = bytes.ReplaceAll(bytes.ReplaceAll(m.mic, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	m.body = bytes.ReplaceAll(m.body, []byte("\r\n"), []byte("\n"))
	return nil
}

// headless is what mendelson encrypts: the bare payload, its name in the HTTP header.
func headless() vector {
	v := order("encrypted-headless", func(_ *tools, m *message) error { m.header = nil; m.mic = m.body; return nil }, encrypt("aes-128-cbc", "aes-128-cbc", der...),
		func(_ *tools, m *message) error {
			m.header = []string{"Content-Type: application/pkcs7-mime", `Content-Disposition: attachment; filename="ORD-77120.edi"`}
			return nil
		})
	v.files[0].Type, v.note = "application/octet-stream", "no MIME header"
	return v
}

// related is one document with an attachment (RFC 6362), the root named by start.
func related() vector {
	const boundary = "=_related-77120"
	const pdf = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n\x00\x01\x02%%EOF"
	body := "--" + boundary + "\r\n" +
		"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <scan@partner.example>\r\nContent-Disposition: attachment; filename=\"scan.pdf\"\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(pdf)) + "\r\n" +
		"\r\n--" + boundary + "\r\n" +
		"Content-Type: application/edifact\r\nContent-ID: <order@partner.example>\r\nContent-Disposition: attachment; filename=\"ORD-77120.edi\"\r\n\r\n" +
		interchange +
		"\r\n--" + boundary + "--\r\n"
	return vector{
		name:   "related-signed-encrypted",
		header: []string{`Content-Type: multipart/related; type="application/edifact"; start="<order@partner.example>"; boundary="` + boundary + `"`},
		body:   body,
		files:  []File{file("scan.pdf", "application/pdf", pdf, false), file("ORD-77120.edi", "application/edifact", interchange, true)},
		layers: []layer{sign("sha-256", "partner-rsa", binary...), encrypt("aes-256-cbc", "aes-256-cbc", der...)},
	}
}

// relatedEncoded is a document that was compressed by itself, with attachments in base64
// and quoted-printable; no start says that it is the root, but it comes first.
func relatedEncoded() vector {
	const boundary = "----=_Part_77121"
	const note, pdf = "Zahlbar bis 30. Juni = nächsten Dienstag\r\n", "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n\x00\x01\x02%%EOF"
	v := order("related-encoded-parts", compress, func(_ *tools, m *message) error {
		document := m.entity()
		m.expect.Layers = nil // it is no layer of the message
		m.header = []string{`Content-Type: multipart/related; type="application/edifact";`, "\tboundary=\"" + boundary + `"`}
		m.body = []byte("--" + boundary + "\r\n" + string(document) + "\r\n--" + boundary + "\r\n" +
			"Content-Type: text/plain; charset=utf-8; name=note.txt\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
			"Zahlbar bis 30. Juni =3D n=C3=A4chsten =\r\nDienstag\r\n" +
			"\r\n--" + boundary + "\r\n" +
			"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=utf-8''Pr%C3%BCfbericht.pdf\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(pdf))[:20] + "\r\n" + base64.StdEncoding.EncodeToString([]byte(pdf))[20:] + "\r\n" +
			"\r\n--" + boundary + "--\r\n")
		return nil
	}, sign("sha-256", "partner-rsa", binary...), encrypt("aes-256-cbc", "aes-256-cbc", der...))
	v.files = append(v.files, file("note.txt", "text/plain", note, false), file("Prüfbericht.pdf", "application/pdf", pdf, false))
	v.note = "compressed by itself"
	return v
}
