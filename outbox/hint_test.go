package outbox

import (
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
)

// Whatever modifier the RFCs name, the operator learns what he can do about it, and
// never the same for two causes.
func TestEveryModifierHasAHint(t *testing.T) {
	general := hintFor(as2.Failed("something of his own"))
	seen := map[string]string{general: "unknown"}
	for _, m := range as2.Modifiers() {
		d := as2.Disposition{Type: "processed", Kind: m.Kind, Modifier: strings.ToUpper(m.Word)}
		hint := hintFor(d)
		if other, ok := seen[hint]; ok {
			t.Errorf("%s has the hint of %s: %q", m.Word, other, hint)
		}
		seen[hint] = m.Word
	}
	if len(hints) != len(as2.Modifiers()) {
		t.Errorf("%d hints for %d modifiers", len(hints), len(as2.Modifiers()))
	}
	if got := hintFor(as2.Failed("Duplicate Message-ID")); got != hints[as2.DuplicateDocument] {
		t.Errorf("another word for a duplicate: %q", got)
	}
	if got := hintFor(as2.Failed(as2.DuplicateFilename)); !strings.Contains(got, "new key") {
		t.Errorf("a duplicate file name: %q", got)
	}
}
