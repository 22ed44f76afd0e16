package naming

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"INV-1001.xml":       "INV-1001.xml",
		"Grün.xml":           "Grün.xml",
		"u\u0308.xml":        "\u00fc.xml",
		"":                   "unnamed",
		".":                  "unnamed",
		"..":                 "unnamed",
		"../../etc/passwd":   "_.._etc_passwd",
		`C:\boot.ini`:        "C__boot.ini",
		"a\x00b\nc.xml":      "a_b_c.xml",
		"a\u202eb.xml":       "a_b.xml",
		".hidden":            "hidden",
		"trailing. . ":       "trailing",
		"CON":                "_CON",
		"nul.xml":            "_nul.xml",
		"COM1.txt":           "_COM1.txt",
		"COM¹":               "_COM¹",
		"COM10.txt":          "COM10.txt",
		"LPT":                "LPT",
		"console.xml":        "console.xml",
		"x.tmp":              "x.tmp_",
		"~$x.xml":            "_~$x.xml",
		"bad\xffutf8.xml":    "bad_utf8.xml",
		`a<b>c:"d"|e?f*.pdf`: "a_b_c__d__e_f_.pdf",
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
	long := Safe(strings.Repeat("ü", 300) + ".xml")
	if len(long) > maxName || !strings.HasSuffix(long, ".xml") || long == Safe(strings.Repeat("ü", 301)+".xml") {
		t.Errorf("over-long name: %q", long)
	}
}

func checkSafe(t interface{ Errorf(string, ...any) }, in string) {
	s := Safe(in)
	switch {
	case Safe(s) != s:
		t.Errorf("Safe(%q) = %q, and again %q", in, s, Safe(s))
	case s == "" || len(s) > maxName || !utf8.ValidString(s) || !norm.NFC.IsNormalString(s):
		t.Errorf("Safe(%q) = %q: length %d", in, s, len(s))
	case strings.ContainsAny(s, "/\\:\x00\n") || strings.Trim(s, ". ") != s || !filepath.IsLocal(s):
		t.Errorf("Safe(%q) = %q is no plain element", in, s)
	case (&Rules{}).ignored(s):
		t.Errorf("Safe(%q) = %q is never ready", in, s)
	}
}

func TestSafeProperties(t *testing.T) {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{".", " ", "..", "/", "CON", "nul", "~$", ".tmp", ".part", "\u0308", strings.Repeat("x", 190), strings.Repeat(". ", 99), strings.Repeat("\u0344", 50)}))
	rapid.Check(t, func(t *rapid.T) {
		checkSafe(t, strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "parts"), ""))
	})
}

func FuzzSafe(f *testing.F) {
	f.Add("../INV-1.xml")
	f.Fuzz(func(t *testing.T, s string) { checkSafe(t, s) })
}

func TestSort(t *testing.T) {
	r := rules(t, nil)
	for _, c := range []struct{ names, batches, rest string }{
		{"INV-1_a.pdf INV-1.xml", "INV-1.xml:INV-1_a.pdf", ""},
		{"scan.pdf", "scan.pdf", ""},
		{"B.xml A_x.pdf A.xml", "A.xml:A_x.pdf B.xml", ""},
		{"a.pdf b.pdf", "", "a.pdf b.pdf"},
		{"INV-1.xml terms.pdf", "INV-1.xml", "terms.pdf"},
		{"INV-1.xml INV-1_a.xml INV-1.pdf", "INV-1.xml:INV-1.pdf,INV-1_a.xml", ""},
		{"INV-1.xml INV-1.edi INV-1_a.pdf INV-2.edi", "INV-2.edi", "INV-1.xml INV-1.edi INV-1_a.pdf"},
		{"INV-1.xml INV-10.xml INV-10_a.pdf", "INV-1.xml INV-10.xml:INV-10_a.pdf", ""},
	} {
		batches, rest := r.Sort(strings.Fields(c.names))
		if got := sorted(batches); got != c.batches || strings.Join(rest, " ") != c.rest {
			t.Errorf("%s: %s; rest %q", c.names, got, rest)
		}
	}
}

func TestAttachmentName(t *testing.T) {
	for _, c := range []struct{ attachments, key, name, want string }{
		{"", "INV-1", "scan.pdf", "INV-1_scan.pdf"},
		{"", "INV-1", "INV-1_scan.pdf", "INV-1_scan.pdf"},
		{"", "INV-1", "INV-1.pdf", "INV-1.pdf"},
		{"", "INV-1", "INV-1.xml", "INV-1_INV-1.xml"}, // that is how the document is called
		{"", "INV-1", "INV-10_scan.pdf", "INV-1_INV-10_scan.pdf"},
		{"", "INV-1", "scan", "INV-1_scan"},
		{"att-{name}-of-{key}.{ext}", "INV-1", "scan.pdf", "att-scan-of-INV-1.pdf"},
		{"{key}-{part}.{ext} {key}-{name}.{ext}", "INV-1", "scan.pdf", "INV-1-scan.pdf"},
		{"{key}-{part}.{ext}", "INV-1", "scan.pdf", "INV-1_scan.pdf"},
	} {
		r := rules(t, func(cfg *Config) { cfg.Attachments = strings.Fields(c.attachments) })
		if got := r.AttachmentName(c.key, c.name); got != c.want {
			t.Errorf("%s, %s: %s", c.attachments, c.name, got)
		}
	}
}

// sorted writes batches as DOCUMENT:ATTACHMENT,ATTACHMENT.
func sorted(batches []Batch) string {
	var all []string
	for _, b := range batches {
		s := b.Document
		if len(b.Attachments) > 0 {
			s += ":" + strings.Join(b.Attachments, ",")
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestRekeyKeepsPairing(t *testing.T) {
	r := rules(t, nil)
	got := r.Rekey([]string{"INV-1001.xml", "INV-1001_a.pdf", "terms.pdf", "INV-2.edi", "INV-2_b.pdf"}, 2)
	if want := []string{"INV-1001~2.xml", "INV-1001~2_a.pdf", "terms~2.pdf", "INV-2~2.edi", "INV-2~2_b.pdf"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		var names []string
		for _, f := range listing.Draw(t, "listing").Files {
			names = append(names, f.Name)
		}
		n := rapid.IntRange(2, 12).Draw(t, "n")
		renamed := r.Rekey(names, n)
		if s := slices.Sorted(slices.Values(renamed)); len(slices.Compact(s)) != len(names) {
			t.Errorf("%q became %q", names, renamed)
		}
		before, rest := r.Sort(names)
		if len(names) == 0 || len(rest) > 0 {
			return // what pairs with nothing may pair by its new name
		}
		for i, b := range before {
			now := func(name string) string { return renamed[slices.Index(names, name)] }
			before[i].Document = now(b.Document)
			for j, a := range b.Attachments {
				before[i].Attachments[j] = now(a)
			}
			slices.Sort(before[i].Attachments)
		}
		slices.SortFunc(before, func(a, b Batch) int { return strings.Compare(a.Document, b.Document) })
		if after, _ := r.Sort(renamed); sorted(after) != sorted(before) {
			t.Errorf("%q: want %s; %q: %s", names, sorted(before), renamed, sorted(after))
		}
	})
}

func TestBundleName(t *testing.T) {
	if got := BundleName("../INV-1", "0abc"); got != "_INV-1_0abc.zip" {
		t.Error(got)
	}
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	for _, target := range []string{"FuzzGroup", "FuzzSafe"} {
		if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target)); err != nil || len(seeds) == 0 {
			t.Errorf("%s: %d seeds, %v", target, len(seeds), err)
		}
	}
}
