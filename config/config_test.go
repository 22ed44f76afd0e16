package config

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/naming"
)

const full = `data_dir: there
time_zone: Europe/Vienna
reserve: 2GiB
create_keys: true
retention: {at: "Sun 4:00", sent: 90d, failed: 2y, messages: 1y, evidence: 10y, received_messages: 30d, received_evidence: 3y, history: 7d}
files: {group: "0", file_mode: "0640", dir_mode: "2750"}
listen:
  - {address: "127.0.0.1:1", path: /x, certificate: keys/us.pem, key: keys/us.key, client_authorities: keys/other.pem}
  - {address: "127.0.0.1:2", behind_proxy: true, public_url: "https://us.example/as2"}
alarms:
  name: edi
  group_wait: 1s
  group_interval: 2s
  update_interval: 3s
  repeat: 4s
  receivers:
    office: {mail: {server: "mail.example:465", user: us, password_file: keys/secret, authorities: keys/us.pem, from: EDI <edi@us.example>, to: [ops@us.example, x@us.example]}, level: warning, partners: [acme, beta], hours: Mon-Fri 6-22, timeout: 5s}
    here: {mail: {server: "localhost:25", tls: none, from: edi@us.example, to: ops@us.example}}
    chat: {webhook: {url: "http://chat.example/x", allow_http: true, headers: {X-D: d}, bearer_file: keys/secret, authorities: keys/us.pem, secret_file: keys/secret}}
    pager: {command: [keys/prog.exe, -p]}
stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key, sign_from: 2026-11-01}]}
health: {address: "127.0.0.1:8480"}
log: [{to: stderr}, {to: file, level: debug, format: json, file: logs/a.log, rotate_size: 1MiB, rotate_every: 24h, keep: 3, keep_for: 90d, compress: true, socket: s}]
console: {address: "[::1]:8482", certificate: keys/us.pem, key: keys/us.key, public_url: "https://localhost", users_file: keys/users, tokens_file: keys/tokens, idle: 5m, session: 1h}
partners:
  acme:
    preset: pyas2
    as2_id: ACME
    as2_version: 1.1
    station: us
    folder: elsewhere
    url: http://acme.example/as2
    allow_http: true
    certificates:
      - keys/us.pem
      - {file: keys/other.pem, encrypt_from: 2026-01-01, until: 2027-01-01T01:00:00+01:00, use: [encrypt]}
    trust: {authorities: keys/us.pem, subject: ACME, strict: true}
    server_certificates: [keys/us.pem]
    client:
      client_certificate: {pkcs12: keys/other.p12, password_file: keys/secret}
      basic: {user: us, password_file: keys/secret}
      proxy: http://proxy.example:3128
      proxy_login: {user: p, password_file: keys/secret}
    evidence_up_to: 1MiB
    send: {sign: none, signature: pss, encrypt: aes-128-cbc, key_transport: oaep-sha-512, recipient_id: key-id, compress: before-sign, receipt: unsigned, receipt_delivery: async,
      receipt_url: "https://us.example/mdn", receipt_wait: 2h, receipt_micalgs: [sha-512, sha1], accept_missing_mic: true, accept_duplicate: true, subject: s,
      content_type: application/x, headers: {X-A: a, X-B: b}, parallel: 7}
    receive: {require: [signed], digests: [sha1], ciphers: [], receipt_hosts: [a.example, "b.example:1"], credentials: {bearer_file: keys/secret, client_certificates: keys/other.pem},
      receipt_retry: {attempts: 4, first: 2s, max: 3s, give_up_after: 2h}, max_message: 1B, max_entries: 3, max_unpacked: 2kB, max_ratio: 4}
    quirks: {no_signed_attributes: true, no_algorithm_protection: true, opaque_signature: true, mic_names: rsa-sha256, payload_base64: true, unquoted_filename: true, no_filename: true,
      http_transfer_encoding: true, canonical_mic: true, unsigned_receipts: true, chunked: true, expect_continue: true}
    naming: {documents: ["{key}.d"], attachments: ["{key}.a"], document_regexp: "(?P<key>d)", attachment_regexp: "(?P<key>a)", ignore: ["*.x"],
      complete: marker, quiet: 1s, marker: "{key}.m", allow_empty: true, fold_case: true, resend: send, late_window: 7d}
    outbox: {bundle: never, poll: 2s, watch: events, rescan: "@hourly", window: "* 6 * * *", ready_alarm: 4s, waiting_alarm: 3s, order: free, same_content: hold, same_content_days: 5,
      checks: {all: off, types: refuse, allowed_types: [pdf, csv], other_types: stp, attachment_size: warn, max_attachment: 1MB, total_size: refuse, max_total: 2MB, names: warn,
        name_characters: a-c, max_name: 9, unique_names: refuse, one_document: warn, well_formed_xml: refuse, envelopes: warn}}
    expect: {sent: off, received: [Mon-Fri at 9, daily at 17], grace: 90m}
    retention: {sent: forever, failed: 5d}
    files: {file_mode: "0664"}
    inbox: {unpack: never, broken_zip: reject, several_documents: keep, strays: reject, nested_zips: split, extract: true, on_conflict: reject, layout: batch}
    retry: {attempts: 3, first: 1s, max: 2s, factor: 3, jitter: 0.2, give_up_after: 1h}
    timeouts: {connect: 1s, stall: 2s, answer: 3s}
    hooks:
      before_send: {command: [keys/prog.exe, -x, a b], timeout: 5s, on_error: refuse}
      after_sent: [{url: "http://erp.example/x", allow_http: true, headers: {X-C: c}, bearer_file: keys/secret, authorities: keys/us.pem, attempts: 3}]
      after_failed: {name: tell, url: "http://127.0.0.1:1/x"}
      after_received: [{command: keys/prog.exe}, {name: again, command: keys/prog.exe}]
      parallel: 3
  beta:
    as2_id: BETA
    station: us
    certificates: [{file: keys/other.pem, until: 2027-01-01 06:00}, {file: keys/us.pem, encrypt_from: 2026-12-01}]
    time_zone: America/New_York
    outbox: {rescan: [every 15 minutes, daily at 2], window: [Mon-Fri 6-22, Sat 6-12], pickup: [mon-fri at 6:00, Sat-Sun]}
    retry: {delays: [1m, 5m, 30m, 2h]}
  gamma:
    as2_id: GAMMA
    station: us
    certificates: keys/other.pem
    retry: {schedule: every 15 minutes}
`

// fullHere is full without the keys that this system refuses.
func fullHere() string {
	if runtime.GOOS != "windows" {
		return full
	}
	return strings.NewReplacer(`files: {group: "0", file_mode: "0640", dir_mode: "2750"}`, "files: {group: S-1-1-0}", `files: {file_mode: "0664"}`, "files: {group: S-1-1-0}").Replace(full)
}

// Every key of the reference is set in the text above, and arrives.
func TestEveryKeyArrives(t *testing.T) {
	workplace(t)
	c, err := load(t, fullHere())
	if err != nil {
		t.Fatal(err)
	}
	p := c.Partners[0]
	if p.Station != c.Stations[0] || len(p.Server) != 1 || p.Rules == nil || c.Location.String() != "Europe/Vienna" || len(c.Hash) != 64 || c.Text != fullHere() {
		t.Errorf("%+v", c)
	}
	all := as2.Quirks{MICNames: "rsa", PayloadBase64: true, UnquotedFilename: true, NoFilename: true, HTTPTransferEncoding: true, CanonicalMIC: true,
		UnsignedReceipts: true, OpaqueSignature: true, NoAlgorithmProtection: true, NoSignedAttributes: true}
	want := &Partner{
		Trust: Trust{[]string{"keys/us.pem"}, c.Listen[0].Certificates, "ACME", true},
		Send: Send{cms.NoDigest, true, cms.AES128CBC, cms.OAEPSHA512, true, "before-sign", "unsigned", true, "https://us.example/mdn", 2 * time.Hour,
			[]cms.Digest{cms.SHA512, cms.SHA1}, true, true, "s", "application/x", []as2.Field{{Name: "X-A", Value: "a"}, {Name: "X-B", Value: "b"}}, 7},
		Receive: Receive{true, false, nil, []cms.Digest{cms.SHA1}, []string{"a.example", "b.example:1"}, ReceiptRetry{4, 2 * time.Second, 3 * time.Second, 2 * time.Hour},
			Credentials{BearerFile: "keys/secret", Bearer: "open sesame", ClientFiles: []string{"keys/other.pem"}, Client: p.Certificates[1].Certificates}, 1, 3, 2000, 4},
		Quirks: Quirks{all, true, true},
		Naming: naming.Config{Documents: []string{"{key}.d"}, Attachments: []string{"{key}.a"}, DocumentExpr: "(?P<key>d)", AttachmentExpr: "(?P<key>a)", Ignore: []string{"*.x"},
			Complete: naming.Marker, Quiet: time.Second, Marker: "{key}.m", AllowEmpty: true, FoldCase: true, Resend: naming.ResendSend},
		Inbox:    Inbox{"never", "reject", "keep", "reject", "split", true, "reject", "batch"},
		Retry:    Retry{Attempts: 3, First: time.Second, Max: 2 * time.Second, Factor: 3, Jitter: 0.2, GiveUpAfter: time.Hour},
		Timeouts: Timeouts{time.Second, 2 * time.Second, 3 * time.Second},
	}
	for name, pair := range map[string][2]any{
		"send": {p.Send, want.Send}, "receive": {p.Receive, want.Receive}, "naming": {p.Naming, want.Naming}, "inbox": {p.Inbox, want.Inbox},
		"retry": {p.Retry, want.Retry}, "timeouts": {p.Timeouts, want.Timeouts}, "quirks": {p.Quirks, want.Quirks}, "trust": {p.Trust, want.Trust},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %+v, want %+v", name, pair[0], pair[1])
		}
	}
	if id := p.Client.Identity; id == nil || id.Key == nil || id.Certificate.Subject.CommonName != "other" {
		t.Errorf("client certificate: %+v", id)
	}
	p.Client.Identity = nil
	if secret := (Login{"us", "keys/secret", "open sesame"}); p.Client != (Client{Login: secret, Proxy: "http://proxy.example:3128", ProxyLogin: Login{"p", "keys/secret", "open sesame"}}) {
		t.Errorf("client: %+v", p.Client)
	}
	hooksArrive(t, p.Hooks, c.Listen[0].Certificates)
	alarmsArrive(t, c)
	first, second := p.Certificates[0], p.Certificates[1]
	if !first.Sign || !first.Encrypt || second.Sign || !second.Encrypt || second.Until.Unix() != 1798761600 || second.EncryptFrom.UTC().Format(time.DateTime) != "2025-12-31 23:00:00" {
		t.Errorf("certificates: %+v, %+v", first, second)
	}
	if p.Outbox.Bundle != "never" || p.Outbox.Poll != 2*time.Second || p.Outbox.Watch != "events" || p.Outbox.Rescan.String() != "@hourly" || p.Outbox.Window.String() != "* 6 * * *" || p.Outbox.WaitingAlarm != 3*time.Second || p.Outbox.ReadyAlarm != 4*time.Second ||
		p.Outbox.Order != "free" || p.Outbox.SameContent != "hold" || p.Outbox.SameDays != 5 || c.Health.Address != "127.0.0.1:8480" {
		t.Errorf("outbox: %+v", p.Outbox)
	}
	if r := p.Outbox.Checks.Rules; fmt.Sprint(r.Effects, r.Types, r.Others, r.MaxAttachment, r.MaxTotal, r.Characters, r.MaxName) !=
		"map[attachment_size:warn envelopes:warn names:warn one_document:warn total_size:refuse types:refuse unique_names:refuse well_formed_xml:refuse] [pdf csv] [stp] 1000000 2000000 a-c 9" {
		t.Errorf("checks: %+v", r)
	}
	if want := []Log{DefaultLog("stderr"), {To: "file", Level: slog.LevelDebug, Format: "json", File: filepath.FromSlash("logs/a.log"), RotateSize: 1 << 20, RotateEvery: 24 * time.Hour, Keep: 3, KeepFor: 90 * 24 * time.Hour, Compress: true, Socket: "s"}}; !reflect.DeepEqual(c.Log, want) {
		t.Errorf("log: %+v", c.Log)
	}
	if o := c.Console; o.Address != "[::1]:8482" || o.Key == nil || len(o.Certificates) != 1 || o.BehindProxy || o.PublicURL != "https://localhost" || filepath.ToSlash(o.UsersFile) != "keys/users" || filepath.ToSlash(o.TokensFile) != "keys/tokens" || o.Idle != 5*time.Minute || o.Session != time.Hour {
		t.Errorf("console: %+v", o)
	}
	if c.Reserve != 2<<30 || p.LateWindow != 7*24*time.Hour || p.EvidenceUpTo != 1<<20 || !strings.HasSuffix(p.Folder, "elsewhere") || !p.AllowHTTP || p.Preset != "pyas2" || p.Version != "1.1" {
		t.Errorf("%+v %+v", c, p)
	}
	if !c.Listen[1].BehindProxy || c.Listen[1].PublicURL != "https://us.example/as2" || len(c.Listen[0].Authorities) != 1 {
		t.Errorf("listen: %+v", c.Listen)
	}
	if c.Stations[0].Keys[0].SignFrom.UTC().Format(time.DateTime) != "2026-10-31 23:00:00" {
		t.Errorf("sign_from: %v", c.Stations[0].Keys[0].SignFrom)
	}
	schedulesArrive(t, c.Partners[1], c.Partners[2])
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`").FindAllStringSubmatch(Reference(), -1) {
		if !regexp.MustCompile(`\b` + m[1] + `:`).MatchString(full) {
			t.Errorf("the key %s is set nowhere in this test", m[1])
		}
	}
}

// Programs are known by their whole paths, and hooks by names.
func hooksArrive(t *testing.T, got Hooks, authorities []*x509.Certificate) {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("keys", "prog.exe"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(h Hook) Hook {
		h.Timeout, h.OnError, h.Attempts = cmp.Or(h.Timeout, 30*time.Second), cmp.Or(h.OnError, "hold"), cmp.Or(h.Attempts, 12)
		return h
	}
	want := Hooks{
		BeforeSend: []Hook{with(Hook{Name: "prog.exe", Command: []string{program, "-x", "a b"}, Timeout: 5 * time.Second, OnError: "refuse"})},
		AfterSent: []Hook{with(Hook{Name: "erp.example", URL: "http://erp.example/x", AllowHTTP: true, Headers: []as2.Field{{Name: "X-C", Value: "c"}}, BearerFile: "keys/secret", Bearer: "open sesame",
			AuthorityFiles: []string{"keys/us.pem"}, Authorities: authorities, Attempts: 3})},
		AfterFailed:   []Hook{with(Hook{Name: "tell", URL: "http://127.0.0.1:1/x"})},
		AfterReceived: []Hook{with(Hook{Name: "prog.exe", Command: []string{program}}), with(Hook{Name: "again", Command: []string{program}})},
		Parallel:      3,
	}
	if programs := got.Programs(); !slices.Equal(programs, []string{program, program, program}) {
		t.Errorf("programs: %q", programs)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("hooks: %+v, want %+v", got, want)
	}
}

// A partner's schedules and moments are in his own zone.
func schedulesArrive(t *testing.T, beta, gamma *Partner) {
	t.Helper()
	if o := beta.Outbox; o.Rescan.String() != "every 15 minutes; daily at 02:00" || o.Window.String() != "Mon-Fri 06:00-22:00; Sat 06:00-12:00" || o.Pickup.String() != "Mon-Fri at 06:00; Sat-Sun" {
		t.Errorf("%v, %v, %v", o.Rescan, o.Window, o.Pickup)
	}
	if got := beta.Outbox.Window.Next(now.Add(-5 * time.Hour)); !got.Equal(time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("06:00 in New York is %v", got.UTC())
	}
	if got := beta.Certificates[0].Until; !got.Equal(time.Date(2027, 1, 1, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("until 06:00 in New York is %v", got.UTC())
	}
	if fmt.Sprint(beta.Retry.Delays) != "[1m0s 5m0s 30m0s 2h0m0s]" || !beta.Retry.Schedule.IsZero() || gamma.Retry.Schedule.String() != "every 15 minutes" || gamma.Location.String() != "Europe/Vienna" {
		t.Errorf("%+v, %+v", beta.Retry, gamma.Retry)
	}
}

// A cron line with a fixed minute is a window of single minutes; hardly anybody means
// that.
func TestWindowOfSingleMinutes(t *testing.T) {
	workplace(t)
	for window, warned := range map[string]bool{`"0 6-21 * * MON-FRI"`: true, `"* 6-21 * * MON-FRI"`: false, "6:00-6:01": true, "always": false, "[6-22, Sat-Sun]": false} {
		c, err := load(t, strings.Replace(fullHere(), `window: "* 6 * * *"`, "window: "+window, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(c.Warnings, func(e Error) bool {
			return e.Path == "partners.acme.outbox.window" && strings.Contains(e.Fact, "single minutes")
		})
		if got != warned {
			t.Errorf("%s: warned %v: %v", window, got, c.Warnings)
		}
	}
}

func TestReferenceIsFresh(t *testing.T) {
	golden(t, filepath.Join("..", "docs", "config.md"), Reference())
}

// What the reference calls a default is what a file has that does not say the key.
func TestDocumentedDefaults(t *testing.T) {
	workplace(t)
	base := map[string]any{
		"listen":   []any{map[string]any{"address": "127.0.0.1:1", "certificate": "keys/us.pem", "key": "keys/us.key"}},
		"stations": map[string]any{"NAME": map[string]any{"as2_id": "US", "keys": []any{map[string]any{"certificate": "keys/us.pem", "key": "keys/us.key"}}}},
		"partners": map[string]any{"NAME": map[string]any{"as2_id": "A", "station": "NAME", "certificates": "keys/other.pem", "folder": "f"}},
	}
	text, err := yaml.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	described := []string{"", "none", "required", "required without behind_proxy", "that of the machine", "that of the file", "data_dir/partners/NAME", "authorities of the system", "the name of the document",
		"always", "true on Windows", "required without pkcs12", "from the beginning", "without end", "required with authorities", "what HTTPS_PROXY and NO_PROXY say",
		"the first public_url, or the first address that is listened on", "of the signature, then sha-256", "by the extension", "the host of url", "{key}.{ext:xml|edi|edifact|x12|json|csv|txt}", "{key}_{name}.{ext} and {key}.{ext}",
		"as long as evidence", "as long as received_evidence", "that of the agent", "as dropped; 0640 less the umask for what is made", "0750 less the umask", "that of all", "all of them",
		"the file name of the program, or the host of the URL", "required without url", "required without command", "required for file", "accounts/users in data_dir", "accounts/tokens in data_dir",
		"the name of the host", "30s, mail 1m", "all, and the agent itself", "implicit on port 465, else starttls"}
	tried := 0
	for _, table := range tables() {
		for _, row := range table.rows {
			if slices.Contains(described, row.def) && row.name != "bundle" || row.name == "data_dir" || runtime.GOOS == "windows" && strings.HasPrefix(row.def, "/") { // a path of Linux alone
				continue
			}
			tried++
			set := fmt.Sprintf("%s: %s\n", row.name, row.def)
			if strings.HasPrefix(row.def, "{") {
				set = fmt.Sprintf("%s: %q\n", row.name, row.def)
			}
			var with string
			want := want
			switch indent := strings.Repeat("  ", strings.Count(table.path, ".")+1); {
			case table.path == "":
				with = string(text) + set
			case table.path == "retention", table.path == "alarms":
				with = string(text) + table.path + ":\n  " + set
			case strings.HasPrefix(table.path, "alarms.receivers.NAME"):
				said := "alarms: {receivers: {NAME: {webhook: {url: \"https://chat.example\", %s}, %s}}}\n"
				args := []any{"", strings.TrimSpace(set)}
				if strings.HasSuffix(table.path, ".webhook") {
					slices.Reverse(args)
				}
				with = string(text) + fmt.Sprintf(said, args...)
				if want, err = load(t, string(text)+fmt.Sprintf(said, "", "")); err != nil {
					t.Fatal(err)
				}
			case table.path == "console":
				with = string(text) + "console:\n  " + set
				if want, err = load(t, string(text)+"console: {}\n"); err != nil {
					t.Fatal(err)
				}
			case table.path == "log[]":
				with = string(text) + "log:\n  - to: stderr\n    " + set
				if want, err = load(t, string(text)+"log: {to: stderr}\n"); err != nil {
					t.Fatal(err)
				}
			case table.path == "listen[]":
				with = strings.Replace(string(text), "- address:", "- "+set+"      address:", 1)
			case table.path == "partners.NAME.certificates[]":
				with = strings.Replace(string(text), "certificates: keys/other.pem", "certificates: {file: keys/other.pem, "+strings.TrimSpace(set)+"}", 1)
			case strings.HasPrefix(table.path, "partners.NAME.hooks."):
				section := strings.TrimSuffix(table.path[strings.LastIndex(table.path, ".")+1:], "[]")
				hook := "        as2_id: A\n        hooks:\n          " + section + ": {url: \"https://erp.example\", %s}\n"
				with = strings.Replace(string(text), "        as2_id: A\n", fmt.Sprintf(hook, strings.TrimSpace(set)), 1)
				if want, err = load(t, strings.Replace(string(text), "        as2_id: A\n", fmt.Sprintf(hook, ""), 1)); err != nil {
					t.Fatal(err)
				}
			case strings.HasPrefix(table.path, "partners.NAME.receive."):
				section := table.path[strings.LastIndex(table.path, ".")+1:]
				with = strings.Replace(string(text), "        as2_id: A\n", "        as2_id: A\n        receive:\n          "+section+":\n              "+set, 1)
			case table.path == "partners.NAME.outbox.checks":
				if row.name != "all" {
					set += "              all: off\n" // else a bound warns that it has no effect
				}
				with = strings.Replace(string(text), "        as2_id: A\n", "        as2_id: A\n        outbox:\n          checks:\n              "+set, 1)
			case table.path == "partners.NAME":
				with = strings.Replace(string(text), "        as2_id: A\n", "        as2_id: A\n        "+set, 1)
			default:
				section := table.path[strings.LastIndex(table.path, ".")+1:]
				with = strings.Replace(string(text), "        as2_id: A\n", "        as2_id: A\n        "+section+":\n          "+indent+set, 1)
			}
			got, err := load(t, with)
			if err != nil {
				t.Errorf("%s: %s = %s: %v", table.path, row.name, row.def, err)
				continue
			}
			got.Text, got.Hash, got.said, got.Files = want.Text, want.Hash, want.said, want.Files
			got.Partners[0].FolderLine, got.Partners[0].Line = want.Partners[0].FolderLine, want.Partners[0].Line
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is not %s unless said", table.path, row.name, row.def)
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d defaults were tried", tried)
	}
}

const creating = `create_keys: true
listen: [{address: ":8443", certificate: var/tls.pem, key: var/tls.key}]
stations:
  us:
    as2_id: US
    keys: [{certificate: var/us.pem, key: var/us.key}]
partners:
  loopback: {as2_id: US, station: us, certificates: var/us.pem, server_certificates: [var/tls.pem]}
`

func TestMissingKeysAreMadeOnce(t *testing.T) {
	workplace(t)
	if _, err := load(t, strings.Replace(creating, "true", "false", 1)); err == nil || strings.Count(err.Error(), "does not exist") != 6 {
		t.Errorf("missing files: %v", err)
	}
	// A mistake elsewhere: nothing is made, and nothing is said of what would be made.
	if _, err := load(t, creating+"colour: red\n"); err == nil || len(err.(Errors)) != 1 || !missing("var") {
		t.Errorf("made keys for a file with mistakes: %v", err)
	}
	first, err := load(t, creating)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Warnings) != 2 || first.Warnings[1].Line != 6 || !strings.HasPrefix(first.Warnings[1].Fact, "made ") {
		t.Errorf("what was made: %v", first.Warnings)
	}
	if err := first.Partners[0].Server[0].VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}
	second, err := load(t, creating)
	if err != nil || !first.Stations[0].Keys[0].Certificate.Equal(second.Stations[0].Keys[0].Certificate) || len(second.Warnings) != 0 {
		t.Errorf("the key was made anew: %v, %v", err, second.Warnings)
	}
	if !second.Partners[0].EncryptTo(now).Equal(second.Stations[0].Keys[0].Certificate) {
		t.Error("the partner has another certificate")
	}
}

func TestWarnings(t *testing.T) {
	workplace(t)
	if err := os.Chmod(filepath.Join("keys", "us.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, `listen: [{address: "0.0.0.0:80", behind_proxy: true}]
stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme:
    as2_id: A
    station: us
    certificates:
      - keys/old.pem
      - keys/future.pem
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"config.yaml:1: listen[0].address: plain HTTP on every address of this machine (name the address that the proxy connects to)",
		"config.yaml:3: stations.us.keys[0].key: keys/us.key can be read by every user of this machine (chmod o= FILE)",
		`config.yaml:9: partners.acme.certificates[0]: keys/old.pem: certificate "CN=old" expired on 2026-10-19 (ask for a new one, or make one if it is ours)`,
		`config.yaml:10: partners.acme.certificates[1]: keys/future.pem: certificate "CN=future" is not valid before 2026-12-23 (is the clock of this machine right?)`,
	}
	if runtime.GOOS == "windows" {
		want = slices.Delete(want, 1, 2) // access lists are not read
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTemplateLoads(t *testing.T) {
	workplace(t)
	for _, name := range []string{"as2", "tls"} {
		write(t, filepath.Join("keys", name+".pem"), string(pems()["us.pem"]))
		write(t, filepath.Join("keys", name+".key"), string(pems()["us.key"]))
	}
	text, err := Template(TemplateData{AS2ID: `"MY COMPANY"`, Host: "as2.example", DataDir: "./data", Schema: "config.schema.json"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := load(t, text); err != nil || c.Stations[0].AS2ID != "MY COMPANY" || len(c.Warnings) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
	// The example partner is right once it is switched on as the text says.
	write(t, filepath.Join("partners", "acme.pem"), string(pems()["other.pem"]))
	text = strings.Replace(text, "partners: {}", "partners:", 1)
	text = regexp.MustCompile(`(?m)^#(  )`).ReplaceAllString(text, "$1")
	if c, err := load(t, text); err != nil || len(c.Partners) != 1 || c.Partners[0].Retry.Attempts != 30 {
		t.Errorf("the example: %+v, %v", c, err)
	}
}

// The config.yaml of the checkout works as it stands.
func TestConfigOfTheCheckout(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	workplace(t)
	c, err := load(t, string(text))
	if err != nil || len(c.Partners) != 1 || c.DataDir != "var" || c.Partners[0].EncryptTo(now) == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Load("config.yaml", now); err == nil || !strings.Contains(err.Error(), "as2drop init") {
		t.Error(err)
	}
	write(t, "config.yaml", strings.Repeat("# long\n", maxFile/7+1))
	if _, err := Load("config.yaml", now); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// A few lines of aliases must not stand for a million partners, neither in the result
// nor in memory.
func TestAliasesAreBounded(t *testing.T) {
	workplace(t)
	text := "stations:\n  s0: &s\n    keys: &k\n" + strings.Repeat("      - {certificate: a}\n", 1500)
	for i := range 1500 {
		text += fmt.Sprintf("  t%d: *s\n", i)
	}
	_, err := load(t, text)
	if errs, ok := err.(Errors); !ok || len(errs) != 1 || !strings.Contains(errs[0].Fact, "stands for more than") {
		t.Errorf("%.200s", fmt.Sprint(err))
	}
	d := newDecoder("")
	mapping(d, &Config{}, d.parse([]byte(text)), "", rootKeys())
	if len(d.lines) > maxValues {
		t.Errorf("went on to %d values", len(d.lines))
	}
}
