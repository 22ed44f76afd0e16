//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
)

var capture = flag.Bool("capture", false, "write what the peers sent to testdata/vectors")

// versions name the peers in what they are captured in.
var versions = map[string]string{openAS2: "OpenAS2 2.10.1", pyas2: "pyas2-lib 1.4.4"}

// expectation is the expect.json of a vector. What it says comes from the case, from
// what the peer was given to send, and from what the peer agreed to; our own reading has
// no part in it. The keys are those of testdata/keys.
type expectation struct {
	Origin  string   `json:"origin"`
	Kind    string   `json:"kind"` // message or receipt
	From    string   `json:"from"`
	To      string   `json:"to"`
	Layers  []string `json:"layers,omitempty"`
	File    string   `json:"file,omitempty"`
	Size    int      `json:"size,omitempty"`
	SHA256  string   `json:"sha256,omitempty"`
	Receipt string   `json:"receipt,omitempty"` // that is asked for: signed, unsigned, none
	Later   bool     `json:"later,omitempty"`   // on a connection of its own
	MIC     string   `json:"mic,omitempty"`     // that both sides agreed on
	// Of a message that must be refused, the modifier; of a receipt, what it states.
	Disposition string `json:"disposition,omitempty"`
	Signed      bool   `json:"signed,omitempty"`
	MessageID   string `json:"message_id,omitempty"` // that the receipt is for
}

// worthKeeping picks the cells whose bytes become vectors: each kind of message and of
// receipt once, each algorithm once.
func worthKeeping(c cell) bool {
	switch {
	case c.section == "Permutations" && c.dir == in:
		return c.receipt == "signed" && !c.async || c.protection() == "signed, encrypted"
	case c.section == "Permutations":
		return c.receipt != "none" && (c.protection() == "signed, encrypted" || c.protection() == "plain")
	case c.dir == out:
		return c.section == "Signatures" || c.section == "What must be refused" && refusalOf(c) != ""
	}
	return c.section != "What must be refused" || spoilerFor(c) != nil && refusalOf(c) != "" || c.fault == strangerSigns || c.fault == strangerOpens
}

// protection is the name of a permutation without the receipt.
func (c cell) protection() string { p, _, _ := strings.Cut(c.row.name, ";"); return p }

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// vector is the folder of a cell.
func (c cell) vector() string {
	product := "openas2-"
	if c.peer == pyas2 {
		product = "pyas2-"
	}
	if c.dir == out {
		product += "receipt-"
	}
	return product + strings.Trim(unfit.ReplaceAllString(strings.ToLower(c.row.name), "-"), "-")
}

// save writes the vector of a cell.
func (s *stage) save(t *testing.T, c cell) {
	t.Helper()
	var m message
	var e expectation
	var err error
	if c.dir == in {
		m, e, err = s.messageVector(t, c)
	} else {
		m, e, err = s.receiptVector(t, c)
	}
	if err != nil {
		t.Errorf("%s: no vector: %v", c.key, err)
		return
	}
	e.Origin = versions[c.peer] + ": make interop-capture"
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		t.Fatal(err)
	}
	_, fields, _ := bytes.Cut(m.Head, []byte("\r\n")) // without request or status line
	dir := filepath.Join(root, "testdata/vectors", c.vector())
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"headers": fields, "body": m.Body, "expect.json": text.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// messageVector is a message of the peer.
func (s *stage) messageVector(t *testing.T, c cell) (message, expectation, error) {
	posts := messagesOnly(s.toUs.of(c.name))
	if len(posts) == 0 {
		return message{}, expectation{}, errors.New("no message")
	}
	e := expectation{Kind: "message", From: c.name, To: ourName, Layers: c.layers(), Receipt: c.receipt, Later: c.async, Disposition: refusalOf(c)}
	name, content := c.shipment(t)
	if s.peer.nameless(c) == "" {
		e.File = name
	}
	sum := sha256.Sum256(content)
	e.Size, e.SHA256 = len(content), hex.EncodeToString(sum[:])
	if e.Disposition == "" && c.receipt != "none" {
		m, err := s.receiptOf(t, c, posts[0])
		if err != nil {
			return message{}, e, err
		}
		if m.MIC != nil {
			e.MIC = m.MIC.String()
		}
		if !m.Disposition.Accepted() { // the peer is to blame: see blame.json
			e.Disposition = m.Disposition.Modifier
		}
	}
	return posts[0].Request, e, nil
}

// receiptVector is a receipt of the peer.
func (s *stage) receiptVector(t *testing.T, c cell) (message, expectation, error) {
	posts := messagesOnly(s.toPeer.of(c.name))
	if len(posts) == 0 || c.receipt == "none" {
		return message{}, expectation{}, errors.New("no receipt")
	}
	m := posts[0].Response
	if c.async {
		for _, x := range s.toUs.of(c.name) {
			m = x.Request
		}
	}
	e := expectation{
		Kind: "receipt", From: c.name, To: posts[0].From, Signed: c.receipt == "signed",
		MessageID: posts[0].Request.Header.Get("Message-ID"), Disposition: refusalOf(c),
	}
	o := s.agent.outcomeOf(t, c)
	if o == nil {
		return m, e, errors.New("not settled")
	}
	// "accepted" says that the peer stated our MIC; the unsigned message that OpenAS2
	// hashes in its own way is not kept.
	var sealed as2.Sealed
	if err := json.Unmarshal(o.Sealed, &sealed); err != nil {
		return m, e, err
	}
	if o.Verdict == "accepted" && e.Disposition == "" {
		e.MIC = sealed.MICs[0].String()
	}
	if e.Disposition == "" {
		e.Disposition = "processed"
	}
	return m, e, nil
}

// layers are those of a case, outermost first.
func (c cell) layers() (layers []string) {
	if c.encrypted() {
		layers = append(layers, "encrypted "+c.encrypt)
	}
	if c.compress == "after-sign" {
		layers = append(layers, "compressed")
	}
	if c.signed() {
		layers = append(layers, "signed "+c.sign)
	}
	if c.compress == "before-sign" {
		layers = append(layers, "compressed")
	}
	return layers
}
