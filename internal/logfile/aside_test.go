package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/as2drop/as2drop/internal/fsx"
)

// clock is a time that a test moves on.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func say(t *testing.T, l *File, text string) {
	t.Helper()
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		t.Fatal(err)
	}
}

func done(t *testing.T, l *File) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A day's log is set aside at midnight where the agent is, also if nobody ran then.
func TestADayIsOver(t *testing.T) {
	vienna := time.FixedZone("", 2*3600)
	dir := t.TempDir()
	path := filepath.Join(dir, "as2drop.log")
	c := &clock{time.Date(2026, 11, 25, 23, 59, 0, 0, vienna)}
	limits := Limits{Every: 24 * time.Hour, Now: c.now}
	l := open(t, path, limits)
	say(t, l, "line one")
	c.at = c.at.Add(30 * time.Second)
	say(t, l, "line two")
	c.at = c.at.Add(30 * time.Second)
	say(t, l, "line three")
	if got := logs(t, dir); got != "as2drop.1.log: line one two; as2drop.log: line three" {
		t.Error(got)
	}
	done(t, l)
	if err := os.Chtimes(path, c.at, c.at); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(49 * time.Hour)
	l = open(t, path, limits)
	say(t, l, "line four")
	if got := logs(t, dir); got != "as2drop.1.log: line three; as2drop.2.log: line one two; as2drop.log: line four" {
		t.Error(got)
	}
	// A clock that is put back sets nothing aside.
	c.at = c.at.Add(-72 * time.Hour)
	say(t, l, "line five")
	if got := logs(t, dir); !strings.HasSuffix(got, "as2drop.log: line four five") {
		t.Error(got)
	}
	done(t, l)
}

// What is set aside is compressed, keeps its number so, and goes when it is old.
func TestCompressedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "as2drop.log")
	c := &clock{time.Now()}
	limits := Limits{Bytes: 8, KeepFor: time.Hour, Compress: true, Now: c.now}
	l := open(t, path, limits)
	for _, text := range []string{"line one", "line two", "line three"} {
		say(t, l, text)
	}
	for n, want := range map[int]string{1: "line two\n", 2: "line one\n"} {
		f, err := os.Open(filepath.Join(dir, fmt.Sprintf("as2drop.%d.log.gz", n)))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != want {
			t.Errorf("%d: %q, %v", n, b, err)
		}
		f.Close()
	}
	done(t, l)
	// A crash came between compressing and removing; and files of others are nobody's.
	for _, name := range []string{"as2drop.1.log", "as2drop.old.log", "as2drop.01.log", "other.1.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, path, limits)
	say(t, l, "line four")
	if got := names(t, dir); got != "as2drop.01.log as2drop.1.log.gz as2drop.2.log.gz as2drop.3.log.gz as2drop.log as2drop.old.log other.1.log" {
		t.Error(got)
	}
	done(t, l)
	c.at = c.at.Add(2 * time.Hour)
	done(t, open(t, path, limits))
	if got := names(t, dir); got != "as2drop.01.log as2drop.log as2drop.old.log other.1.log" {
		t.Error(got)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// A log that was moved to 0 and no further is found by the next who sets one aside.
func TestACrashWhileSettingAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "as2drop.0.log"), []byte("line 00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, filepath.Join(dir, "as2drop.log"), Limits{Bytes: 8})
	lines(t, l, 1, 3)
	if got := logs(t, dir); got != "as2drop.1.log: line 01; as2drop.2.log: line 00; as2drop.log: line 02" {
		t.Error(got)
	}
	done(t, l)
}

// full is a folder on a disk that is full: of what is written half a line fits.
type full struct {
	fsx.FS
	yes bool
}

type fullFile struct {
	fsx.File
	disk *full
}

func (d *full) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	return &fullFile{f, d}, err
}

func (f *fullFile) Write(p []byte) (int, error) {
	if !f.disk.yes {
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:len(p)/2])
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *fullFile) Truncate(size int64) error { return f.File.(*os.File).Truncate(size) }

// A line that does not fit is lost as a whole, and the next one that does is a line.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "as2drop.log"), Limits{})
	disk := &full{FS: l.dir}
	l.dir = disk
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	say(t, l, "line one")
	disk.yes = true
	if n, err := l.Write([]byte("line two\n")); !errors.Is(err, syscall.ENOSPC) || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	disk.yes = false
	say(t, l, "line three")
	if got := logs(t, dir); got != "as2drop.log: line one three" {
		t.Error(got)
	}
	done(t, l)
}
