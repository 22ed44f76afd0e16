//go:build interop

package interop

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/as2drop/as2drop/internal/peers"
)

const openAS2 = "OpenAS2"

// openAS2Server is a running OpenAS2 with a partnership for each cell.
type openAS2Server struct {
	*peers.Process
	dir              string
	receive, receipt string // host:port of messages, and of receipts that come later
}

// openAS2Ciphers are the content ciphers that the jar knows, by the names of its
// configuration.
var openAS2Ciphers = map[string]string{
	"aes-128-cbc": "AES128", "aes-192-cbc": "AES192", "aes-256-cbc": "AES256",
	"des-ede3-cbc": "3DES", "cast5-cbc": "CAST5", "idea-cbc": "IDEA", "rc2-40-cbc": "RC2_CBC",
}

// lacks says why a case cannot be had with OpenAS2; empty = it can.
func (*openAS2Server) lacks(c cell) string {
	_, known := openAS2Ciphers[c.encrypt]
	receives := c.dir == out
	switch {
	case strings.HasSuffix(c.encrypt, "gcm"), strings.HasSuffix(c.encrypt, "ccm"):
		return "OpenAS2 2.10.1 does not have this cipher, and takes authEnveloped-data for the document itself"
	case c.encrypt == "idea-cbc" && receives:
		return "OpenAS2 encrypts with IDEA, but the part of Bouncy Castle that it decrypts with does not have it"
	case c.encrypted() && !known && !receives: // to open, Bouncy Castle needs no name
		return "OpenAS2 has no name for this key length"
	case c.ecdsa && !receives:
		return "OpenAS2 asks Bouncy Castle for SHA256WITHEC, which is not what ECDSA is called there"
	case c.keyID:
		return "OpenAS2 names recipients, and finds itself, by issuer and serial number only"
	case c.pss && !receives:
		return "OpenAS2 signs with PKCS#1 v1.5 only"
	case c.transport != "rsa":
		return "OpenAS2 knows PKCS#1 v1.5 only for content keys"
	case c.quirk == "opaque_signature":
		return "OpenAS2 reads multipart/signed only"
	case c.quirk == "mic_names: rsa-sha256":
		return "OpenAS2 does not know this spelling"
	case strings.ContainsAny(c.id, `"\`):
		return "OpenAS2 writes AS2 names with quotes or backslashes as they are, without the escapes of RFC 4130, 6.2"
	case c.fault == lessProtected && receives:
		return "OpenAS2 takes what comes, however it is protected"
	}
	return ""
}

// nameless: the name of a plain message stands in the HTTP header alone, where OpenAS2
// neither puts nor looks for it.
func (*openAS2Server) nameless(c cell) string {
	if !c.signed() && !c.encrypted() && c.compress == "none" {
		return "without its name: OpenAS2 neither writes it into the HTTP header nor reads it there"
	}
	return ""
}

// newOpenAS2 finds addresses for it; begin starts it.
func newOpenAS2(t *testing.T) *openAS2Server {
	t.Helper()
	return &openAS2Server{dir: t.TempDir(), receive: peers.FreeAddress(t), receipt: peers.FreeAddress(t)}
}

func (s *openAS2Server) addresses() (messages, receipts string) { return s.receive, s.receipt }

// openAS2Cell is what the templates see of a cell; all text is escaped.
type openAS2Cell struct {
	Key, Name, Alias, Us, Defaults             string
	Known, Sends, Receipt, Async, Whole, Keep  bool
	Sign, Encrypt, Compress, Options, Encoding string
}

// begin writes the configuration and starts the server.
func (s *openAS2Server) begin(t *testing.T, cs []cell, ourURL, receiptURL string) {
	t.Helper()
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	data := struct {
		Dir, Password, Port, MDNPort, OurName, OurURL, MDNURL string
		Cells                                                 []openAS2Cell
	}{s.dir, peers.KeyStorePassword, port(s.receive), port(s.receipt), ourName, ourURL, receiptURL, nil}
	for _, c := range cs {
		data.Cells = append(data.Cells, s.entry(c))
	}
	for _, name := range []string{"config.xml", "partnerships.xml"} {
		text, err := template.ParseFiles(absolute(t, "testdata/interop/openas2-"+name+".tmpl"))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := text.Execute(&b, data); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.dir, "config", name), b.Bytes())
	}
	commands, err := os.ReadFile(absolute(t, "testdata/interop/openas2-commands.xml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "config", "commands.xml"), commands)
	peers.WriteKeyStore(t, filepath.Join(s.dir, "config", "keys.p12"), map[string]string{"partner": keyPath(t, "partner"), "stranger": keyPath(t, "stranger")},
		map[string]string{"us": keyPath(t, "us") + ".pem", "us-ecdsa": filepath.Join(absolute(t, "testdata/keys"), "us-ecdsa.pem")})
	jars := os.Getenv("AS2DROP_INTEROP_OPENAS2")
	if jars == "" {
		t.Fatal("AS2DROP_INTEROP_OPENAS2 is not set: run make interop")
	}
	s.Process = peers.StartOpenAS2(t, peers.Logs{Dir: logs, Name: "openas2"}, jars, filepath.Join(s.dir, "config", "config.xml"), "-Xmx1g", "-Dopenas2log=info")
	s.Listens(t, s.receive)
	s.Listens(t, s.receipt)
}

// entry turns a cell into OpenAS2's terms.
func (s *openAS2Server) entry(c cell) openAS2Cell {
	e := openAS2Cell{
		Key: c.key, Name: escaped(c.name), Alias: "partner", Us: "us", Sends: c.dir == in, Known: true,
		Receipt: c.receipt != "none", Async: c.async, Options: "none", Encoding: "binary",
		Defaults: escaped("sender.as2_id=" + c.name + ", receiver.as2_id=" + ourName),
	}
	e.Whole = spoilerFor(c) != nil // nobody can spoil chunks without more ado
	e.Keep = c.fault == answerLost // else it sends again under a new Message-ID
	if c.encoding != "" {
		e.Encoding = c.encoding
	}
	if c.receipt == "signed" {
		mic := "SHA256"
		if c.signed() {
			mic = strings.ToUpper(strings.ReplaceAll(c.sign, "-", ""))
		}
		e.Options = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, " + mic
	}
	if c.signed() {
		e.Sign = strings.ToUpper(strings.ReplaceAll(c.sign, "-", ""))
	}
	if c.encrypted() {
		e.Encrypt = openAS2Ciphers[c.encrypt]
	}
	switch c.compress {
	case "before-sign":
		e.Compress = "compress-before-signing"
	case "after-sign":
		e.Compress = "compress-after-signing"
	}
	switch {
	case c.dir == in && c.fault == strangerSigns:
		e.Alias = "stranger"
	case c.dir == in && c.fault == strangerOpens:
		e.Us = "us for strangers"
	case c.dir == out && c.fault == strangerSigns:
		e.Us = "stranger"
	case c.dir == out && c.ecdsa:
		e.Us = "us by ECDSA"
	case c.dir == out && c.fault == unknownSender:
		e.Known = false
	}
	return e
}

func escaped(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}

// send has OpenAS2 find the document of a cell.
func (s *openAS2Server) send(t *testing.T, c cell) {
	t.Helper()
	name, content := c.shipment(t)
	drop(t, filepath.Join(s.dir, "data", "out", c.key, name), content)
}

// received is where OpenAS2 puts what it got from us.
func (s *openAS2Server) received(c cell) []string {
	from := ourName
	if c.fault == strangerSigns {
		from = strangersName
	} else if c.ecdsa {
		from = ecdsaName
	}
	return list(filepath.Join(s.dir, "data", "received", from+"-"+c.name))
}

// tookOurs: what OpenAS2 has stored it has taken. There is no other word of it.
func (s *openAS2Server) tookOurs(c cell) string {
	if len(s.received(c)) == 0 {
		return "nothing: no file was stored"
	}
	return ""
}

// sentItsOwn goes by the folder to which OpenAS2 moves a file: that happens when it has
// checked the receipt. A message without a receipt is not moved.
func (s *openAS2Server) sentItsOwn(c cell) (done bool, complaint string) {
	if len(list(filepath.Join(s.dir, "data", "sent", c.key))) > 0 {
		return true, ""
	}
	if len(list(filepath.Join(s.dir, "data", "error", c.key))) > 0 {
		return true, "the file is in the folder for errors"
	}
	return c.receipt == "none", ""
}

// list gives the files of a folder that may not be there.
func list(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths
}
