package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Whoever is read with the grammar of his command alone gets the help, and the complaints,
// that the whole one has for him.
func TestGrammarOfOneCommand(t *testing.T) {
	tell := func(grammar any, args []string) (told string) {
		var out, complaint strings.Builder
		code := -1
		ctx, err := newParser(grammar, &globals{out: &out, err: &complaint}, "config.yaml", func(c int) { code = c }).Parse(args)
		if err == nil {
			told = ctx.Command()
		} else if code < 0 {
			told = err.Error()
		}
		return told + "\n" + out.String() + complaint.String()
	}
	var paths [][]string
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, c := range n.Children {
			path := append(slices.Clone(path), c.Name)
			paths = append(paths, path)
			walk(c, path)
		}
	}
	walk(model(t).Node, nil)
	for _, path := range paths {
		_, whole := grammarOf(path).(*cli)
		if wants := path[0] == "complete" || path[0] == "man"; whole != wants { // they tell of the others
			t.Errorf("%q is read with the whole grammar: %v", path, whole)
		}
		for _, more := range [][]string{nil, {"--help"}, {"--no-such-flag"}, {"one"}, {"one", "two", "three"}, {"--config", "x", "-c", "y"}} {
			args := slices.Concat(path, more)
			if got, want := tell(grammarOf(args), args), tell(&cli{}, args); got != want {
				t.Errorf("%q:\n%s\nthe whole grammar has:\n%s", args, got, want)
			}
		}
	}
	if len(paths) < 30 {
		t.Errorf("only %d commands", len(paths))
	}
	for _, args := range [][]string{nil, {"--help"}, {"nothing"}, {"-c", "ls"}} {
		if _, whole := grammarOf(args).(*cli); !whole {
			t.Errorf("%q names no command", args)
		}
	}
}

// A command lets garbage gather until there is much of it, and no longer; whoever started it
// may know better.
func TestCollectLate(t *testing.T) {
	percent := func() uint64 {
		now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(now)
		return now[0].Value.Uint64()
	}
	former := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(former) })
	t.Setenv("GOGC", "77")
	collectLate()
	if got := percent(); got != 77 {
		t.Errorf("GOGC says 77: %d", got)
	}
	t.Setenv("GOGC", "")
	collectLate()
	if got := percent(); got != firstGarbage {
		t.Errorf("%d at first", got)
	}
	for range 1000 {
		if runtime.GC(); percent() == 100 {
			return
		}
	}
	t.Errorf("%d after many collections", percent())
}
