package logs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// levels are the methods of a logger, and how many arguments come before the attributes.
var levels = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0, "Add": 0, "Log": 3}

// loggers are what a logger is called in our packages.
var loggers = []string{"log", "Log", "slog", "note", "Logger"}

// used are the attributes of all lines that the program can log, with a place for each.
func used(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	files := token.NewFileSet()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !isLogger(method.X) {
				return true
			}
			if before, ok := levels[method.Sel.Name]; ok && len(call.Args) > before {
				at := files.Position(call.Pos()).String()
				for i := before; i < len(call.Args); i += 2 {
					name, ok := literal(call.Args[i])
					if !ok {
						t.Errorf("%s: an attribute whose name is no literal", at)
						return true
					}
					all[name] = at
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return slices.Contains(loggers, e.Name)
	case *ast.SelectorExpr:
		return slices.Contains(loggers, e.Sel.Name)
	case *ast.CallExpr:
		return isLogger(e.Fun)
	}
	return false
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	name, err := strconv.Unquote(l.Value)
	return name, err == nil
}

// The same thing has the same name in every line, and the list of names is the one in the
// manual: who filters by them relies on it.
func TestAttributesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n### Attributes\n")
	if !ok {
		t.Fatal("docs/monitoring.md has no section Attributes")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented[m[1]] = true
	}
	found := used(t)
	if len(found) < 30 {
		t.Errorf("only %d attributes were found in the source", len(found))
	}
	for name, at := range found {
		if !documented[name] {
			t.Errorf("%s: the attribute %q is not in docs/monitoring.md: use one of those there, or add it", at, name)
		}
		if secret := regexp.MustCompile(`password|secret|token|passphrase|authorization|content|payload`); secret.MatchString(name) {
			t.Errorf("%s: %q sounds like what no log may hold", at, name)
		}
	}
	for name := range documented {
		if found[name] == "" {
			t.Errorf("docs/monitoring.md: no line has the attribute %q", name)
		}
	}
}
