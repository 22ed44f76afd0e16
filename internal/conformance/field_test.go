package conformance

import (
	"os"
	"strings"
	"testing"
)

// Every habit of the field names tests that exist.
func TestFieldNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile(top + "/as2/FIELD.md")
	if err != nil {
		t.Fatal(err)
	}
	exists, rows := ourTests(t), 0
	for line := range strings.SplitSeq(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 2 || strings.HasPrefix(line, "|---") || strings.Contains(line, "| tests |") {
			continue
		}
		rows++
		for name := range strings.SplitSeq(cells[1], ",") {
			if name = strings.TrimSpace(name); !exists[name] {
				t.Errorf("FIELD.md: %q: there is no test %q", strings.TrimSpace(cells[0]), name)
			}
		}
	}
	if rows < 40 {
		t.Errorf("FIELD.md has %d rows", rows)
	}
}
