package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const draftYAML = "stations:\n  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}\npartners: {}\n"

// drafted is a config, and a draft of it with one partner more.
func drafted(t *testing.T) (*Config, *Draft) {
	t.Helper()
	workplace(t)
	c, err := load(t, draftYAML)
	if err != nil {
		t.Fatal(err)
	}
	text, err := AddPartner([]byte(c.Text), "g", Value{nodeOf(t, gammaYAML)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDraft(c, text, now)
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// beside are the files of the folder beside the config.
func beside(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("config.yaml?*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The new text is in its place with the mode of the old one, which is kept; a second draft in
// the same second takes another name.
func TestDraftIsWritten(t *testing.T) {
	_, d := drafted(t)
	if err := os.Chmod("config.yaml", 0o640); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-partners: {}\n+partners:\n+  g:\n+    as2_id: 'GAMMA: #1'\n", "@@ line 3 @@"} {
		if !strings.Contains(strings.ReplaceAll(d.Text(), `"GAMMA: #1"`, "'GAMMA: #1'"), want) {
			t.Errorf("%q is not in\n%s", want, d.Text())
		}
	}
	backup, err := d.Write(now)
	if err != nil {
		t.Fatal(err)
	}
	if content(t, backup) != draftYAML || content(t, "config.yaml") != string(d.new) || len(beside(t)) != 1 {
		t.Errorf("%s: %v", backup, beside(t))
	}
	for _, file := range []string{backup, "config.yaml"} {
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	c, err := Load("config.yaml", now)
	if err != nil || len(c.Partners) != 1 {
		t.Fatal(err)
	}
	again, err := NewDraft(c, []byte(c.Text+"# more\n"), now)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := again.Write(now); err != nil || other == backup || content(t, backup) != draftYAML {
		t.Errorf("%s, %v", other, err)
	}
}

// What would not load is refused with its lines, and nothing is written.
func TestDraftThatWouldNotLoad(t *testing.T) {
	c, _ := drafted(t)
	_, err := NewDraft(c, []byte(draftYAML+"nonsense: 1\n"), now)
	if err == nil || !strings.Contains(err.Error(), "config.yaml:4: nonsense: is no key that is known") || content(t, "config.yaml") != draftYAML || len(beside(t)) != 0 {
		t.Error(err, beside(t))
	}
}

// A file that somebody changed meanwhile is his; so is one that somebody is changing.
func TestDraftGivesWay(t *testing.T) {
	_, d := drafted(t)
	write(t, "config.yaml.new", "of somebody")
	if _, err := d.Write(now); err == nil || !strings.Contains(err.Error(), "somebody is changing the config just now") || content(t, "config.yaml.new") != "of somebody" {
		t.Error(err)
	}
	if err := os.Remove("config.yaml.new"); err != nil {
		t.Fatal(err)
	}
	write(t, "config.yaml", draftYAML+"# mine\n")
	if _, err := d.Write(now); err == nil || !strings.Contains(err.Error(), "was changed by somebody else meanwhile") || content(t, "config.yaml") != draftYAML+"# mine\n" || len(beside(t)) != 0 {
		t.Error(err, beside(t))
	}
}
