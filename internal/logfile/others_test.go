//go:build !windows

package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Other programs set the log aside in three ways; nothing that is logged then is lost. On
// Windows nobody moves a file that is open.
func TestOthersSetItAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "as2drop.log")
	c := &clock{time.Now()}
	l := open(t, path, Limits{Now: c.now})
	later := func() { c.at = c.at.Add(time.Second) }

	say(t, l, "line one")
	rename(t, path, filepath.Join(dir, "renamed"))
	say(t, l, "line two") // within a second: still into the one that was renamed
	later()
	say(t, l, "line three")
	rename(t, path, filepath.Join(dir, "renamed-too"))
	if err := os.WriteFile(path, nil, 0o600); err != nil { // "create" of logrotate
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil { // SIGHUP
		t.Fatal(err)
	}
	say(t, l, "line four")
	if got := logs(t, dir); got != "as2drop.log: line four; renamed: line one two; renamed-too: line three" {
		t.Error(got)
	}
	rename(t, path, filepath.Join(dir, "renamed-too"))
	if err := os.WriteFile(path, nil, 0o600); err != nil { // and nobody says so
		t.Fatal(err)
	}
	later()
	say(t, l, "line five")
	if got := logs(t, dir); got != "as2drop.log: line five; renamed: line one two; renamed-too: line four" {
		t.Error(got)
	}
	if err := os.Truncate(path, 0); err != nil { // "copytruncate"
		t.Fatal(err)
	}
	later()
	say(t, l, "line six")
	if got := logs(t, dir); !strings.HasPrefix(got, "as2drop.log: line six;") {
		t.Error(got)
	}
	done(t, l)
	if err := l.Reopen(); err == nil {
		t.Error("a log that was closed was opened again")
	}
	if _, err := l.Write([]byte("x")); err == nil {
		t.Error("and written")
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
