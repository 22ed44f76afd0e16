package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Wherever a command takes the name of a partner, a station or a preset that there is, a
// shell completes it.
func TestNamesAreCompleted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("stations: {us: {}}\npartners: {acme: {}, beta: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"status": "acme beta", "ls": "acme beta", "hold": "acme beta", "partner test": "acme beta", "partner card": "acme beta", "partner told": "acme beta",
		"partner certificate": "acme beta", "cert rollover": "us", "partner add new --station": "us", "partner add": "",
	} {
		if got := offered(t, file, strings.Fields(typed)); got != want {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
	for _, typed := range []string{"presets", "partner add new --preset"} {
		if got := offered(t, file, strings.Fields(typed)); !strings.Contains(got, "openas2") {
			t.Errorf("%s: %q", typed, got)
		}
	}
}

// offered are the words that could come next.
func offered(t *testing.T, file string, typed []string) string {
	t.Helper()
	t.Setenv("AS2DROP_CONFIG", file)
	var out bytes.Buffer
	g := &globals{out: &out, err: &out, now: time.Now}
	if code := run(append(append([]string{"complete"}, typed...), ""), g); code != 0 {
		t.Fatalf("%v: code %d: %s", typed, code, &out)
	}
	var words []string
	for line := range strings.Lines(out.String()) {
		word, _, _ := strings.Cut(line, "\t")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}
