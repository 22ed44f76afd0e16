package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/naming"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keyDir has a key pair for configs to name.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := keys.Make(keys.Request{Name: "us", Bits: 2048, Now: now}, filepath.Join(dir, "us.pem"), filepath.Join(dir, "us.key")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, dir, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, now)
}

// Each file in testdata/bad is a mistake, or several; beside it stands what is said.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	dir := keyDir(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = load(t, dir, string(text))
		if err == nil {
			t.Errorf("%s: nothing was said", file)
			continue
		}
		got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
		want := strings.TrimSuffix(file, ".yaml") + ".want"
		if *update {
			if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		expected, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		if got != strings.ReplaceAll(string(expected), "\r\n", "\n") {
			t.Errorf("%s says\n%swant\n%s", file, got, expected)
		}
	}
}

const full = `data_dir: there
time_zone: Europe/Vienna
reserve: 2GiB
create_keys: true
listen:
  - {address: "127.0.0.1:1", path: /x, certificate: us.pem, key: us.key}
  - {address: "127.0.0.1:2", behind_proxy: true}
stations:
  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}
partners:
  acme:
    as2_id: ACME
    station: us
    folder: elsewhere
    url: http://acme.example/as2
    allow_http: true
    certificates: us.pem
    server_certificates: [us.pem]
    evidence_up_to: 1MiB
    send: {sign: none, encrypt: aes-128-cbc, compress: before-sign, receipt: unsigned, accept_missing_mic: true, accept_duplicate: true, subject: s, parallel: 7}
    receive: {require: [signed], max_message: 1B, max_entries: 3, max_unpacked: 2kB, max_ratio: 4}
    naming: {documents: ["{key}.d"], attachments: ["{key}.a"], document_regexp: "(?P<key>d)", attachment_regexp: "(?P<key>a)", ignore: ["*.x"],
      complete: marker, quiet: 1s, marker: "{key}.m", allow_empty: true, fold_case: true, resend: send, late_window: 7d}
    outbox: {bundle: never, poll: 2s, rescan: "@hourly", window: "* 6 * * *", waiting_alarm: 3s}
    inbox: {unpack: never, broken_zip: reject, on_conflict: reject, layout: batch}
    retry: {attempts: 3, first: 1s, max: 2s, factor: 3, jitter: 0.2, give_up_after: 1h}
    timeouts: {connect: 1s, stall: 2s, answer: 3s}
`

// Every key of the reference is set in the text above, and arrives.
func TestEveryKeyArrives(t *testing.T) {
	c, err := load(t, keyDir(t), full)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Partners[0]
	if p.Station != c.Stations[0] || len(p.Certificates) != 1 || len(p.Server) != 1 || p.Rules == nil || c.Location.String() != "Europe/Vienna" || len(c.Hash) != 64 || c.Text != full {
		t.Errorf("%+v", c)
	}
	want := &Partner{
		Send:    Send{cms.NoDigest, cms.AES128CBC, "before-sign", "unsigned", true, true, "s", 7},
		Receive: Receive{true, false, 1, 3, 2000, 4},
		Naming: naming.Config{Documents: []string{"{key}.d"}, Attachments: []string{"{key}.a"}, DocumentExpr: "(?P<key>d)", AttachmentExpr: "(?P<key>a)", Ignore: []string{"*.x"},
			Complete: naming.Marker, Quiet: time.Second, Marker: "{key}.m", AllowEmpty: true, FoldCase: true, Resend: naming.ResendSend},
		Inbox:    Inbox{"never", "reject", "reject", "batch"},
		Retry:    Retry{3, time.Second, 2 * time.Second, 3, 0.2, time.Hour},
		Timeouts: Timeouts{time.Second, 2 * time.Second, 3 * time.Second},
	}
	for name, pair := range map[string][2]any{
		"send": {p.Send, want.Send}, "receive": {p.Receive, want.Receive}, "naming": {p.Naming, want.Naming}, "inbox": {p.Inbox, want.Inbox},
		"retry": {p.Retry, want.Retry}, "timeouts": {p.Timeouts, want.Timeouts},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %+v, want %+v", name, pair[0], pair[1])
		}
	}
	if p.Outbox.Bundle != "never" || p.Outbox.Poll != 2*time.Second || p.Outbox.Rescan.String() != "@hourly" || p.Outbox.Window.String() != "* 6 * * *" || p.Outbox.WaitingAlarm != 3*time.Second {
		t.Errorf("outbox: %+v", p.Outbox)
	}
	if c.Reserve != 2<<30 || p.LateWindow != 7*24*time.Hour || p.EvidenceUpTo != 1<<20 || !strings.HasSuffix(p.Folder, "elsewhere") || !p.AllowHTTP || !c.Listen[1].BehindProxy {
		t.Errorf("%+v %+v", c, p)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`").FindAllStringSubmatch(Reference(), -1) {
		if !regexp.MustCompile(`\b` + m[1] + `:`).MatchString(full) {
			t.Errorf("the key %s is set nowhere in this test", m[1])
		}
	}
}

func TestReferenceIsFresh(t *testing.T) {
	const file = "../docs/config.md"
	if *update {
		if err := os.WriteFile(file, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != Reference() {
		t.Errorf("%s is not what the decoder knows: go test ./config -update (%v)", file, err)
	}
}

func TestMissingKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	text := "create_keys: true\nstations:\n  us:\n    as2_id: US\n    keys: [{certificate: k/us.pem, key: k/us.key}]\n"
	if _, err := load(t, dir, strings.Replace(text, "true", "false", 1)); err == nil {
		t.Error("missing files were not reported")
	}
	first, err := load(t, dir, text)
	if err != nil {
		t.Fatal(err)
	}
	second, err := load(t, dir, text)
	if err != nil || !first.Stations[0].Keys[0].Certificate.Equal(second.Stations[0].Keys[0].Certificate) {
		t.Errorf("the key was made anew: %v", err)
	}
}

func TestExpiredCertificatesAreWarnings(t *testing.T) {
	dir := keyDir(t)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte("stations:\n  us:\n    as2_id: US\n    keys: [{certificate: us.pem, key: us.key}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, now.AddDate(5, 0, 0))
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "is valid from") {
		t.Errorf("%v, %v", c, err)
	}
}

func TestTemplateLoads(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"as2", "tls"} {
		if err := keys.Make(keys.Request{Name: name, Bits: 2048, Now: now}, filepath.Join(dir, "keys", name+".pem"), filepath.Join(dir, "keys", name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	text, err := Template(TemplateData{AS2ID: `"MY COMPANY"`, Host: "as2.example"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := load(t, dir, text); err != nil || c.Stations[0].AS2ID != "MY COMPANY" {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(full)
	f.Add("partners: {a: {<<: *x}}")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "create_keys") {
			return // would make files wherever the text says
		}
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Load(path, now); err != nil && c != nil {
			t.Error("a config beside an error")
		}
	})
}
