package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/as2drop/as2drop/internal/bench/page"
)

const (
	before = "# Page\n\n<!-- make bench: one -->\n\n| old |\n\n<!-- make bench: end of one -->\nrest\n"
	after  = "# Page\n\n<!-- make bench: one -->\n\n| new |\n\n<!-- make bench: end of one -->\nrest\n"
)

// A table takes the place of the one before it, and nothing else changes.
func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // written twice it is the same page
		if err := page.Write(file, "bench", "one", "| new |\n"); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != after {
			t.Fatalf("%v\n%s", err, text)
		}
	}
}

// A table that has no place is written nowhere.
func TestNoPlace(t *testing.T) {
	for name, text := range map[string]string{
		"no markers":      "# Page\n",
		"only the first":  "<!-- make bench: one -->\n",
		"only the second": "<!-- make bench: end of one -->\n",
		"of another":      "<!-- make other: one -->\n<!-- make other: end of one -->\n",
	} {
		if next, err := page.Replace(text, "bench", "one", "| new |\n"); err == nil || next != "" {
			t.Errorf("%s: %v, %q", name, err, next)
		}
	}
}
