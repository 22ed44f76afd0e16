package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
)

// The config that a package has installed takes our name at the first init, keeps its mode, and is
// nobody's to replace after that.
func TestInitOfAPackage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	start, err := config.Template(config.Packaged)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(start), 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	g := &globals{out: &out, err: &out, now: time.Now}
	if code := run([]string{"init", dir, "--as2-id", "ACME CORP", "--host", "as2.acme.example"}, g); code != 0 {
		t.Fatalf("code %d: %s", code, &out)
	}
	if said := out.String(); !strings.Contains(said, "systemctl enable --now as2drop") || strings.Contains(said, "as2drop run") {
		t.Errorf("how it is started as the service's account: %s", said)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("MYCOMPANY", "ACME CORP", "localhost", "as2.acme.example").Replace(start)
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	after, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode() != after.Mode() {
		t.Errorf("mode %v was %v", after.Mode(), before.Mode())
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", "as2.key")); err != nil {
		t.Error(err)
	}
	out.Reset()
	if code := run([]string{"init", dir, "--as2-id", "ANOTHER"}, g); code != exitFailed || !strings.Contains(out.String(), "exists; nothing was changed") {
		t.Errorf("code %d: %s", code, &out)
	}
}
