package naming

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// inParts groups a listing part by part, and says how many parts there were.
func inParts(r *Rules, l Listing, about int) (batches []Batch, waiting []Waiting, parts int) {
	slices.SortFunc(l.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	for from, end := range r.Parts(len(l.Files), func(i int) string { return l.Files[i].Name }, about) {
		b, w := r.Group(Listing{Files: l.Files[from:end], Claims: l.Claims})
		batches, waiting, parts = append(batches, b...), append(waiting, w...), parts+1
	}
	return batches, waiting, parts
}

// Parts make no difference, whatever the names, the rules and the claims.
func TestPartsMakeNoDifference(t *testing.T) {
	configs := []Config{
		{}, {Complete: Marker}, {Complete: Count}, {Complete: References}, {FoldCase: true},
		{Documents: []string{"{key}_doc.{ext}"}, Attachments: []string{"{key}-{name}.{ext}", "{key}.pdf"}},
		{Documents: []string{"{key}.xml"}, Attachments: []string{"{key}{name}.pdf"}}, // nothing literal behind the key
		{Documents: []string{"x{key}.xml"}},
		{DocumentExpr: `(?P<key>[a-c]+)_.*`, AttachmentExpr: `.*_(?P<key>[a-c]+)\.pdf`},
	}
	cut := 0
	stem := rapid.SampledFrom([]string{"a", "a1", "a_b", "a_b_1", "a-b", "b", "xa", "c"})
	middle := rapid.SampledFrom([]string{"", "", "_a", "-a", ".a", "_1of2", "_2of2", "_doc"})
	extension := rapid.SampledFrom([]string{".xml", ".json", ".pdf", ".ready", ".xml.pdf"})
	name := rapid.Custom(func(t *rapid.T) string {
		return stem.Draw(t, "stem") + middle.Draw(t, "middle") + extension.Draw(t, "extension")
	})
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(configs).Draw(t, "config")
		c.Quiet = 5 * time.Second
		rules, err := Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		var l Listing
		for _, n := range rapid.SliceOfNDistinct(name, 0, 40, rapid.ID[string]).Draw(t, "names") {
			l.Files = append(l.Files, File{Name: n, Size: 1, Unchanged: time.Duration(rapid.IntRange(4, 6).Draw(t, "unchanged")) * time.Second})
		}
		for _, key := range rapid.SliceOfN(stem, 0, 3).Draw(t, "claims") {
			l.Claims = append(l.Claims, Claim{Key: key, Document: key, InFlight: rapid.Bool().Draw(t, "in flight")})
		}
		batches, waiting := rules.Group(l)
		inBatches, inWaiting, parts := inParts(rules, l, rapid.IntRange(1, 5).Draw(t, "about"))
		if len(batches)+len(inBatches) > 0 && !reflect.DeepEqual(batches, inBatches) {
			t.Fatalf("as a whole\n%+v\nin %d parts\n%+v", batches, parts, inBatches)
		}
		if len(waiting)+len(inWaiting) > 0 && !reflect.DeepEqual(waiting, inWaiting) {
			t.Fatalf("as a whole wait\n%+v\nin %d parts\n%+v", waiting, parts, inWaiting)
		}
		if parts > 1 {
			cut++
		}
	})
	if cut == 0 {
		t.Error("no listing was cut")
	}
}

// Where a key may stand anywhere in a name, or names are compared otherwise than byte for byte,
// the listing is one part: these pair with each other over all that lies between them.
func TestListingsThatAreOnePart(t *testing.T) {
	for what, c := range map[string]struct {
		config   Config
		document string
		other    string
	}{
		"upper and lower case":  {Config{FoldCase: true}, "a.xml", "A_1.pdf"},
		"composed letters":      {Config{}, "u\u0308.xml", "\u00fc_1.pdf"},
		"before the key":        {Config{Documents: []string{"x{key}.xml"}}, "xa.xml", "a_1.pdf"},
		"nothing behind it":     {Config{Attachments: []string{"{key}{name}.pdf"}}, "a.xml", "az.pdf"},
		"a regular expression":  {Config{DocumentExpr: `(?P<key>.)\.xml`, AttachmentExpr: `.*_(?P<key>.)\.pdf`}, "a.xml", "z_a.pdf"},
		"named in the document": {Config{Complete: References}, "a.xml", "z.pdf"},
	} {
		rules, err := Compile(c.config)
		if err != nil {
			t.Fatal(err)
		}
		l := Listing{Files: []File{{Name: c.document, Size: 1}, {Name: c.other, Size: 1}}}
		for i := range 100 {
			l.Files = append(l.Files, File{Name: fmt.Sprintf("aa%02d.xml", i), Size: 1})
		}
		if _, _, parts := inParts(rules, l, 10); parts != 1 {
			t.Errorf("%s: %d parts", what, parts)
		}
	}
}

// What people drop in great numbers is cut where it is wanted, and what has to do with each
// other is not.
func TestPartsAreSmall(t *testing.T) {
	rules, err := Compile(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for format, most := range map[string]int{"INV-%06d.xml": 100, "INV_%06d.xml": 100, "%d.xml": 100, "INV-%d_a_b.pdf INV-%d.xml": 2_300, "ORDER.xml ORDER_%06d.pdf": 20_001} {
		var l Listing
		known := map[string]bool{}
		for i := range 10_000 {
			for _, f := range strings.Fields(format) {
				if n := strings.TrimSuffix(fmt.Sprintf(f, i), fmt.Sprintf("%%!(EXTRA int=%d)", i)); !known[n] {
					known[n] = true
					l.Files = append(l.Files, File{Name: n, Size: 1})
				}
			}
		}
		slices.SortFunc(l.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
		largest := 0
		for from, end := range rules.Parts(len(l.Files), func(i int) string { return l.Files[i].Name }, 100) {
			largest = max(largest, end-from)
		}
		if largest > most || most > 20_000 && largest < 10_000 {
			t.Errorf("%s: a part has %d files", format, largest)
		}
	}
}
