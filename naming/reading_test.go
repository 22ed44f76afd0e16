package naming

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whoever looks up only the claims of the keys that a reading names decides as if he
// knew all claims.
func TestClaimsOfOtherKeysChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, r := listing.Draw(t, "listing"), anyRules.Draw(t, "rules")
		for range rapid.IntRange(0, 6).Draw(t, "more claims") {
			l.Claims = append(l.Claims, Claim{Key: rapid.SampledFrom([]string{"a", "A", "A_b_c", "inv-1_x", "INV-10", "Ü", "ü", "ü", "Z"}).Draw(t, "key"), InFlight: rapid.Bool().Draw(t, "flight")})
		}
		b1, w1 := r.Group(l)
		rd := r.Read(len(l.Files), slices.Values(l.Files))
		keys := slices.Collect(rd.Keys())
		b2, w2 := rd.Group(slices.DeleteFunc(slices.Clone(l.Claims), func(c Claim) bool { return !slices.Contains(keys, ClaimKey(c.Key)) }))
		if !reflect.DeepEqual(b1, b2) || !reflect.DeepEqual(w1, w2) {
			t.Errorf("keys %q\nall claims  %v %v\nits own    %v %v", keys, b1, w1, b2, w2)
		}
	})
}

func TestKeys(t *testing.T) {
	files := quietFiles("INV-1.xml", "INV-1_scan_b.pdf", "Äpfel.csv", "x.tmp")
	got := slices.Compact(slices.Sorted(rules(t, nil).Read(len(files), slices.Values(files)).Keys()))
	if want := []string{"inv-1", "inv-1_scan", "inv-1_scan_b", "äpfel"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Many files that are in each other's way are not named in each other's text: that
// would be quadratic, and nobody could read it.
func TestTextsDoNotGrowWithTheNumberOfFiles(t *testing.T) {
	var names []string
	documents := rules(t, func(c *Config) {
		c.Documents = []string{"{name}-{key}.xml"}
		c.Attachments = []string{"{key}_{name}.pdf"}
	})
	for i := range 2_000 {
		names = append(names, fmt.Sprintf("n%d-1.xml", i))
	}
	_, waiting := documents.Group(Listing{Files: quietFiles(names...)})
	if len(waiting) != 2_000 {
		t.Fatalf("%d files wait", len(waiting))
	}
	for _, w := range waiting {
		if w.Reason != WaitAmbiguous || len(w.Text) > 300 {
			t.Fatalf("%s: %s: %d bytes", w.Name, w.Reason, len(w.Text))
		}
	}
}

// allocated reports what a benchmark has allocated for each of n files.
func allocated(b *testing.B, n int) func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() {
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(n), "B/file")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/file")
	}
}
