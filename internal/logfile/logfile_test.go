package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

func lines(t *testing.T, l *File, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := fmt.Fprintf(l, "line %02d\n", i); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, path string, limits Limits) *File {
	t.Helper()
	l, err := Open(path, limits)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// logs are the files of a folder with what is in them.
func logs(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+": "+strings.ReplaceAll(strings.TrimSpace(string(b)), "\nline", ""))
	}
	return strings.Join(all, "; ")
}

// The log goes on where it was, is set aside when it has grown, and the oldest go.
func TestRotation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "as2drop.log")
	limits := Limits{Bytes: 24, Keep: 2} // three lines
	l := open(t, path, limits)
	lines(t, l, 0, 2)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, limits)
	lines(t, l, 2, 4)
	if got := logs(t, dir); got != "as2drop.1.log: line 00 01 02; as2drop.log: line 03" {
		t.Error(got)
	}
	lines(t, l, 4, 11)
	if got := logs(t, dir); got != "as2drop.1.log: line 06 07 08; as2drop.2.log: line 03 04 05; as2drop.log: line 09 10" {
		t.Error(got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// stuck is a folder in which another program holds the log open, as an editor on Windows.
type stuck struct {
	fsx.FS
	held bool
}

func (s *stuck) RenameNoReplace(oldname, newname string) error {
	if s.held {
		return errors.New("another program has it open")
	}
	return s.FS.RenameNoReplace(oldname, newname)
}

// A log that cannot be set aside is written on, and set aside when it can.
func TestHeldLogIsWrittenOn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "as2drop.log"), Limits{Bytes: 24, Keep: 2})
	s := &stuck{FS: l.dir, held: true}
	l.dir = s
	lines(t, l, 0, 7)
	if got := logs(t, dir); got != "as2drop.log: line 00 01 02 03 04 05 06" {
		t.Error(got)
	}
	s.held = false
	lines(t, l, 7, 9)
	if got := logs(t, dir); got != "as2drop.1.log: line 00 01 02 03 04 05 06; as2drop.log: line 07 08" {
		t.Error(got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(filepath.Join(file, "as2drop.log"), Limits{}); err == nil {
		l.Close()
		t.Error("a log in a file")
	}
}
