//go:build interop

package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/peers"
	"github.com/as2drop/as2drop/ledger"
)

// ourName is the AS2 name of our station.
const ourName = "AS2DROP"

// keyPath is where the key pairs for tests lie; each has a .pem and a .key.
func keyPath(t *testing.T, name string) string {
	return filepath.Join(absolute(t, "testdata/keys"), name+"-rsa")
}

// agent is our program with its config and folders.
type agent struct {
	binary, config, data string
	listen               string // host:port
	url                  string // where peers reach us, through the proxy
	*peers.Process
}

type yamlMap = map[string]any

// newAgent writes the config for the cells and starts the program. peerURL is where
// messages go.
func newAgent(t *testing.T, cs []cell, listen, ourURL, peerURL string) *agent {
	t.Helper()
	dir := t.TempDir()
	a := &agent{
		binary: absolute(t, "bin/as2drop"), config: filepath.Join(dir, "config.yaml"), data: filepath.Join(dir, "data"),
		listen: listen, url: ourURL,
	}
	us := keyPath(t, "us")
	partners := yamlMap{}
	for _, c := range cs {
		if c.fault == unknownSender && c.dir == in {
			continue
		}
		partners[c.key] = partnerConfig(t, c, peerURL)
	}
	body, err := yaml.Marshal(yamlMap{
		"data_dir": a.data,
		"listen":   []yamlMap{{"address": listen, "behind_proxy": true, "public_url": ourURL}},
		"stations": yamlMap{
			"us":       yamlMap{"as2_id": ourName, "keys": []yamlMap{{"certificate": us + ".pem", "key": us + ".key"}}},
			"ecdsa":    yamlMap{"as2_id": ecdsaName, "keys": []yamlMap{{"certificate": strings.Replace(us, "rsa", "ecdsa", 1) + ".pem", "key": strings.Replace(us, "rsa", "ecdsa", 1) + ".key"}}},
			"stranger": yamlMap{"as2_id": strangersName, "keys": []yamlMap{{"certificate": keyPath(t, "stranger") + ".pem", "key": keyPath(t, "stranger") + ".key"}}},
		},
		"partners": partners,
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, a.config, body)
	a.Process = peers.Start(t, peers.Logs{Dir: logs, Name: "as2drop-" + strings.ToLower(cs[0].peer)}, a.binary, "run", "-c", a.config, "--log-level", "debug")
	a.Listens(t, listen)
	return a
}

// ecdsaName is a station of ours that signs with an ECDSA key.
const ecdsaName = "AS2DROP-EC"

// strangersName is a station of ours that signs with a key that nobody expects.
const strangersName = "STRANGER"

// partnerConfig is the entry of a cell under partners.
func partnerConfig(t *testing.T, c cell, url string) yamlMap {
	station, certificates := "us", []any{keyPath(t, "partner") + ".pem"}
	if c.dir == out && c.fault == strangerOpens {
		certificates = []any{yamlMap{"file": keyPath(t, "stranger") + ".pem", "use": []string{"encrypt"}}, yamlMap{"file": certificates[0], "use": []string{"sign"}}}
	}
	if c.dir == out && c.fault == strangerSigns {
		station = "stranger"
	}
	if c.dir == out && c.ecdsa {
		station = "ecdsa"
	}
	send := yamlMap{"sign": c.sign, "encrypt": c.encrypt, "compress": c.compress, "receipt": c.receipt}
	if c.transport != "rsa" {
		send["key_transport"] = c.transport
	}
	if c.keyID {
		send["recipient_id"] = "key-id"
	}
	if c.pss {
		send["signature"] = "pss"
	}
	if c.async {
		send["receipt_delivery"] = "async"
	}
	if c.fault == answerLost {
		send["accept_duplicate"] = true
	}
	if c.receipt == "unsigned" || c.receipt != "none" && !c.signed() {
		send["accept_missing_mic"] = true
	}
	require := []string{}
	if c.signed() || c.fault == lessProtected {
		require = append(require, "signed")
	}
	if c.encrypted() || c.fault == lessProtected {
		require = append(require, "encrypted")
	}
	bundle := "never"
	switch {
	case c.parts:
		bundle = "multipart"
	case c.attached:
		bundle = "always"
	}
	receive := yamlMap{"require": require}
	if strings.HasPrefix(c.encrypt, "des-") || strings.HasPrefix(c.encrypt, "cast5") || strings.HasPrefix(c.encrypt, "idea") || strings.HasPrefix(c.encrypt, "rc2") {
		receive["ciphers"] = []string{c.encrypt}
	}
	if c.sign == "sha1" {
		receive["digests"] = []string{c.sign}
	}
	entry := yamlMap{
		"as2_id": c.name, "station": station, "url": url, "allow_http": true, "certificates": certificates,
		"send":    send,
		"receive": receive,
		"naming":  yamlMap{"quiet": "0s"},
		"outbox":  yamlMap{"bundle": bundle, "poll": "1s"},
		"retry":   yamlMap{"attempts": 3, "first": "1s", "max": "2s"},
	}
	if c.quirk != "" {
		name, value, ok := strings.Cut(c.quirk, ": ")
		if ok {
			entry["quirks"] = yamlMap{name: value}
		} else {
			entry["quirks"] = yamlMap{name: true}
		}
	}
	return entry
}

func (a *agent) folder(c cell, elem ...string) string {
	return filepath.Join(append([]string{a.data, "partners", c.key}, elem...)...)
}

// outcome is what became of a document that we sent.
type outcome struct {
	ledger.Transfer
	sent bool // in sent/, else in failed/
	dir  string
}

// outcomeOf finds the filed transfer of a cell, or nil while there is none.
func (a *agent) outcomeOf(t *testing.T, c cell) *outcome {
	t.Helper()
	for _, pattern := range []string{"sent/*/*/transfer.json", "failed/*/transfer.json"} {
		found, err := filepath.Glob(a.folder(c, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o := outcome{sent: pattern[0] == 's', dir: filepath.Dir(path)}
			if err := json.Unmarshal(body, &o.Transfer); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			return &o
		}
	}
	return nil
}

// end stops the agent as an administrator would, and has its own check look at what it
// leaves behind.
func (a *agent) end(t *testing.T) {
	t.Helper()
	if err := a.Stop(t); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	t.Logf("as2drop check: %s", peers.Run(t, a.binary, "check", "-c", a.config))
}
