// Command messagevectors makes AS2 messages with OpenSSL and Bouncy Castle, as vectors
// that no line of this project has written a byte of but their headers:
// testdata/vectors/message-CASE with headers, body and expect.json. They are signed by
// partner-rsa or partner-ecdsa and encrypted to us-rsa of testdata/keys; the MIC is
// computed by openssl dgst.
//
// It runs in the root of the repository, replaces vectors of the same name, and leaves
// others alone. The judges know where Bouncy Castle is:
//
//	.ci/judges.sh -- go run ./internal/ci/messagevectors
//	.ci/judges.sh -- go run ./internal/ci/messagevectors DIR    # elsewhere
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Expect is what a vector must be read as; package as2 reads it from expect.json.
type Expect struct {
	Origin string   `json:"origin"` // product and commands, innermost layer first
	Layers []string `json:"layers"` // outermost first
	MIC    string   `json:"mic"`    // as in Received-Content-MIC
	Files  []File   `json:"files"`
	Legacy bool     `json:"legacy,omitempty"` // opened only where legacy algorithms are accepted
	Note   string   `json:"note,omitempty"`   // a part of the note that reading it leaves
}

// File is one file of a message.
type File struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Content  string `json:"content"` // in base64
	Document bool   `json:"document"`
}

func main() {
	dir := filepath.Join("testdata", "vectors")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(dir); err != nil {
		fmt.Fprintln(os.Stderr, "messagevectors:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	version, err := exec.Command("openssl", "version").Output()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "messagevectors-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) // a left-over in the temporary folder harms nobody
	t := &tools{dir: temp, product: strings.Join(strings.Fields(string(version))[:2], " ")}
	for _, c := range cases() {
		if err := t.make(filepath.Join(dir, "message-"+c.name), c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// message is an entity while layers are put around it.
type message struct {
	header []string // lines of the outermost entity
	body   []byte
	mic    []byte // what the MIC is over; nil = decided when all layers are on
	signed bool
	expect Expect
}

// entity is the message as it stands inside of a layer.
func (m *message) entity() []byte {
	var b bytes.Buffer
	for _, line := range m.header {
		b.WriteString(line + "\r\n")
	}
	if len(m.header) > 0 {
		b.WriteString("\r\n")
	}
	b.Write(m.body)
	return b.Bytes()
}

type layer func(*tools, *message) error

// tools runs the products.
type tools struct {
	dir     string
	product string
}

func (t *tools) make(folder string, c vector) error {
	m := &message{header: c.header, body: []byte(c.body), expect: Expect{Files: c.files, Legacy: c.legacy, Note: c.note}}
	innermost := m.entity()
	for _, l := range c.layers {
		if err := l(t, m); err != nil {
			return err
		}
	}
	switch {
	case m.mic != nil:
	case len(c.layers) == 0:
		m.mic = m.body
	default:
		m.mic = innermost
	}
	digest := c.digest
	if digest == "" {
		digest = "sha-256"
	}
	sum, err := t.openssl(m.mic, "dgst", "-"+strings.ReplaceAll(digest, "-", ""), "-binary")
	if err != nil {
		return err
	}
	m.expect.MIC = base64.StdEncoding.EncodeToString(sum) + ", " + digest
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	header := append([]string{"AS2-Version: 1.2", "AS2-From: PARTNER", "AS2-To: US", "Message-ID: <" + c.name + "@partner.example>",
		"Disposition-Notification-To: partner@partner.example",
		"Disposition-Notification-Options: signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256"}, m.header...)
	text, err := json.MarshalIndent(m.expect, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "headers"), []byte(strings.Join(header, "\r\n")+"\r\n\r\n"), 0o644),
		os.WriteFile(filepath.Join(folder, "body"), m.body, 0o644),
		os.WriteFile(filepath.Join(folder, "expect.json"), append(text, '\n'), 0o644))
}

// openssl runs it from in to what it writes.
func (t *tools) openssl(in []byte, args ...string) ([]byte, error) {
	source, target := filepath.Join(t.dir, "in"), filepath.Join(t.dir, "out")
	if err := os.WriteFile(source, in, 0o600); err != nil {
		return nil, err
	}
	if args[0] == "dgst" {
		args = append(args, "-out", target, source)
	} else {
		args = append(args, "-in", source, "-out", target)
	}
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("openssl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return os.ReadFile(target)
}

// layered notes an outermost layer and how it was made.
func (m *message) layered(name, how string) {
	m.expect.Layers = append([]string{name}, m.expect.Layers...)
	if m.expect.Origin != "" {
		how = m.expect.Origin + "; " + how
	}
	m.expect.Origin = how
}

// keys are the arguments that name a signer of testdata/keys.
func keys(name string) []string {
	return []string{"-signer", filepath.Join("testdata", "keys", name+".pem"), "-inkey", filepath.Join("testdata", "keys", name+".key")}
}

// sign has openssl make a multipart/signed, or with -nodetach what holds its content.
func sign(digest, signer string, args ...string) layer {
	return func(t *tools, m *message) error {
		program := "cms"
		if len(args) > 0 && args[0] == "smime" {
			program, args = "smime", args[1:]
		}
		args := append(append([]string{program, "-sign", "-md", strings.ReplaceAll(digest, "-", "")}, keys(signer)...), args...)
		if !m.signed {
			m.mic, m.signed = m.entity(), true
		}
		out, err := t.openssl(m.entity(), args...)
		if err != nil {
			return err
		}
		m.layered("signed "+digest, t.product+": openssl "+strings.Join(args, " "))
		if contains(args, "DER") {
			m.header, m.body = []string{`Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"`, "Content-Transfer-Encoding: binary"}, out
			return nil
		}
		m.split(out)
		return nil
	}
}

// split takes the MIME header off what openssl writes.
func (m *message) split(out []byte) {
	end := "\r\n"
	if !bytes.Contains(out[:bytes.IndexByte(out, '\n')+1], []byte("\r\n")) {
		end = "\n"
	}
	header, body, _ := bytes.Cut(out, []byte(end+end))
	m.header = nil
	for line := range strings.SplitSeq(string(header), end) {
		if !strings.HasPrefix(line, "MIME-Version") {
			m.header = append(m.header, line)
		}
	}
	m.body = body
}

// encrypt has openssl make an EnvelopedData or AuthEnvelopedData.
func encrypt(cipher, name string, args ...string) layer {
	return func(t *tools, m *message) error {
		args := append([]string{"cms", "-encrypt", "-binary", "-" + cipher, "-recip", filepath.Join("testdata", "keys", "us-rsa.pem")}, args...)
		out, err := t.openssl(m.entity(), args...)
		if err != nil {
			return err
		}
		m.layered("encrypted "+name, t.product+": openssl "+strings.Join(args, " "))
		if contains(args, "DER") {
			m.header, m.body = []string{"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "Content-Disposition: attachment; filename=smime.p7m"}, out
			return nil
		}
		m.split(out)
		return nil
	}
}

// compress has Bouncy Castle make a CompressedData.
func compress(t *tools, m *message) error {
	path := os.Getenv("AS2DROP_JUDGE_BC")
	if path == "" {
		return errors.New("AS2DROP_JUDGE_BC is not set: run it by .ci/judges.sh -- go run ./internal/ci/messagevectors")
	}
	source, target, list := filepath.Join(t.dir, "plain"), filepath.Join(t.dir, "compressed"), filepath.Join(t.dir, "cases")
	err := errors.Join(os.WriteFile(source, m.entity(), 0o600), os.WriteFile(list, []byte(strings.Join([]string{"compress", source, target, "stream"}, "\t")+"\n"), 0o600))
	if err != nil {
		return err
	}
	if out, err := exec.Command("java", "-cp", path, filepath.Join("testdata", "judges", "BcSign.java"), list).CombinedOutput(); err != nil || strings.Contains(string(out), "fail") {
		return fmt.Errorf("bouncy castle: %w: %s", err, out)
	}
	out, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	m.layered("compressed", "Bouncy Castle 1.87: BcSign.java compress stream")
	m.header, m.body = []string{`Content-Type: application/pkcs7-mime; smime-type=compressed-data; name="smime.p7z"`, "Content-Transfer-Encoding: binary"}, out
	return nil
}

func contains(args []string, word string) bool {
	for _, a := range args {
		if a == word {
			return true
		}
	}
	return false
}
