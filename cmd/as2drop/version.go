package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// These are set when a release is built (internal/ci/release): what it is called, the
// commit, and the day of the commit.
var (
	version  = "0.1.0-dev"
	revision = ""
	released = ""
)

// build is the commit and its day: of the release, or what Go noted.
func build() (commit, day string) {
	if revision != "" {
		return revision, released
	}
	info, _ := debug.ReadBuildInfo()
	commit = "unknown"
	if info == nil {
		return commit, ""
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly):
			day = s.Value[:len(time.DateOnly)]
		}
	}
	return commit, day
}

type versionCmd struct {
	JSON bool `help:"As JSON."`
}

func (c *versionCmd) Run(g *globals) error {
	revision, _ := build()
	if c.JSON {
		return printJSON(g.out, map[string]string{"version": version, "revision": revision, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	fmt.Fprintf(g.out, "as2drop %s (%s, %s, %s/%s)\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
