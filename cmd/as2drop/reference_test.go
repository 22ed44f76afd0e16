package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/as2drop/as2drop/internal/manual"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

// model is the command line, of a machine where nothing is installed.
func model(t *testing.T) *kong.Application {
	t.Helper()
	return newParser(&cli{}, &globals{out: io.Discard, err: io.Discard, now: time.Now}, "config.yaml", func(int) {}).Model
}

func TestReferenceOfCommandsIsFresh(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "commands.md")
	got := manual.Markdown(model(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s is older than the commands: go test ./cmd/as2drop -run Reference -update", file)
	}
}

// Every command has a page, and each page the parts that man and whatis look for.
func TestManPages(t *testing.T) {
	pages := manPages(model(t), edition())
	for _, name := range []string{"as2drop.1", "as2drop-config.5", "as2drop-run.1", "as2drop-cert-new.1"} {
		if pages[name] == "" {
			t.Errorf("no page %s", name)
		}
	}
	for name, text := range pages {
		for _, must := range []string{".TH ", "\n.SH \"NAME\"\n", `as2drop`} {
			if !strings.Contains(text, must) {
				t.Errorf("%s: no %q in it", name, must)
			}
		}
	}
	if _, ok := pages["as2drop-complete.1"]; ok {
		t.Error("a hidden command has a page")
	}
	var out bytes.Buffer
	if code := run([]string{"man", "nothing"}, &globals{out: &out, err: &out, now: time.Now}); code != exitUsage || !strings.Contains(out.String(), "no such command") {
		t.Errorf("code %d: %s", code, &out)
	}
}
