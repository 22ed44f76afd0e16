package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
)

// Draft is a config.yaml as it is to be, which was read and found right.
type Draft struct {
	Config  *Config  // what the new text means
	Changes []Change // to what the file means now

	file     string // with links followed
	old, new []byte
}

// NewDraft reads a new text in place of that of a config. The error is an Errors with
// every mistake that the file would have, and nothing was changed then.
func NewDraft(c *Config, text []byte, now time.Time) (*Draft, error) {
	file, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		return nil, err
	}
	next, err := parse(c.Path, text, StampOf(c.Path), now)
	if err != nil {
		return nil, err
	}
	return &Draft{Config: next, Changes: Diff(c, next), file: file, old: []byte(c.Text), new: text}, nil
}

// shown is how many lines around a change are shown.
const shown = 3

// Text is the difference in lines, as diff shows it.
func (d *Draft) Text() string {
	a, b := strings.Split(string(d.old), "\n"), strings.Split(string(d.new), "\n")
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	tail := 0
	for tail < len(a)-same && tail < len(b)-same && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n@@ line %d @@\n", d.Config.Path, d.Config.Path, same+1)
	put := func(mark string, lines []string) {
		for _, line := range lines {
			out.WriteString(mark + strings.TrimSuffix(line, "\r") + "\n")
		}
	}
	put(" ", a[max(0, same-shown):same])
	put("-", a[same:len(a)-tail])
	put("+", b[same:len(b)-tail])
	put(" ", a[len(a)-tail:min(len(a), len(a)-tail+shown)])
	return strings.TrimSuffix(out.String(), " \n")
}

// Write puts the new text in the place of the old one, as a whole or not at all, and keeps
// a copy of the old one beside it. A file that somebody changed meanwhile stays as it is.
// Owner and mode stay.
func (d *Draft) Write(now time.Time) (backup string, err error) {
	info, err := os.Stat(d.file)
	if err != nil {
		return "", err
	}
	if backup, err = d.keep(now, info); err != nil {
		return "", err
	}
	part := d.file + ".new"
	if err := writeLike(part, info, d.new); err != nil {
		return "", errors.Join(err, os.Remove(backup))
	}
	if err = d.unchanged(); err == nil {
		err = replace(part, d.file)
	}
	if err == nil {
		return backup, nil
	}
	if _, gone := os.Lstat(part); gone != nil {
		return backup, err // it is in its place
	}
	return "", errors.Join(err, os.Remove(part), os.Remove(backup))
}

// Replace puts a text in the place of a config, as a whole or not at all. Owner and mode stay.
func Replace(file string, text []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	part := file + ".new"
	if err := writeLike(part, info, text); err != nil {
		return err
	}
	if err := replace(part, file); err != nil {
		if _, gone := os.Lstat(part); gone != nil {
			return err // it is in its place
		}
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

// replace moves a file over another one of the same folder, and syncs that.
func replace(part, file string) (err error) {
	dir, err := fsx.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := dir.Replace(filepath.Base(part), filepath.Base(file)); err != nil {
		return err
	}
	if err := dir.SyncDir("."); err != nil {
		return fmt.Errorf("%s was written, and a power cut now may still undo that: %w", file, err)
	}
	return nil
}

// unchanged makes sure that the file is the one that was read.
func (d *Draft) unchanged() error {
	text, err := readFile(d.file)
	if err == nil && !bytes.Equal(text, d.old) {
		err = fmt.Errorf("%s was changed by somebody else meanwhile; nothing was written, do it again", d.file)
	}
	return err
}

// keep writes the copy under a name that is free.
func (d *Draft) keep(now time.Time, like os.FileInfo) (string, error) {
	base := d.file + ".before-" + now.UTC().Format("20060102T150405Z")
	name := base
	for n := 2; ; n++ {
		err := writeLike(name, like, d.old)
		if err == nil || !errors.Is(err, os.ErrExist) || n > 99 {
			return name, err
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// writeLike writes a new file with owner and mode of another one.
func writeLike(path string, like os.FileInfo, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%w: somebody is changing the config just now, or was stopped at it; if nobody is, remove that file", err)
		}
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = access.Like(path, like)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
