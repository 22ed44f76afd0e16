package card

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const ours = `listen: [{address: "0.0.0.0:8443", public_url: "https://us.example/as2", certificate: tls.pem, key: tls.key}]
stations:
  main: {as2_id: US, keys: [{certificate: us.pem, key: us.key}, {certificate: next.pem, key: next.key, sign_from: 2027-01-31}]}
  testing: {as2_id: US-TEST, keys: [{certificate: us.pem, key: us.key}]}
partners:
  old: {as2_id: OLD, station: main, url: "https://old.example/", certificates: [us.pem], send: {encrypt: des-ede3-cbc, sign: sha1}, receive: {ciphers: [des-ede3-cbc], digests: [sha1, sha-256], credentials: {user: old, password_file: secret}},
    client: {basic: {user: us, password_file: secret}}}
time_zone: UTC
`

// load reads our config with keys that are made for it.
func load(t testing.TB) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, r := range []keys.Request{{Name: "us"}, {Name: "next"}, {Name: "tls", Hosts: []string{"us.example"}}} {
		r.Bits, r.Now = 2048, now
		if err := keys.Make(r, filepath.Join(dir, r.Name+".pem"), filepath.Join(dir, r.Name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"config.yaml": ours, "secret": "hunter2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "config.yaml"), now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func made(t testing.TB, cfg *config.Config, change func(*Request)) *Card {
	t.Helper()
	r := Request{Config: cfg, Station: cfg.Stations[0]}
	change(&r)
	c, err := Of(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func jsonOf(t testing.TB, c *Card) []byte {
	t.Helper()
	b, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is written is read back, says the same, fits the schema, is the same each time, and
// holds no secret.
func TestCardsAreReadBack(t *testing.T) {
	cfg := load(t)
	for name, change := range map[string]func(*Request){
		"station": func(*Request) {},
		"both": func(r *Request) {
			r.Test = cfg.Stations[1]
			r.IPs = []string{"203.0.113.7", "2001:db8::/32"}
			r.Contact = "EDI <desk> & co\n+43 1"
		},
		"partner": func(r *Request) { r.Partner = cfg.Partners[0] },
		"URL":     func(r *Request) { r.URLs = []string{"https://a.example/", "https://b.example/x?y=z"}; r.IsTest = true },
	} {
		c := made(t, cfg, change)
		text := jsonOf(t, c)
		back, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := jsonOf(t, back); !bytes.Equal(again, text) {
			t.Errorf("%s: read back it is\n%s\nnot\n%s", name, again, text)
		}
		if errs := fits(t, text); len(errs) > 0 {
			t.Errorf("%s: the schema says %v", name, errs)
		}
		page, err := c.HTML()
		again, err2 := made(t, cfg, change).HTML()
		if err != nil || err2 != nil || !bytes.Equal(page, again) {
			t.Errorf("%s: %v, %v, or not the same twice", name, err, err2)
		}
		for _, out := range [][]byte{text, page, c.Text()} {
			if bytes.Contains(out, []byte("hunter2")) || bytes.Contains(out, []byte("PRIVATE")) {
				t.Errorf("%s: a secret:\n%s", name, out)
			}
		}
		for _, out := range []string{string(page), string(c.Text())} {
			for _, want := range []string{"US", Pairs(keys.Fingerprint(cfg.Stations[0].Keys[0].Certificate)), "2027-01-31 00:00 UTC", "CHANGE OF CERTIFICATE"} {
				if name != "URL" && !strings.Contains(out, want) {
					t.Errorf("%s: no %q in\n%s", name, want, out)
				}
			}
		}
	}
}

// A page asks no other host for anything, and what stands in it cannot become part of it.
func TestPageIsSelfContained(t *testing.T) {
	page, err := made(t, load(t), func(r *Request) { r.Contact = `<script>alert(1)</script><img src=x>` }).HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "<link", "href=", "@import", "url("} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("%s in the page", bad)
		}
	}
	if !bytes.Contains(page, []byte("&lt;script&gt;")) {
		t.Error("the contact is not in the page")
	}
}

func TestACardNeedsAURL(t *testing.T) {
	cfg := load(t)
	cfg.Listen[0].PublicURL = ""
	if _, err := Of(Request{Config: cfg, Station: cfg.Stations[0]}); err == nil || !strings.Contains(err.Error(), "set public_url under listen in the config, or say it with --url") {
		t.Error(err)
	}
}

// Whoever writes cards is not believed.
func TestHostileCards(t *testing.T) {
	cfg := load(t)
	good := jsonOf(t, made(t, cfg, func(r *Request) { r.Contact = "desk" }))
	replace := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%s is not in the card", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	other := keys.Fingerprint(cfg.Stations[0].Keys[1].Certificate)
	one := keys.Fingerprint(cfg.Stations[0].Keys[0].Certificate)
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"too long":           {append(bytes.Repeat([]byte(" "), maxFile), good...), "longer than 1048576 bytes"},
		"not UTF-8":          {replace("desk", "\xff"), "not UTF-8"},
		"HTML":               {[]byte(" <!DOCTYPE html>"), "ask for the .json file beside it; CPP and CPA are not read"},
		"no JSON":            {[]byte("{"), "this is no JSON"},
		"something else":     {[]byte(`{"format": "x\u001b[2J"}`), `its format is "x�[2J"`},
		"newer":              {replace(`"version": 1`, `"version": 2`), "it is a card of version 2"},
		"unknown field":      {replace(`"contact"`, `"hook"`), `unknown field "hook"`},
		"two cards":          {append(slices.Clone(good), good...), "this is no JSON"},
		"other fingerprint":  {replace(one, other), "the card was changed, or made by hand"},
		"control characters": {replace("desk", `desk\u001b]0;x`), "contact has the character U+001B"},
		"turned around":      {replace("desk", `desk\u202e`), "contact has the character U+202E"},
		"a host in Cyrillic": {replace("us.example", "uѕ.example"), "letters of other alphabets can look like another host"},
		"an ID in Cyrillic":  {replace(`"US"`, `"UЅ"`), "an AS2 name is printable ASCII"},
		"no web URL":         {replace("https://us.example/as2", "file:///etc/passwd"), "no URL that begins with https"},
		"a password":         {replace("https://us.example/as2", "https://a:b@us.example/"), "user name or password"},
		"unknown algorithm":  {replace(`"aes-256-cbc"`, `"rot13"`), `which is none of`},
		"nonsense for PEM":   {replace("-----BEGIN CERTIFICATE", "-----BEGIN NONSENSE"), "certificate 1: "},
		"a private key":      {replace("-----BEGIN CERTIFICATE", "-----BEGIN PRIVATE KEY-----\\n-----END PRIVATE KEY-----\\n-----BEGIN CERTIFICATE"), "there is a private key in it"},
		"no identity":        {regexp.MustCompile(`(?s)"identities": \[.*?\n  \],`).ReplaceAll(good, []byte(`"identities": [],`)), "have 1 to 32 items"},
		"no moment":          {replace("2027-01-31T00:00:00Z", "tomorrow"), "no moment such as"},
	} {
		got, err := Parse(c.text)
		if got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && (len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\u202e")) {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// What the other side cannot do better is done, and said.
func TestAgree(t *testing.T) {
	cfg := load(t)
	plain := made(t, cfg, func(*Request) {})
	if a := plain.Agree(plain.Identities[0]); len(a.Settings)+len(a.Weak)+len(a.ToDo) > 0 {
		t.Errorf("two with our defaults need nothing: %+v", a)
	}
	old := made(t, cfg, func(r *Request) { r.Partner = cfg.Partners[0]; r.URLs = []string{"http://us.example/"} })
	old.Accepts.Ciphers, old.Accepts.Digests, old.Accepts.Receipts = []string{"des-ede3-cbc"}, []string{"sha1"}, []string{"async", "unsigned"}
	old.Sends.ReceiptDelivery, old.Sends.ReceiptURL = "async", "https://elsewhere.example/mdn"
	a := old.Agree(old.Identities[0])
	var got []string
	for _, s := range a.Settings {
		got = append(got, fmt.Sprintf("%s.%s=%s", s.Section, s.Key, strings.Join(s.Values, "+")))
	}
	want := []string{"send.sign=sha1", "send.encrypt=des-ede3-cbc", "send.receipt_delivery=async", "send.receipt=unsigned", "receive.digests=sha1+sha-224+sha-256+sha-384+sha-512",
		"receive.ciphers=des-ede3-cbc", "receive.receipt_hosts=elsewhere.example", ".allow_http=true"}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	if len(a.Weak) != 6 || len(a.ToDo) != 2 || !strings.Contains(strings.Join(a.ToDo, " "), "they want us to show basic") {
		t.Errorf("%q\n%q", a.Weak, a.ToDo)
	}
}

// fits holds a text against the schema, as far as that uses the language of schemas.
func fits(t testing.TB, text []byte) []string {
	t.Helper()
	var root map[string]any
	var value any
	schema, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return against(t, root, root, value, "")
}

func against(t testing.TB, root, s map[string]any, value any, at string) (errs []string) {
	t.Helper()
	fail := func(format string, args ...any) { errs = append(errs, at+": "+fmt.Sprintf(format, args...)) }
	for _, word := range slices.Sorted(maps.Keys(s)) {
		arg := s[word]
		switch word {
		case "$ref":
			_, name, _ := strings.Cut(arg.(string), "#/$defs/")
			errs = append(errs, against(t, root, root["$defs"].(map[string]any)[name].(map[string]any), value, at)...)
		case "const":
			if value != arg {
				fail("is %v", value)
			}
		case "enum":
			if !slices.Contains(arg.([]any), value) {
				fail("%v is none of %v", value, arg)
			}
		case "type":
			is := map[string]bool{}
			switch v := value.(type) {
			case string:
				is["string"] = true
			case bool:
				is["boolean"] = true
			case float64:
				is["integer"] = v == float64(int64(v))
			case []any:
				is["array"] = true
			case map[string]any:
				is["object"] = true
			}
			if !is[arg.(string)] {
				fail("%v is no %v", value, arg)
			}
		case "pattern":
			if v, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(v) {
				fail("%q is not %v", v, arg)
			}
		case "maxLength", "minLength":
			if v, ok := value.(string); ok && (word == "maxLength") != (float64(len(v)) <= arg.(float64)) && float64(len(v)) != arg.(float64) {
				fail("%d bytes, %s %v", len(v), word, arg)
			}
		case "minItems", "maxItems":
			if v, ok := value.([]any); ok && (word == "maxItems") != (float64(len(v)) <= arg.(float64)) && float64(len(v)) != arg.(float64) {
				fail("%d items, %s %v", len(v), word, arg)
			}
		case "items":
			if v, ok := value.([]any); ok {
				for i, item := range v {
					errs = append(errs, against(t, root, arg.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))...)
				}
			}
		case "required":
			v, _ := value.(map[string]any)
			for _, name := range arg.([]any) {
				if _, ok := v[name.(string)]; !ok {
					fail("no %v", name)
				}
			}
		case "properties":
			v, _ := value.(map[string]any)
			for name, one := range v {
				if rule, ok := arg.(map[string]any)[name].(map[string]any); ok {
					errs = append(errs, against(t, root, rule, one, at+"."+name)...)
				} else {
					fail("%s is not in it", name)
				}
			}
		case "$schema", "title", "description", "$defs", "additionalProperties", "minimum":
		default:
			t.Fatalf("%s: this test does not know %q of schemas", at, word)
		}
	}
	return errs
}

// The schema notices what it is there for.
func TestSchemaCatches(t *testing.T) {
	text := jsonOf(t, made(t, load(t), func(*Request) {}))
	for _, c := range [][2]string{{`"version": 1`, `"version": 2`}, {`"as2_id"`, `"id"`}, {`"signed"`, `"sealed"`}, {`"self_signed": true`, `"self_signed": "yes"`}, {`"identities": [`, `"identities": [],"x": [`}} {
		if errs := fits(t, bytes.Replace(text, []byte(c[0]), []byte(c[1]), 1)); len(errs) == 0 {
			t.Errorf("%s passes for %s", c[1], c[0])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(jsonOf(f, made(f, load(f), func(r *Request) { r.Contact = "desk" })))
	f.Add([]byte(`{"format": "as2drop-partner-card", "version": 1, "identities": [{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			if c != nil {
				t.Fatal("a card beside an error")
			}
			return
		}
		again, err := Parse(jsonOf(t, c))
		if err != nil || !bytes.Equal(jsonOf(t, again), jsonOf(t, c)) {
			t.Fatalf("%v\n%s", err, text)
		}
		c.Agree(c.Identities[0])
		if _, err := c.HTML(); err != nil {
			t.Fatal(err)
		}
	})
}
