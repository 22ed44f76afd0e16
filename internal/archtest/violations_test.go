package archtest

import (
	"slices"
	"strings"
	"testing"
)

func planted(from string, imports ...string) graph {
	g := graph{from: {}}
	for _, path := range imports {
		g[from][path] = systems()
	}
	return g
}

// Each rule is seen to catch what it is for.
func TestViolationsAreFound(t *testing.T) {
	for _, c := range []struct {
		name string
		tree graph
		want string // "" = nothing is wrong
	}{
		{"lower rank", planted("outbox", module+"/ledger", module+"/internal/fsx", "time"), ""},
		{"higher rank", planted("ledger", module+"/outbox"), "ledger (rank 1) imports outbox (rank 2): not lower"},
		{"same rank", planted("outbox", module+"/inbox"), "outbox (rank 2) imports inbox (rank 2): not lower"},
		{"test package in the program", planted("agent", module+"/internal/simdisk"), "agent (rank 7) imports internal/simdisk (rank 90): not lower"},
		{"package without rank", planted("utils"), "utils has no rank: add it to ranks and to DESIGN.md"},
		{"import without rank", planted("agent", module+"/utils"), "agent imports utils, which has no rank"},
		{"watch outside agent", planted("outbox", "github.com/fsnotify/fsnotify"), "outbox imports github.com/fsnotify/fsnotify, which belongs to agent alone"},
		{"cron outside its wrapper", planted("config", "github.com/robfig/cron/v3"), "config imports github.com/robfig/cron/v3, which belongs to internal/schedule alone"},
		{"pkcs7 on bytes from outside", planted("as2", "go.mozilla.org/pkcs7"), "as2 imports go.mozilla.org/pkcs7, which belongs to internal/keys alone"},
		{"part of a sole module", planted("agent", "modernc.org/sqlite/lib"), "agent imports modernc.org/sqlite/lib, which belongs to ledger alone"},
		{"sole module in its place", planted("ledger", "modernc.org/sqlite"), ""},
		{"sole module in a test package", planted("internal/simdisk", "modernc.org/sqlite/vfs"), ""},
		{"disk in naming", planted("naming", "os"), "naming imports os, which it must not know"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if got := violations(c.tree, ranks(), sole(), never()); !slices.Equal(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

func TestRenderShowsSystemsAndRanks(t *testing.T) {
	g := planted("internal/fsx", "golang.org/x/sys/windows", "os")
	g["internal/fsx"]["golang.org/x/sys/windows"] = []string{"windows"}
	g["agent"] = planted("agent", module+"/outbox", module+"/inbox")["agent"]
	_, got, _ := strings.Cut(render(g, ranks()), "\n")
	want := "\n0 internal/fsx\n\t+ golang.org/x/sys/windows (windows)\n\n7 agent\n\tinbox, outbox\n"
	if got != want {
		t.Errorf("rendered %q, want %q", got, want)
	}
}

func TestDifferenceNamesThePackage(t *testing.T) {
	got := difference("1 as2\n\tcms\n", "1 as2\n\tcms\n\t+ example.org/x\n")
	if want := "  tree only:   1 as2: + example.org/x\n"; got != want {
		t.Errorf("difference %q, want %q", got, want)
	}
}
