package naming

import (
	"strings"
	"testing"
)

func TestNotOnWindows(t *testing.T) {
	cases := map[string]string{
		"INV-1.xml": "", "con-1.xml": "", "COM10": "", "COM.xml": "", ".as2drop": "", "Rechnung Müller.pdf": "",
		strings.Repeat("ä", 255): "", strings.Repeat("😀", 127): "",
		"con": "device", "nul.txt": "device", "COM1.xml": "device", "LPT¹": "device", "aux .xml": "device",
		"INV-1.xml.": "dot or a blank", "INV-1.xml ": "dot or a blank", "..": "dot or a blank",
		"a:b": "character", "a|b": "character", `a\b`: "character", "a\x1fb": "character",
		strings.Repeat("a", 256): "longer", strings.Repeat("😀", 128): "longer",
	}
	for name, want := range cases {
		if got := NotOnWindows(name); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		// What Safe makes can be a name everywhere.
		if got := NotOnWindows(Safe(name)); got != "" {
			t.Errorf("Safe(%q) = %q: %s", name, Safe(name), got)
		}
	}
}
