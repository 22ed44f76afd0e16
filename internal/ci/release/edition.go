package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// edition is what a release is called, and when it was committed.
type edition struct {
	version  string // 1.2.3, or 1.2.3-dev.20261126055638.9515f80 between releases
	revision string
	when     time.Time
}

// day is the day of the commit.
func (e edition) day() string { return e.when.Format(time.DateOnly) }

// editionOf asks git. A commit with a tag v1.2.3 is that version; any other is one before
// the version that the source names, told apart by its moment. Changes that are not committed are
// told: such a release can be made by nobody else.
func editionOf() (edition, error) {
	var e edition
	var err error
	if e.revision, err = git("rev-parse", "HEAD"); err != nil {
		return e, err
	}
	seconds, err := git("log", "-1", "--format=%ct")
	if err != nil {
		return e, err
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds = epoch
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return e, fmt.Errorf("the date of the commit is %q: %w", seconds, err)
	}
	e.when = time.Unix(n, 0).UTC()
	changed, err := git("status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return e, err
	}
	tags, err := git("tag", "--points-at", "HEAD", "--list", "v[0-9]*")
	if err != nil {
		return e, err
	}
	if tag, _, _ := strings.Cut(tags, "\n"); tag != "" && changed == "" {
		e.version = strings.TrimPrefix(tag, "v")
		return e, nil
	}
	source, err := os.ReadFile("cmd/as2drop/version.go")
	if err != nil {
		return e, err
	}
	m := regexp.MustCompile(`version += "([0-9.]+(-dev)?)"`).FindSubmatch(source)
	if m == nil {
		return e, fmt.Errorf("cmd/as2drop/version.go names no version")
	}
	e.version = fmt.Sprintf("%s.%s.%s", m[1], e.when.Format("20060102150405"), e.revision[:7])
	if changed != "" {
		e.version += ".changed"
	}
	return e, nil
}

func git(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
