package outbox

import (
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
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

// The commands in a hint name the transfer; other words stay as they are.
func TestHintsNameTheTransfer(t *testing.T) {
	tr := &ledger.Transfer{ID: "01m8", Partner: "acme"}
	for hint, want := range map[string]string{
		"our AS2 ID: as2drop retry ID": "our AS2 ID: as2drop retry 01m8",
		"then: as2drop release ID":     "then: as2drop release 01m8",
		"as2drop release PARTNER":      "as2drop release acme",
	} {
		if got := commands(tr, hint); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	_, o, waiting := beginAsync(t, withhold)
	receive(t, o, waiting, func(m *as2.MDNOptions) { m.Disposition = as2.Failed(as2.UnexpectedProcessing) })
	if got := row(t, o, waiting.ID).Next; !strings.HasSuffix(got, "as2drop retry "+waiting.ID) {
		t.Errorf("%q", got)
	}
}
