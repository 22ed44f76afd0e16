//go:build interop

package interop

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// row is one case: what goes over the wire, whoever sends it. The zero value is a
// message that is signed, encrypted and asks for a signed receipt at once.
type row struct {
	section   string
	name      string
	sign      string // digest of the signature, or "none"
	pss       bool
	ecdsa     bool
	encrypt   string // cipher, or "none"
	transport string // of the content key
	keyID     bool   // the recipient is named by key identifier
	compress  string // none, before-sign, after-sign
	receipt   string // signed, unsigned, none
	async     bool
	file      string // name of the document; empty = made from the case
	attached  bool   // the document travels with an attachment, in a zip
	parts     bool   // or each as a part of a multipart
	id        string // AS2 name of the peer; empty = made from the case
	encoding  string // Content-Transfer-Encoding that a peer chooses
	quirk     string // a switch of ours that is on; empty = none
	fault     fault
}

// fault is what goes wrong on purpose.
type fault int

const (
	noFault fault = iota
	strangerSigns
	strangerOpens
	brokenSignature
	brokenContent
	brokenZlib
	unknownSender
	lessProtected
	sentTwice
	answerLost
	brokenReceipt
)

const (
	ourDigest = "sha-256"
	aes256    = "aes-256-cbc"
)

func (r row) signed() bool    { return r.sign != "none" }
func (r row) encrypted() bool { return r.encrypt != "none" }

// fill sets what a row leaves out.
func (r row) fill() row {
	or := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	or(&r.sign, ourDigest)
	or(&r.encrypt, aes256)
	or(&r.transport, "rsa")
	or(&r.compress, "none")
	or(&r.receipt, "signed")
	return r
}

// matrix is every case, in the order of the table.
func matrix() []row {
	var rows []row
	add := func(section string, rs ...row) {
		for _, r := range rs {
			r.section = section
			rows = append(rows, r.fill())
		}
	}
	add("Permutations", permutations()...)
	for _, c := range []string{
		"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "aes-128-ccm", "aes-192-ccm", "aes-256-ccm",
		"des-ede3-cbc", "cast5-cbc", "idea-cbc", "rc2-128-cbc", "rc2-64-cbc", "rc2-40-cbc",
	} {
		add("Content encryption", row{name: c, encrypt: c})
	}
	for _, d := range []string{"sha1", "sha-224", "sha-256", "sha-384", "sha-512"} {
		add("Signatures", row{name: "RSA PKCS#1 v1.5, " + d, sign: d})
	}
	for _, d := range []string{"sha1", "sha-256", "sha-512"} {
		add("Signatures", row{name: "RSA PSS, " + d, sign: d, pss: true})
	}
	for _, d := range []string{"sha-256", "sha-512"} {
		add("Signatures", row{name: "ECDSA P-256, " + d, sign: d, ecdsa: true})
	}
	add("Key transport", row{name: "RSA PKCS#1 v1.5, recipient by key identifier", keyID: true})
	for _, k := range []string{"oaep-sha1", "oaep-sha-256", "oaep-sha-384", "oaep-sha-512"} {
		add("Key transport", row{name: "RSA " + k, transport: k})
	}
	add("Transfer encodings that the sender may choose",
		row{name: "base64 in every layer", encoding: "base64"},
		row{name: "base64 in every layer, signed only", encoding: "base64", encrypt: "none"},
		row{name: "base64 in every layer, compressed and signed", encoding: "base64", encrypt: "none", compress: "before-sign"},
		row{name: "base64 in every layer, encrypted only", encoding: "base64", sign: "none"})
	add("Names",
		row{name: "AS2 name with blanks", id: "name of %s"},
		row{name: "AS2 name with a quote", id: `The "%s"`},
		row{name: "AS2 name with a backslash", id: `back\%s`},
		row{name: "file name with blanks", file: "INV 2026 %s.xml"},
		row{name: "file name with a semicolon", file: "INV;%s.xml"},
		row{name: "file name beyond ASCII", file: "Rechnung-%s-äöü.xml"})
	add("Batches",
		row{name: "document and attachment in a zip", attached: true},
		row{name: "document and attachment in a zip, signed only", attached: true, encrypt: "none"})
	for _, r := range []row{
		{name: "signed, encrypted"}, {name: "signed", encrypt: "none"}, {name: "encrypted", sign: "none"}, {name: "plain", sign: "none", encrypt: "none"},
		{name: "compressed, signed, encrypted", compress: "before-sign"}, {name: "signed, compressed", compress: "after-sign", encrypt: "none"}, {name: "compressed", compress: "before-sign", sign: "none", encrypt: "none"},
		{name: "signed, in base64", encrypt: "none", quirk: "payload_base64"},
	} {
		r.name, r.attached, r.parts = "document and attachment as parts of a multipart, "+r.name, true, true
		add("Batches", r)
	}
	for _, q := range []string{
		"no_signed_attributes", "no_algorithm_protection", "opaque_signature", "mic_names: sha256", "mic_names: rsa-sha256", "payload_base64",
		"unquoted_filename", "http_transfer_encoding", "chunked", "expect_continue",
	} {
		add("Switches of ours", row{name: q, quirk: q, encrypt: "none"})
	}
	add("What must be refused", refusals()...)
	return rows
}

// permutations are all kinds of protection, compression and receipt.
func permutations() []row {
	var rows []row
	for _, p := range []struct{ name, sign, encrypt string }{
		{"plain", "none", "none"}, {"signed", ourDigest, "none"}, {"encrypted", "none", aes256}, {"signed, encrypted", ourDigest, aes256},
	} {
		for _, c := range []string{"none", "before-sign", "after-sign"} {
			if c == "after-sign" && p.sign == "none" {
				continue // there is no signature to be before or after
			}
			for _, m := range []struct {
				receipt string
				async   bool
			}{{"none", false}, {"unsigned", false}, {"signed", false}, {"unsigned", true}, {"signed", true}} {
				name := p.name
				switch {
				case c != "none" && p.sign == "none":
					name += ", compressed"
				case c != "none":
					name += ", compressed " + strings.TrimSuffix(c, "-sign") + " signing"
				}
				switch {
				case m.receipt == "none":
					name += "; no receipt"
				case m.async:
					name += fmt.Sprintf("; %s receipt later", m.receipt)
				default:
					name += fmt.Sprintf("; %s receipt", m.receipt)
				}
				rows = append(rows, row{name: name, sign: p.sign, encrypt: p.encrypt, compress: c, receipt: m.receipt, async: m.async})
			}
		}
	}
	return rows
}

// refusals are the cases that must not get through, or not twice.
func refusals() []row {
	return []row{
		{name: "signed by a stranger", fault: strangerSigns},
		{name: "encrypted to a stranger", fault: strangerOpens},
		{name: "the signature was changed on the way", fault: brokenSignature, encrypt: "none"},
		{name: "the signed content was changed on the way", fault: brokenContent, encrypt: "none"},
		{name: "the compressed data was changed on the way", fault: brokenZlib, sign: "none", encrypt: "none", compress: "before-sign"},
		{name: "the receiver does not know the sender", fault: unknownSender},
		{name: "not encrypted, though agreed", fault: lessProtected, encrypt: "none"},
		{name: "the same message twice: delivered once, the same receipt twice", fault: sentTwice},
		{name: "the answer is lost: the same message again, delivered once", fault: answerLost},
		{name: "the receipt was changed on the way: not filed as sent", fault: brokenReceipt},
	}
}

// direction is who sends.
type direction int

const (
	out direction = iota // we send
	in                   // the peer sends
)

// column is one column of the table.
type column struct {
	peer string
	dir  direction
}

func (c column) String() string {
	if c.dir == out {
		return "to " + c.peer
	}
	return "from " + c.peer
}

// cell is one case in one direction with one peer.
type cell struct {
	row
	column
	key  string // unique, a name for files and folders
	name string // the peer's AS2 name
}

// cells gives every case of a column what makes it unique.
func cells(c column, rows []row) []cell {
	short := strings.ToLower(strings.TrimSuffix(strings.Fields(c.peer)[0], "-lib"))
	way := "out"
	if c.dir == in {
		way = "in"
	}
	var cs []cell
	for i, r := range rows {
		l := cell{row: r, column: c, key: fmt.Sprintf("%s-%s-%03d", short, way, i+1)}
		l.name = l.key
		if r.id != "" {
			l.name = fmt.Sprintf(r.id, l.key)
		}
		if r.file != "" {
			l.file = fmt.Sprintf(r.file, l.key)
		} else {
			l.file = "DOC-" + l.key + ".xml"
		}
		cs = append(cs, l)
	}
	return cs
}

// payload is what the document of a cell consists of: bytes that text mode would
// change, different ones for each.
func (c cell) payload() []byte {
	return []byte("<Invoice><ID>" + c.key + "</ID>\nline feeds\n\r \r\n.\r\nand \x00 \xff\xfe bytes beyond text\n" + strings.Repeat("compressible ", 200) + "</Invoice>\n")
}

// attachment is what goes with it where the case has one.
func (c cell) attachment() []byte { return []byte("%PDF-1.4 of " + c.key + "\n\x80\x81\r\n") }

func (c cell) attachmentName() string { return "DOC-" + c.key + "_scan.pdf" }

// shipment is the file that a peer sends for a cell: the document, or a zip.
func (c cell) shipment(t *testing.T) (name string, content []byte) {
	t.Helper()
	if !c.attached {
		return c.file, c.payload()
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name    string
		content []byte
	}{{c.file, c.payload()}, {c.attachmentName(), c.attachment()}} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return "DOC-" + c.key + ".zip", b.Bytes()
}
