package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
)

// Somebody at the terminal answers, wrongly at first. Each answer is checked at once, and the
// partner stands in the config in the end.
func TestInterview(t *testing.T) {
	dir := keyDir(t)
	for _, r := range []keys.Request{{Name: "acme-tls", Hosts: []string{"as2.acme.example"}}} {
		r.Curve, r.Now = "p256", time.Now()
		if err := keys.Make(r, filepath.Join(dir, r.Name+".pem"), filepath.Join(dir, r.Name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	text := "data_dir: data\nstations:\n  us: {as2_id: US, keys: [{certificate: self.pem, key: self.key}]}\n  them: {as2_id: THEM, keys: [{certificate: other.pem, key: other.key}]}\n" +
		"listen: [{address: \"127.0.0.1:8443\", behind_proxy: true, public_url: \"https://us.example/as2\"}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	g := &globals{out: &out, err: &out, now: time.Now}
	answers := []string{
		"nobody", "us", // the station
		"", // the AS2 ID that is proposed
		"http://as2.acme.example/", "https://as2.acme.example/as2",
		"", filepath.Join(dir, "self.key"), filepath.Join(dir, "other.pem"),
		filepath.Join(dir, "acme-tls.pem"),
		"openas3", "openas2",
		"later", "async",
		"y",
	}
	ask := &asker{bufio.NewReader(strings.NewReader(strings.Join(answers, "\n") + "\n")), &out}
	c := &partnerAddCmd{Name: "acme"}
	p := &newPartner{name: "acme"}
	if err := c.interview(g, cfg, ask, p); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if err := c.take(g, cfg, p); err != nil {
		t.Fatal(err)
	}
	if err := p.write(g, cfg, ask, false, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Station [us]: ", `That does not do: "nobody" is no station`, "AS2 ID [ACME]: ", "plain HTTP shows AS2 IDs", "It is needed.", "That does not do: " + filepath.Join(dir, "self.key"),
		"SHA-256  ", "Compare the fingerprint with the partner over the telephone", "OpenAS2 4 with a partnership", "it is sync or async", "Write it? [y/N]: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "nothing can be encrypted") { // to that of a web server nothing is
		t.Error(&out)
	}
	now, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := now.Partners[0]
	if got.AS2ID != "ACME" || got.StationName != "us" || got.URL != "https://as2.acme.example/as2" || got.Preset != "openas2" || !got.Send.Async || len(got.Server) != 1 || len(got.Certificates) != 1 {
		t.Errorf("%+v", got)
	}
}

// Who goes away in the middle changes nothing, and nothing waits for him.
func TestNobodyAnswers(t *testing.T) {
	var out bytes.Buffer
	ask := &asker{bufio.NewReader(strings.NewReader("")), &out}
	if _, err := ask.ask(question{what: "URL", explain: "Where."}); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	if _, err := ask.yes("Write it?"); err == nil {
		t.Error("nobody said yes")
	}
}
