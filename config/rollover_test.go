package config

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func day(d int) time.Time { return now.AddDate(0, 0, d) }

// of is a candidate whose certificate is valid from one day to another.
func of(validFrom, validTo int, from, until time.Time) candidate {
	return candidate{&x509.Certificate{NotBefore: day(validFrom), NotAfter: day(validTo)}, from, until}
}

func TestWhichCertificateIsInUse(t *testing.T) {
	never := time.Time{}
	for name, c := range map[string]struct {
		cs   []candidate
		at   int
		want int
	}{
		"none at all":                            {nil, 0, -1},
		"of two that say nothing the first":      {[]candidate{of(-9, 9, never, never), of(-9, 9, never, never)}, 0, 0},
		"the first has expired":                  {[]candidate{of(-9, -1, never, never), of(-9, 9, never, never)}, 0, 1},
		"both have expired":                      {[]candidate{of(-9, -1, never, never), of(-9, -2, never, never)}, 0, 0},
		"the next one's moment has not come":     {[]candidate{of(-9, 9, never, never), of(-9, 9, day(1), never)}, 0, 0},
		"the next one's moment is now":           {[]candidate{of(-9, 9, never, never), of(-9, 9, day(1), never)}, 1, 1},
		"in any order":                           {[]candidate{of(-9, 9, day(1), never), of(-9, 9, never, never)}, 1, 0},
		"the latest of three":                    {[]candidate{of(-9, 9, day(1), never), of(-9, 9, day(3), never), of(-9, 9, day(2), never)}, 3, 1},
		"until is over at its moment":            {[]candidate{of(-9, 9, never, never), of(-9, 9, day(1), day(2))}, 2, 0},
		"its time has come but it is not valid":  {[]candidate{of(-9, 9, never, never), of(2, 9, day(1), never)}, 1, 0},
		"over beats valid":                       {[]candidate{of(-9, 9, never, day(1)), of(-9, 0, never, never)}, 1, 1},
		"nobody's time: never in the clear":      {[]candidate{of(-9, 9, day(5), never), of(-9, 9, day(3), never)}, 1, 1},
		"nobody's time: even where all are over": {[]candidate{of(-9, 9, never, day(1)), of(-9, 9, never, day(2))}, 5, 0},
	} {
		if got := inUse(c.cs, day(c.at)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Where one is in its window and valid, so is the one in use; a restart at any moment
// changes nothing, and the order of the list decides only between equals.
func TestInUseIsNeverWorse(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) candidate {
		at := func(name string) time.Time { return day(rapid.IntRange(-5, 5).Draw(t, name)) }
		c := candidate{cert: &x509.Certificate{NotBefore: at("not before"), NotAfter: at("not after")}, from: at("from")}
		if rapid.Bool().Draw(t, "ends") {
			c.until = at("until")
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		cs := rapid.SliceOfN(draw, 1, 5).Draw(t, "candidates")
		at := day(rapid.IntRange(-6, 6).Draw(t, "at"))
		got := cs[inUse(cs, at)]
		for _, c := range cs {
			if c.open(at) && (!got.open(at) || c.valid(at) && !got.valid(at)) {
				t.Fatalf("%+v is used, %+v is better", got, c)
			}
		}
		turned := slices.Clone(cs)
		slices.Reverse(turned)
		if other := turned[inUse(turned, at)]; other.open(at) != got.open(at) || other.valid(at) != got.valid(at) || !other.from.Equal(got.from) {
			t.Fatalf("%+v, and turned around %+v", got, other)
		}
	})
}

const overTime = `time_zone: Europe/Vienna
stations:
  us:
    as2_id: US
    keys:
      - {certificate: keys/us.pem, key: keys/us.key}
      - {certificate: keys/other.pem, key: keys/other.key, sign_from: 2027-01-01 06:00}
      - {certificate: keys/ec.pem, key: keys/ec.key, sign_from: 2027-03-01}
partners:
  acme:
    as2_id: A
    station: us
    url: https://a.example/
    certificates:
      - keys/us.pem
      - {file: keys/other.pem, encrypt_from: 2027-02-01T00:00:00Z, use: encrypt}
      - {file: keys/ec.pem, use: sign}
`

// Nobody has to be there when the moment comes: the same Config answers otherwise.
func TestRollover(t *testing.T) {
	workplace(t)
	c, err := load(t, overTime)
	if err != nil {
		t.Fatal(err)
	}
	s, p := c.Stations[0], c.Partners[0]
	for at, want := range map[string][2]string{
		"2026-11-23T12:00:00Z": {"us", "us"}, "2027-01-01T04:59:59Z": {"us", "us"}, "2027-01-01T05:00:00Z": {"other", "us"},
		"2027-01-31T23:59:59Z": {"other", "us"}, "2027-02-01T00:00:00Z": {"other", "other"}, "2027-02-28T23:00:00Z": {"ec", "other"},
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if signs, to := s.SignWith(moment).Certificate.Subject.CommonName, p.EncryptTo(moment).Subject.CommonName; signs != want[0] || to != want[1] {
			t.Errorf("%s: %s signs, encrypted to %s, want %v", at, signs, to, want)
		}
	}
	if got := p.Signers(); len(got.Certificates) != 2 || got.Certificates[1].Subject.CommonName != "ec" || len(p.AllCertificates()) != 3 {
		t.Errorf("signers: %+v", got)
	}
	if r := s.Recipient(); r.Subject.CommonName != "us" {
		t.Errorf("our own copies are encrypted to %v", r.Subject)
	}
}

// warnings loads a text at a moment and returns what it warns of.
func warnings(t *testing.T, text string, at time.Time) string {
	t.Helper()
	write(t, "config.yaml", text)
	c, err := Load("config.yaml", at)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, w := range c.Warnings {
		lines = append(lines, w.Error())
	}
	return strings.Join(lines, "\n")
}

func TestCertificatesThatNobodyFollows(t *testing.T) {
	workplace(t)
	text := `stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme:
    as2_id: A
    station: us
    certificates:
      - keys/other.pem
`
	if got := warnings(t, text, day(330)); got != "" {
		t.Errorf("too early: %s", got)
	}
	want := `config.yaml:2: stations.us.keys[0]: certificate "CN=us", which signs, expires on 2027-11-23 and none follows (make the next one, give its certificate to the partners and add it to the list)
config.yaml:8: partners.acme.certificates[0]: certificate "CN=other", which messages are encrypted to, expires on 2027-11-23 and none follows (ask for the next one and add it to the list)`
	if got := warnings(t, text, day(340)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// One that is valid longer is used by itself, whether or not it says when.
	followed := strings.Replace(text, "      - keys/other.pem", "      - keys/other.pem\n      - keys/future.pem", 1)
	if got := warnings(t, followed, day(340)); strings.Contains(got, "acme") {
		t.Errorf("somebody follows: %s", got)
	}
}

func TestStationThatCannotDecrypt(t *testing.T) {
	workplace(t)
	got := warnings(t, "stations:\n  us:\n    as2_id: US\n    keys: [{certificate: keys/ec.pem, key: keys/ec.key}]\n", now)
	if got != "config.yaml:4: stations.us.keys: no key of the station is an RSA key, nothing can be decrypted (add a pair with an RSA key)" {
		t.Error(got)
	}
}

func TestSecretsThatEverybodyReads(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // access lists are not read
	}
	workplace(t)
	if err := os.Chmod(filepath.Join("keys", "secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := warnings(t, `stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme:
    as2_id: A
    station: us
    url: http://a.example/
    allow_http: true
    certificates: keys/other.pem
    client:
      basic:
        user: us
        password_file: keys/secret
    receive:
      credentials: {bearer_file: keys/secret}
`, now)
	want := `config.yaml:7: partners.acme.url: our credentials go over plain HTTP, readable by everybody on the way (use https)
config.yaml:13: partners.acme.client.basic.password_file: keys/secret can be read by every user of this machine (chmod o= FILE)
config.yaml:15: partners.acme.receive.credentials.bearer_file: keys/secret can be read by every user of this machine (chmod o= FILE)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Old algorithms are told of with partner and line, wherever they are allowed.
func TestOldAlgorithmsAreToldOf(t *testing.T) {
	workplace(t)
	got := warnings(t, ofPreset+`    send:
      sign: sha1
      encrypt: rc2-64-cbc
      receipt_micalgs: [sha-256, sha1]
    receive:
      ciphers: [cast5-cbc]
      digests: [sha1, sha-256]
`, now)
	want := `config.yaml:10: partners.acme.send.sign: SHA-1 is no longer secure (for old partners only; use sha-256 as soon as they can)
config.yaml:11: partners.acme.send.encrypt: rc2-64-cbc is no longer secure (for old partners only; use aes-256-cbc as soon as they can)
config.yaml:12: partners.acme.send.receipt_micalgs[1]: SHA-1 is no longer secure (for old partners only; remove it as soon as they can)
config.yaml:14: partners.acme.receive.ciphers[0]: cast5-cbc is no longer secure (for old partners only; remove it as soon as they can)
config.yaml:15: partners.acme.receive.digests[0]: SHA-1 is no longer secure (for old partners only; remove it as soon as they can)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever is wrong with a secret that was written into the file, it is not repeated.
func TestSecretsAreNotRepeated(t *testing.T) {
	bad, err := filepath.Abs(filepath.Join("testdata", "bad"))
	if err != nil {
		t.Fatal(err)
	}
	workplace(t)
	for _, file := range []string{"inline-passwords", "bad-headers", "bad-proxies", "url-with-password"} {
		text, err := os.ReadFile(filepath.Join(bad, file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = load(t, string(text))
		if err == nil {
			t.Fatalf("%s: no mistake", file)
		}
		for _, secret := range []string{"open sesame", "dXM6", "secret@"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q is repeated: %v", file, secret, err)
			}
		}
	}
}

func TestReceiptsComeTo(t *testing.T) {
	workplace(t)
	text := func(listen, send string) string {
		return "listen: " + listen + `
stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme: {as2_id: A, station: us, url: "https://a.example:8443/in", certificates: keys/other.pem, send: {receipt_delivery: async` + send + `}}
`
	}
	const tls = ", certificate: keys/us.pem, key: keys/us.key}"
	for listen, want := range map[string]string{
		`[{address: "127.0.0.1:8443"` + tls + `]`:                                                                                 "https://127.0.0.1:8443/as2",
		`[{address: "0.0.0.0:8443"` + tls + `, {address: "us.example:1", path: /x` + tls + `]`:                                    "https://us.example:1/x",
		`[{address: "127.0.0.1:1", behind_proxy: true, public_url: "https://us.example/y"}, {address: "us.example:1"` + tls + `]`: "https://us.example/y",
	} {
		c, err := load(t, text(listen, ""))
		if err != nil {
			t.Errorf("%s: %v", listen, err)
			continue
		}
		if got := c.Partners[0].Send.ReceiptURL; got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
		if hosts := c.Partners[0].Receive.ReceiptHosts; !slices.Equal(hosts, []string{"a.example"}) {
			t.Errorf("theirs may go to %v", hosts)
		}
	}
	c, err := load(t, text(`[{address: "0.0.0.0:8443"`+tls+`]`, `, receipt_url: "https://us.example/z?p=acme"`))
	if err != nil || c.Partners[0].Send.ReceiptURL != "https://us.example/z?p=acme" {
		t.Errorf("%v", err)
	}
}
