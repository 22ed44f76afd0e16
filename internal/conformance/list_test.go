package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	top  = "../.."
	list = top + "/as2/CONFORMANCE.md"
)

// row is one line of the list.
type row struct {
	line  int
	id    string // document, section, digest
	level string
	done  string
	what  string
	tests []string
}

// The states of a row: what binds somebody else is named so and needs no test.
var states = map[string]bool{"yes": true, "partial": true, "no": true, "others": true}

var (
	heading = regexp.MustCompile(`^## ([^\s:]+)`)
	rowID   = regexp.MustCompile(`^[0-9A-Z][0-9.]* [0-9a-f]{6}$`)
)

// parseList reads the tables. A table belongs to the document that the heading above it
// names first.
func parseList(text string) (rows []row, faults []string) {
	document := ""
	for i, line := range strings.Split(text, "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			document = m[1]
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| clause ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if len(cells) != 5 || !rowID.MatchString(cells[0]) || document == "" {
			faults = append(faults, fmt.Sprintf("line %d is no row: clause, level, done, what, tests", i+1))
			continue
		}
		r := row{line: i + 1, id: document + " " + cells[0], level: cells[1], done: cells[2], what: cells[3]}
		for name := range strings.SplitSeq(cells[4], ",") {
			if name = strings.TrimSpace(name); name != "" {
				r.tests = append(r.tests, name)
			}
		}
		rows = append(rows, r)
	}
	return rows, faults
}

// judgeList says what is wrong with the rows, given the tests that exist.
func judgeList(rows []row, exists map[string]bool) (faults []string) {
	fault := func(r row, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("line %d (%s): ", r.line, r.id)+fmt.Sprintf(format, args...))
	}
	seen := map[string]bool{}
	for _, r := range rows {
		switch {
		case seen[r.id]:
			fault(r, "is there twice")
		case r.level != "MUST" && r.level != "SHOULD":
			fault(r, "level %q is neither MUST nor SHOULD", r.level)
		case !states[r.done]:
			fault(r, "%q is none of yes, partial, no, others", r.done)
		case r.what == "":
			fault(r, "says nothing")
		case (r.done == "yes" || r.done == "partial") && len(r.tests) == 0:
			fault(r, "is done and names no test")
		}
		seen[r.id] = true
		for _, name := range r.tests {
			if !exists[name] {
				fault(r, "there is no test %s", name)
			}
		}
	}
	return faults
}

// ourTests are the tests and fuzz targets of all packages, whatever their build tags, as
// "package.TestName", and the scripts, as "script/name.txtar".
func ourTests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(file, top+string(filepath.Separator)))
		switch {
		case d.IsDir() && len(d.Name()) > 2 && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir // caches
		case strings.HasPrefix(rel, "testdata/") && strings.HasSuffix(rel, ".txtar"):
			names[strings.TrimPrefix(rel, "testdata/")] = true
		case strings.HasSuffix(rel, "_test.go"):
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range parsed.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
					names[path.Dir(rel)+"."+f.Name.Name] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readList(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	rows, faults := parseList(string(text))
	for _, f := range faults {
		t.Errorf("CONFORMANCE.md: %s", f)
	}
	return rows
}

// Every row is well formed and every test that it names exists.
func TestListNamesTestsThatExist(t *testing.T) {
	rows := readList(t)
	if len(rows) == 0 {
		t.Fatal("CONFORMANCE.md has no row")
	}
	for _, f := range judgeList(rows, ourTests(t)) {
		t.Errorf("CONFORMANCE.md: %s", f)
	}
}

// Where no specification is at hand the clauses are in words; their tests exist too.
func TestWordsNameTestsThatExist(t *testing.T) {
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	_, words, found := strings.Cut(string(text), "\n## Several files in one message\n")
	named := regexp.MustCompile(`(?:[a-z0-9/]+\.(?:Test|Fuzz)\w+|script/\w+\.txtar)`).FindAllString(words, -1)
	if !found || len(named) < 20 {
		t.Fatalf("%d tests are named", len(named))
	}
	exists := ourTests(t)
	for _, name := range named {
		if !exists[name] {
			t.Errorf("CONFORMANCE.md: there is no test %s", name)
		}
	}
}

// The judge sees each mistake.
func TestListMistakesAreSeen(t *testing.T) {
	const good = "## rfc1\n| 7.3 a1b2c3 | MUST | yes | what we do | as2.TestX |\n"
	exists := map[string]bool{"as2.TestX": true}
	for name, c := range map[string]struct{ text, want string }{
		"good":             {good, ""},
		"no such test":     {strings.Replace(good, "TestX", "TestY", 1), "there is no test as2.TestY"},
		"done without":     {strings.Replace(good, "as2.TestX", "", 1), "names no test"},
		"unknown state":    {strings.Replace(good, "yes", "maybe", 1), "none of yes, partial, no, others"},
		"unknown level":    {strings.Replace(good, "MUST", "MAY", 1), "neither MUST nor SHOULD"},
		"says nothing":     {strings.Replace(good, "what we do", "", 1), "says nothing"},
		"twice":            {good + strings.TrimPrefix(good, "## rfc1\n"), "is there twice"},
		"no row":           {strings.Replace(good, "| as2.TestX", "", 1), "is no row"},
		"of no document":   {strings.TrimPrefix(good, "## rfc1\n"), "is no row"},
		"no identifier":    {strings.Replace(good, "a1b2c3", "", 1), "is no row"},
		"others is silent": {strings.Replace(strings.Replace(good, "yes", "others", 1), "as2.TestX", "", 1), ""},
	} {
		rows, faults := parseList(c.text)
		all := strings.Join(append(faults, judgeList(rows, exists)...), "\n")
		if c.want == "" && all != "" || !strings.Contains(all, c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}
