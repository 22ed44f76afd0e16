//go:build interop

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const pyas2 = "pyas2-lib"

// pyas2Peer is a running pyas2-lib that knows every cell.
type pyas2Peer struct {
	address string // host:port
	folder  string // what it received, in a folder per cell
	stdin   io.WriteCloser
	mu      sync.Mutex
	events  []pyas2Event
	ready   chan struct{}
}

// pyas2Event is what it says about a message or receipt.
type pyas2Event struct {
	Event, Key   string
	OK           bool
	HTTP         int
	Status       string
	Detail       string
	Layers       []string
	Signed       bool
	MIC          string
	MICAlgorithm string `json:"mic_algorithm"`
	File         string
	Address      string
	Ready        int
}

// pyas2Ciphers are its content ciphers by its names.
var pyas2Ciphers = map[string]string{
	"aes-128-cbc": "aes_128_cbc", "aes-192-cbc": "aes_192_cbc", "aes-256-cbc": "aes_256_cbc", "des-ede3-cbc": "tripledes_192_cbc", "rc2-128-cbc": "rc2_128_cbc",
}

// lacks says why a case cannot be had with pyas2-lib; empty = it can.
func (*pyas2Peer) lacks(c cell) string {
	_, known := pyas2Ciphers[c.encrypt]
	receives := c.dir == out
	switch {
	case c.encrypted() && !known:
		return "pyas2-lib does not have this cipher"
	case c.compress == "after-sign" && !receives:
		return "pyas2-lib compresses before it signs"
	case c.ecdsa:
		return "pyas2-lib knows RSA signatures only"
	case c.keyID && !receives:
		return "pyas2-lib names recipients by issuer and serial number only"
	case c.transport != "rsa" && !receives:
		return "pyas2-lib has a setting for OAEP and encrypts with PKCS#1 v1.5 all the same"
	case c.transport != "rsa" && c.transport != "oaep-sha1":
		return "pyas2-lib knows OAEP with SHA-1 only"
	case c.quirk == "opaque_signature":
		return "pyas2-lib reads multipart/signed only"
	case c.quirk == "mic_names: rsa-sha256":
		return "pyas2-lib does not know this spelling"
	case c.parts && c.signed() && c.compress != "before-sign" && receives:
		return "pyas2-lib holds the signature against the last part that it finds, not against the multipart"
	case c.quirk == "chunked":
		return "the HTTP server of Python reads no chunks"
	case c.encoding != "":
		return "pyas2-lib sends binary, or what Python makes of text"
	case c.fault == unknownSender && receives:
		return "pyas2-lib ends in an exception when it answers a sender it does not know"
	}
	return ""
}

// nameless: of two names pyas2-lib takes the one for old readers.
func (*pyas2Peer) nameless(c cell) string {
	if c.dir == out && strings.Contains(c.file, "ä") {
		return "under the name for old readers: pyas2-lib does not prefer the one of RFC 2231 beside it"
	}
	return ""
}

// newPyas2 starts the program; it serves once it was told its cells by begin.
func newPyas2(t *testing.T) *pyas2Peer {
	t.Helper()
	python := os.Getenv("AS2DROP_INTEROP_PYTHON")
	if python == "" {
		t.Fatal("AS2DROP_INTEROP_PYTHON is not set: run make interop")
	}
	p := &pyas2Peer{folder: t.TempDir(), ready: make(chan struct{})}
	cmd := exec.Command(python, absolute(t, "testdata/interop/pyas2_matrix.py"), p.folder)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+absolute(t, "testdata/interop/openssl-legacy.cnf"))
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(logs, "pyas2.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("pyas2-lib does not start, see %s", log.Name())
	}
	var first pyas2Event
	if err := json.Unmarshal(lines.Bytes(), &first); err != nil {
		t.Fatal(err)
	}
	p.address = first.Address
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
			p.hear(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		p.stdin.Close() // which ends it
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("pyas2-lib ended with %v, see %s", err, log.Name())
		}
		log.Close() // it was written by somebody else
	})
	return p
}

// hear takes down what the peer says.
func (p *pyas2Peer) hear(line []byte) {
	var e pyas2Event
	if err := json.Unmarshal(line, &e); err != nil {
		e = pyas2Event{Event: "nonsense", Detail: string(line)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Ready > 0 {
		close(p.ready)
	}
	p.events = append(p.events, e)
}

// of returns the events of a kind about a cell.
func (p *pyas2Peer) of(kind string, c cell) []pyas2Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var es []pyas2Event
	for _, e := range p.events {
		if e.Event == kind && e.Key == c.key {
			es = append(es, e)
		}
	}
	return es
}

// tell writes one line of JSON to the peer.
func (p *pyas2Peer) tell(t *testing.T, order any) {
	t.Helper()
	b, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(b, '\n')); err != nil {
		t.Fatal(err)
	}
}

// begin tells the peer its cells and waits until it knows them.
func (p *pyas2Peer) begin(t *testing.T, cs []cell, ourURL, mdnURL string) {
	t.Helper()
	cases := []yamlMap{}
	for _, c := range cs {
		cases = append(cases, p.entry(t, c))
	}
	p.tell(t, yamlMap{"url": ourURL, "mdn_url": mdnURL, "cases": cases})
	<-p.ready
}

// entry turns a cell into pyas2-lib's terms.
func (p *pyas2Peer) entry(t *testing.T, c cell) yamlMap {
	own, verify, encrypt, partner := keyPath(t, "partner"), keyPath(t, "us")+".pem", keyPath(t, "us")+".pem", ourName
	switch {
	case c.dir == in && c.fault == strangerSigns:
		own = keyPath(t, "stranger")
	case c.dir == in && c.fault == strangerOpens:
		encrypt = keyPath(t, "stranger") + ".pem"
	case c.dir == out && c.fault == strangerSigns:
		partner = strangersName
	}
	agreed := yamlMap{
		"sign": c.signed(), "encrypt": c.encrypted(), "compress": c.compress != "none" && c.dir == in,
		"mdn_mode": nil, "mdn_digest_alg": nil,
	}
	if c.dir == out && c.fault == lessProtected {
		agreed["encrypt"] = true
	}
	if c.signed() {
		agreed["digest_alg"] = strings.ReplaceAll(c.sign, "-", "")
	}
	if c.pss {
		agreed["sign_alg"] = "rsassa_pss"
	}
	if c.encrypted() {
		agreed["enc_alg"] = pyas2Ciphers[c.encrypt]
	}
	if c.receipt != "none" {
		agreed["mdn_mode"] = "SYNC"
		if c.async {
			agreed["mdn_mode"] = "ASYNC"
		}
	}
	if c.receipt == "signed" {
		agreed["mdn_digest_alg"] = "sha256"
		if c.signed() {
			agreed["mdn_digest_alg"] = agreed["digest_alg"]
		}
	}
	return yamlMap{
		"key": c.key, "name": c.name, "partner": partner, "known": true, "own_key": own + ".key", "own_cert": own + ".pem",
		"verify_cert": verify, "encrypt_cert": encrypt, "agreed": agreed,
	}
}

// received is what the peer delivered for a cell.
func (p *pyas2Peer) received(c cell) []string { return list(filepath.Join(p.folder, c.key)) }

func (p *pyas2Peer) addresses() (messages, receipts string) { return p.address, p.address }

// send has the peer send the document of a cell.
func (p *pyas2Peer) send(t *testing.T, c cell) {
	t.Helper()
	name, content := c.shipment(t)
	path := filepath.Join(t.TempDir(), "document")
	write(t, path, content)
	p.tell(t, yamlMap{"key": c.key, "file": path, "name": name})
}

// tookOurs: what the peer found in our message must be what the case says.
func (p *pyas2Peer) tookOurs(c cell) string {
	es := p.of("received", c)
	if len(es) == 0 {
		return "nothing"
	}
	var want []string
	if c.signed() {
		want = append(want, "signed")
	}
	if c.encrypted() {
		want = append(want, "encrypted")
	}
	if c.compress != "none" {
		want = append(want, "compressed")
	}
	if e := es[0]; !e.OK || !slices.Equal(e.Layers, want) {
		return fmt.Sprintf("%s %s, layers %q", e.Status, e.Detail, e.Layers)
	}
	return ""
}

// sentItsOwn goes by the receipt where one was asked for.
func (p *pyas2Peer) sentItsOwn(c cell) (done bool, complaint string) {
	sent := p.of("sent", c)
	if len(sent) == 0 {
		return false, ""
	}
	e := sent[0]
	if c.async && e.OK {
		later := p.of("receipt", c)
		if len(later) == 0 {
			return false, ""
		}
		e = later[0]
	}
	if !e.OK {
		return true, fmt.Sprintf("HTTP %d, %s %s, signed %v, MIC %q", e.HTTP, e.Status, e.Detail, e.Signed, e.MIC)
	}
	return true, ""
}
