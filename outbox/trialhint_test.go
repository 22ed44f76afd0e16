package outbox

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// No hint that a test message can get names a command for a transfer: there is none.
func TestHintsOfTrials(t *testing.T) {
	n := 0
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		n += commandsIn(t, f)
	}
	if n < 20 {
		t.Errorf("%d hints have a command", n)
	}
	for hint, want := range map[string]string{
		hints["unexpected-processing-error"]: "the partner had trouble of his own: ask him, with the Message-ID; then test again",
		"mend it":                            "mend it",
		"as2drop release ID":                 "test again",
	} {
		if got := alone(hint); got != want {
			t.Errorf("%q becomes %q", hint, got)
		}
	}
}

// commandsIn counts the hints with a command in a file, and complains of those that keep it.
func commandsIn(t *testing.T, f *ast.File) (n int) {
	ast.Inspect(f, func(node ast.Node) bool {
		lit, ok := node.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"as2drop retry ID", "as2drop release ID", "as2drop release PARTNER", "as2drop dismiss ID"} {
			if strings.Contains(text, command) && text != command {
				n++
				if got := alone(text); strings.Contains(got, "as2drop ") || !strings.Contains(got, "test again") {
					t.Errorf("%q becomes %q", text, got)
				}
			}
		}
		return true
	})
	return n
}
