//go:build spec

package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// specifications reads the folder with the texts.
func specifications(t *testing.T) map[string]requirement {
	t.Helper()
	dir := os.Getenv("AS2DROP_SPEC")
	if dir == "" {
		dir = top + "/../shared/spec"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]requirement{}
	for _, f := range files {
		name := filepath.Base(f)
		if name == "README.md" {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range extract(name, string(text)) {
			all[r.ID] = r
		}
	}
	if len(all) == 0 {
		t.Fatalf("no specification in %s: name their folder with AS2DROP_SPEC", dir)
	}
	return all
}

// whole are the documents of which the SHOULDs are on the list too; of the others they
// are where they concern AS2.
var whole = map[string]bool{"rfc4130": true, "draft-petta-rfc4130bis": true, "rfc5402": true, "rfc3798": true}

// No MUST of the specifications is missing from the list, and no SHOULD of those that
// define AS2; and the list has nothing that they do not say.
func TestListIsComplete(t *testing.T) {
	wanted := specifications(t)
	listed := map[string]bool{}
	for _, r := range readList(t) {
		listed[r.id] = true
		s, ok := wanted[r.id]
		switch {
		case !ok:
			t.Errorf("CONFORMANCE.md: line %d: no specification says %s", r.line, r.id)
		case s.Level != r.level:
			t.Errorf("CONFORMANCE.md: line %d: %s is a %s", r.line, r.id, s.Level)
		}
	}
	for id, s := range wanted {
		document, _, _ := strings.Cut(id, " ")
		if !listed[id] && (s.Level == "MUST" || whole[document]) {
			t.Errorf("CONFORMANCE.md lacks %s %s: %s", s.Level, id, s.Text)
		}
	}
}
