package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var update = flag.Bool("update", false, "rewrite imports.golden")

// graph maps a package, without the module path, to its imports; each import maps to the
// systems it is needed on.
type graph map[string]map[string][]string

// systems are the targets that the program is released for.
func systems() []string { return []string{"linux", "windows"} }

func TestImports(t *testing.T) {
	watchSources(t)
	g := make(graph)
	for _, system := range systems() {
		list(t, system, g)
	}
	for _, v := range violations(g, ranks(), sole(), never()) {
		t.Error(v)
	}
	got := render(g, ranks())
	if *update {
		if err := os.WriteFile("imports.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("imports.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the imports are not those of imports.golden:\n%s"+
			"if they should be: go test ./internal/archtest -update", difference(string(want), got))
	}
}

// watchSources looks at every source file, because go test repeats a stored result unless
// a file has changed that the test itself, not a command of its, has looked at.
func watchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			// The tests of other packages run at the same time and remove what they made.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			if _, err := os.Stat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// list adds to g what each of our packages imports on one system.
func list(t *testing.T, system string, g graph) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v\n%s", system, err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("go list for %s: %v", system, err)
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if g[name] == nil {
			g[name] = make(map[string][]string)
		}
		for _, i := range p.Imports {
			g[name][i] = append(g[name][i], system)
		}
	}
}

// violations applies the three tables to the graph and says, sorted, what is wrong.
func violations(g graph, ranks map[string]int, sole map[string]string, never map[string][]string) []string {
	var found []string
	for from, imports := range g {
		rank, known := ranks[from]
		if !known {
			found = append(found, fmt.Sprintf("%s has no rank: add it to ranks and to DESIGN.md", from))
			continue
		}
		for path := range imports {
			if slices.Contains(never[from], path) {
				found = append(found, fmt.Sprintf("%s imports %s, which it must not know", from, path))
			}
			if to, ours := strings.CutPrefix(path, module+"/"); ours {
				target, known := ranks[to]
				switch {
				case !known:
					found = append(found, fmt.Sprintf("%s imports %s, which has no rank", from, to))
				case target >= rank:
					found = append(found, fmt.Sprintf("%s (rank %d) imports %s (rank %d): not lower", from, rank, to, target))
				}
				continue
			}
			for mod, owner := range sole {
				if (path == mod || strings.HasPrefix(path, mod+"/")) && !slices.Contains(strings.Fields(owner), from) && rank < firstTestRank {
					found = append(found, fmt.Sprintf("%s imports %s, which belongs to %s alone", from, path, owner))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// render writes the graph as text: by rank, then by name; our own packages on one line,
// other people's on one line each. The standard library is left out.
func render(g graph, ranks map[string]int) string {
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if ranks[a] != ranks[b] {
			return ranks[a] - ranks[b]
		}
		return strings.Compare(a, b)
	})
	var out strings.Builder
	out.WriteString("# Written by: go test ./internal/archtest -update\n")
	for _, name := range names {
		fmt.Fprintf(&out, "\n%d %s\n", ranks[name], name)
		var ours, theirs []string
		for path, on := range g[name] {
			where := ""
			if len(on) < len(systems()) {
				where = " (" + on[0] + ")"
			}
			if to, own := strings.CutPrefix(path, module+"/"); own {
				ours = append(ours, to+where)
			} else if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				theirs = append(theirs, path+where)
			}
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		if len(ours) > 0 {
			fmt.Fprintf(&out, "\t%s\n", strings.Join(ours, ", "))
		}
		for _, path := range theirs {
			fmt.Fprintf(&out, "\t+ %s\n", path)
		}
	}
	return out.String()
}

// difference lists the lines that only one of two texts has, each under its package.
func difference(want, got string) string {
	lines := func(text string) []string {
		var all []string
		under := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "\t") {
				under = line
				all = append(all, line)
			} else {
				all = append(all, under+": "+strings.TrimPrefix(line, "\t"))
			}
		}
		return all
	}
	var out strings.Builder
	wanted, have := lines(want), lines(got)
	for _, line := range wanted {
		if !slices.Contains(have, line) {
			fmt.Fprintf(&out, "  golden only: %s\n", line)
		}
	}
	for _, line := range have {
		if !slices.Contains(wanted, line) {
			fmt.Fprintf(&out, "  tree only:   %s\n", line)
		}
	}
	return out.String()
}
