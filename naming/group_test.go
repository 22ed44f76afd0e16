package naming

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const minute = time.Minute

// quietFiles are files that nobody has touched for a minute.
func quietFiles(names ...string) []File {
	var fs []File
	for _, n := range names {
		fs = append(fs, File{Name: n, Size: 10, Unchanged: minute})
	}
	return fs
}

func rules(t testing.TB, change func(*Config)) *Rules {
	t.Helper()
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	r, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// story prints the outcome of Group as lines: "key: document + attachments" and
// "name ? reason".
func story(r *Rules, l Listing) []string {
	batches, waiting := r.Group(l)
	var out []string
	for _, b := range batches {
		s := b.Key + ": " + strings.Join(append([]string{b.Document}, b.Attachments...), " + ")
		if b.Marker != "" {
			s += " (" + b.Marker + ")"
		}
		out = append(out, s)
	}
	for _, w := range waiting {
		out = append(out, w.Name+" ? "+string(w.Reason))
	}
	return out
}

func TestGroup(t *testing.T) {
	sent := time.Date(2026, 11, 23, 10, 4, 0, 0, time.UTC)
	marker := func(c *Config) { c.Complete = Marker }
	count := func(c *Config) { c.Complete = Count }
	for name, c := range map[string]struct {
		config func(*Config)
		files  []File
		claims []Claim
		want   []string
	}{
		"a document with attachments": {
			files: quietFiles("INV-1.xml", "INV-1_scan.pdf", "INV-1.png"),
			want:  []string{"INV-1: INV-1.xml + INV-1.png + INV-1_scan.pdf"}},
		"a document alone": {
			files: quietFiles("ORD-7.EDI"),
			want:  []string{"ORD-7: ORD-7.EDI"}},
		"the longest key wins": {
			files: quietFiles("INV-1.xml", "INV-10.xml", "INV-10_a.pdf", "INV-1_a.pdf"),
			want:  []string{"INV-1: INV-1.xml + INV-1_a.pdf", "INV-10: INV-10.xml + INV-10_a.pdf"}},
		"the longest of two keys in one name wins": {
			files: quietFiles("A.xml", "A_b.json", "A_b_c.pdf", "Z.xml"),
			want:  []string{"A: A.xml + A_b.json + A_b_c.pdf", "Z: Z.xml"}},
		"keys with underscores": {
			files: quietFiles("A_1.xml", "A_1_x.pdf", "A_2.xml", "A_2_x.pdf"),
			want:  []string{"A_1: A_1.xml + A_1_x.pdf", "A_2: A_2.xml + A_2_x.pdf"}},
		"an attachment that looks like a document": {
			files: quietFiles("INV-1.xml", "INV-1_lines.csv"),
			want:  []string{"INV-1: INV-1.xml + INV-1_lines.csv"}},
		"two documents, one attachment": {
			files: quietFiles("INV-1.json", "INV-1.xml", "INV-1_a.pdf"),
			want:  []string{"INV-1.json ? ambiguous", "INV-1.xml ? ambiguous", "INV-1_a.pdf ? ambiguous"}},
		"composed and decomposed letters are one name": {
			files: quietFiles("Gr\u00fcn.xml", "Gru\u0308n_a.pdf"),
			want:  []string{"Gr\u00fcn: Gr\u00fcn.xml + Gru\u0308n_a.pdf"}},
		"the same name composed and decomposed": {
			files: quietFiles("\u00fc.xml", "u\u0308.xml"),
			want:  []string{"u\u0308.xml ? ambiguous", "\u00fc.xml ? ambiguous"}},
		"case tells names apart": {
			files: quietFiles("inv-1_a.pdf", "INV-1.xml"),
			want:  []string{"INV-1: INV-1.xml", "inv-1_a.pdf ? document"}},
		"unless the volume folds case": {
			config: func(c *Config) { c.FoldCase = true },
			files:  quietFiles("inv-1_a.pdf", "INV-1.xml"),
			want:   []string{"INV-1: INV-1.xml + inv-1_a.pdf"}},
		"an attachment without a document": {
			files: quietFiles("INV-1_a.pdf"),
			want:  []string{"INV-1_a.pdf ? document"}},
		"a name that fits nothing": {
			files: quietFiles("README"),
			want:  []string{"README ? document"}},
		"names of unfinished files": {
			files: quietFiles(".hidden.xml", "~$INV-1.xml", "INV-1.xml.tmp", "INV-2.xml.PART", "a.filepart", "b.crdownload", "Thumbs.db", "desktop.ini"),
			want: []string{".hidden.xml ? ignored", "INV-1.xml.tmp ? ignored", "INV-2.xml.PART ? ignored", "Thumbs.db ? ignored", "a.filepart ? ignored",
				"b.crdownload ? ignored", "desktop.ini ? ignored", "~$INV-1.xml ? ignored"}},
		"an empty file": {
			files: []File{{Name: "INV-1.xml", Unchanged: minute}},
			want:  []string{"INV-1.xml ? empty"}},
		"an empty file that may travel": {
			config: func(c *Config) { c.AllowEmpty = true },
			files:  []File{{Name: "INV-1.xml", Unchanged: minute}},
			want:   []string{"INV-1: INV-1.xml"}},
		"a subfolder": {
			files: []File{{Name: "old", Dir: true}},
			want:  []string{"old ? subfolder"}},
		"one member is not quiet": {
			files: []File{{Name: "INV-1.xml", Size: 1, Unchanged: minute}, {Name: "INV-1_a.pdf", Size: 1, Unchanged: time.Second}},
			want:  []string{"INV-1.xml ? quiet", "INV-1_a.pdf ? quiet"}},
		"no quiet time": {
			config: func(c *Config) { c.Quiet = 0 },
			files:  []File{{Name: "INV-1.xml", Size: 1}},
			want:   []string{"INV-1: INV-1.xml"}},
		"open for writing": {
			files: []File{{Name: "INV-1.xml", Size: 1, Unchanged: minute}, {Name: "INV-1_a.pdf", Size: 1, Unchanged: minute, Busy: true}},
			want:  []string{"INV-1.xml ? busy", "INV-1_a.pdf ? busy"}},
		"a late attachment": {
			files:  quietFiles("INV-1_late.pdf"),
			claims: []Claim{{Key: "INV-1", Sent: sent}},
			want:   []string{"INV-1_late.pdf ? late"}},
		"a late attachment that looks like a document": {
			files:  quietFiles("INV-1_lines.csv"),
			claims: []Claim{{Key: "INV-1", Sent: sent}},
			want:   []string{"INV-1_lines.csv ? late"}},
		"a new version of a settled document takes its attachments": {
			files:  quietFiles("INV-1.xml", "INV-1_new.pdf"),
			claims: []Claim{{Key: "INV-1", Sent: sent}},
			want:   []string{"INV-1: INV-1.xml + INV-1_new.pdf"}},
		"a second document of a key in flight": {
			files:  quietFiles("INV-1.xml"),
			claims: []Claim{{Key: "INV-1", Sent: sent, InFlight: true}},
			want:   []string{"INV-1.xml ? in-flight"}},
		"a second document of a key in flight, resend: send": {
			config: func(c *Config) { c.Resend = ResendSend },
			files:  quietFiles("INV-1.xml"),
			claims: []Claim{{Key: "INV-1", Sent: sent, InFlight: true}},
			want:   []string{"INV-1: INV-1.xml"}},
		"marker: not yet": {
			config: marker, files: quietFiles("INV-1.xml", "INV-1_a.pdf"),
			want: []string{"INV-1.xml ? marker", "INV-1_a.pdf ? marker"}},
		"marker: there, even if empty and fresh": {
			config: marker,
			files:  []File{{Name: "INV-1.xml", Size: 1}, {Name: "INV-1.ready"}},
			want:   []string{"INV-1: INV-1.xml (INV-1.ready)"}},
		"marker: no document": {
			config: marker, files: quietFiles("INV-1.ready"),
			want: []string{"INV-1.ready ? document"}},
		"count: all here": {
			config: count, files: quietFiles("INV-1_1of3.xml", "INV-1_2of3_scan.pdf", "INV-1_3of3.png"),
			want: []string{"INV-1: INV-1_1of3.xml + INV-1_2of3_scan.pdf + INV-1_3of3.png"}},
		"count: one missing": {
			config: count, files: quietFiles("INV-1_1of3.xml", "INV-1_3of3.png"),
			want: []string{"INV-1_1of3.xml ? parts", "INV-1_3of3.png ? parts"}},
		"count: a number twice": {
			config: count, files: quietFiles("INV-1_1of2.xml", "INV-1_1of2.png"),
			want: []string{"INV-1_1of2.png ? ambiguous", "INV-1_1of2.xml ? ambiguous"}},
		"count: totals differ": {
			config: count, files: quietFiles("INV-1_1of2.xml", "INV-1_2of3.png"),
			want: []string{"INV-1_1of2.xml ? ambiguous", "INV-1_2of3.png ? ambiguous"}},
		"count: number beyond the total": {
			config: count, files: quietFiles("INV-1_1of1.xml", "INV-1_2of1.png"),
			want: []string{"INV-1_1of1.xml ? ambiguous", "INV-1_2of1.png ? ambiguous"}},
		"own patterns": {
			config: func(c *Config) {
				c.Documents, c.Attachments = []string{"RE_{key}.xml"}, []string{"{name}-{key}.pdf"}
			},
			files: quietFiles("RE_77.xml", "scan-77.pdf", "scan-78.pdf"),
			want:  []string{"77: RE_77.xml + scan-77.pdf", "scan-78.pdf ? document"}},
		"regular expressions": {
			config: func(c *Config) {
				c.DocumentExpr, c.AttachmentExpr = `(?P<key>\d{4})-D\.xml`, `(?P<key>\d{4})-A\d+\.pdf`
			},
			files: quietFiles("0042-D.xml", "0042-A1.pdf", "0043-A1.pdf"),
			want:  []string{"0042: 0042-D.xml + 0042-A1.pdf", "0043-A1.pdf ? document"}},
		"ignored by configuration": {
			config: func(c *Config) { c.Ignore = []string{"*.bak"} },
			files:  quietFiles("INV-1.bak"),
			want:   []string{"INV-1.bak ? ignored"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := story(rules(t, c.config), Listing{Files: c.files, Claims: c.claims})
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestWaitingTellsWhatFor(t *testing.T) {
	sent := time.Date(2026, 11, 23, 10, 4, 0, 0, time.UTC)
	_, w := rules(t, nil).Group(Listing{
		Files:  append(quietFiles("INV-1_x.pdf", "B_9_z.pdf", "A.xml", "A.json"), File{Name: "Q.xml", Size: 1, Unchanged: 2 * time.Second}),
		Claims: []Claim{{Key: "INV-1", Sent: sent}},
	})
	want := []Waiting{
		{"A.json", "A", WaitAmbiguous, `2 documents have the key A: "A.json", "A.xml"; rename or remove all but one`, true, 0},
		{"A.xml", "A", WaitAmbiguous, `2 documents have the key A: "A.json", "A.xml"; rename or remove all but one`, true, 0},
		{"B_9_z.pdf", "", WaitDocument, "waits for a document with the key B_9_z or B_9 or B ({key}.{ext:xml|edi|edifact|x12|json|csv|txt})", false, 0},
		{"INV-1_x.pdf", "INV-1", WaitLate, "late for INV-1, sent at 2026-11-23 10:04 UTC", true, 0},
		{"Q.xml", "Q", WaitQuiet, "it changed less than 5s ago", false, 3 * time.Second},
	}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got  %+v\nwant %+v", w, want)
	}
}

func TestCompileNamesEveryMistake(t *testing.T) {
	_, err := Compile(Config{
		Documents: []string{"{key}.xml", "nokey.xml"}, Attachments: []string{"{key}_{nme}.pdf", "{key}/x", "{key}.{ext:a||b}"},
		Complete: "soon", Quiet: -1, Marker: "{key}{key}", Ignore: []string{"["}, Resend: "maybe",
	})
	problems, ok := err.(ConfigError)
	if !ok {
		t.Fatalf("%v", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprint(p.Field, p.Index))
	}
	want := []string{"Complete0", "Resend0", "Quiet0", "Documents1", "Attachments0", "Attachments1", "Attachments2", "Marker0", "Ignore0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, expr := range []string{`(`, `x`} {
		if _, err := Compile(Config{DocumentExpr: expr, AttachmentExpr: expr}); err == nil || !strings.Contains(err.Error(), "DocumentExpr") || !strings.Contains(err.Error(), "AttachmentExpr") {
			t.Errorf("expression %q: %v", expr, err)
		}
	}
}

// --- properties ---

var fileName = rapid.Custom(func(t *rapid.T) string {
	stem := rapid.SampledFrom([]string{"A", "A_b", "A_b_c", "INV-1", "INV-10", "INV-1_x", "\u00fc", "u\u0308", "a", ".x", "~$A"}).Draw(t, "stem")
	mid := rapid.SampledFrom([]string{"", "", "_y", "_1of2", "_2of2", ".z"}).Draw(t, "mid")
	return stem + mid + rapid.SampledFrom([]string{".xml", ".json", ".pdf", ".png", ".ready", "", ".tmp"}).Draw(t, "ext")
})

var listing = rapid.Custom(func(t *rapid.T) Listing {
	names := rapid.SliceOfNDistinct(fileName, 0, 12, rapid.ID[string]).Draw(t, "names")
	var l Listing
	for _, n := range names {
		l.Files = append(l.Files, File{
			Name: n, Size: int64(rapid.IntRange(0, 3).Draw(t, "size")), Busy: rapid.IntRange(0, 9).Draw(t, "busy") == 0,
			Unchanged: time.Duration(rapid.IntRange(3, 60).Draw(t, "s")) * time.Second, Dir: rapid.IntRange(0, 19).Draw(t, "dir") == 0,
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "claims") {
		l.Claims = append(l.Claims, Claim{Key: rapid.SampledFrom([]string{"A", "INV-1", "A_b"}).Draw(t, "key"), InFlight: rapid.Bool().Draw(t, "flight")})
	}
	return l
})

var anyRules = rapid.Custom(func(t *rapid.T) *Rules {
	r, err := Compile(Config{
		Complete: rapid.SampledFrom([]Rule{Quiet, Marker, Count}).Draw(t, "rule"), Quiet: 5 * time.Second,
		FoldCase: rapid.Bool().Draw(t, "fold"), AllowEmpty: rapid.Bool().Draw(t, "empty"),
		Resend: rapid.SampledFrom([]Resend{ResendHold, ResendSend}).Draw(t, "resend"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
})

func TestEveryFileIsInExactlyOnePlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, r := listing.Draw(t, "listing"), anyRules.Draw(t, "rules")
		batches, waiting := r.Group(l)
		count := map[string]int{}
		for _, b := range batches {
			for _, n := range append([]string{b.Document}, b.Attachments...) {
				count[n]++
			}
			if b.Marker != "" {
				count[b.Marker]++
			}
		}
		for _, w := range waiting {
			count[w.Name]++
			if w.Reason == "" || w.Text == "" {
				t.Errorf("%+v waits for no reason", w)
			}
		}
		for _, f := range l.Files {
			if count[f.Name] != 1 {
				t.Errorf("%q is in %d places", f.Name, count[f.Name])
			}
			delete(count, f.Name)
		}
		if len(count) > 0 {
			t.Errorf("files from nowhere: %v", count)
		}
	})
}

func TestOrderOfTheListingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, r := listing.Draw(t, "listing"), anyRules.Draw(t, "rules")
		b1, w1 := r.Group(l)
		l.Files = rapid.Permutation(l.Files).Draw(t, "shuffled")
		l.Claims = rapid.Permutation(l.Claims).Draw(t, "claims")
		b2, w2 := r.Group(l)
		if !reflect.DeepEqual(b1, b2) || !reflect.DeepEqual(w1, w2) {
			t.Errorf("%v %v\n%v %v", b1, w1, b2, w2)
		}
	})
}

func TestAnAttachmentNeverJoinsAShorterKey(t *testing.T) {
	r := rules(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		l := listing.Draw(t, "listing")
		batches, _ := r.Group(l)
		keys := map[string]bool{}
		for _, b := range batches {
			keys[b.Key] = true
		}
		for _, b := range batches {
			for _, a := range b.Attachments {
				for k := range keys {
					if len(k) > len(b.Key) && strings.HasPrefix(a, k+"_") {
						t.Errorf("%q went to %q although %q is there", a, b.Key, k)
					}
				}
			}
		}
	})
}

func TestAnUnrelatedFileChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, r := listing.Draw(t, "listing"), anyRules.Draw(t, "rules")
		before, _ := r.Group(l)
		l.Files = append(l.Files, File{Name: "ZZZ-9.xml", Size: 1, Unchanged: minute})
		after, _ := r.Group(l)
		after = slices.DeleteFunc(after, func(b Batch) bool { return b.Key == "ZZZ-9" })
		if len(before)+len(after) > 0 && !reflect.DeepEqual(before, after) {
			t.Errorf("before %v\nafter %v", before, after)
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	r := rules(b, nil)
	for _, n := range []int{1_000, 10_000, 100_000} {
		var l Listing
		for i := range n / 2 {
			l.Files = append(l.Files, quietFiles(fmt.Sprintf("INV-%06d.xml", i), fmt.Sprintf("INV-%06d_scan.pdf", i))...)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			defer allocated(b, n)()
			for b.Loop() {
				if batches, _ := r.Group(l); len(batches) != n/2 {
					b.Fatal(len(batches))
				}
			}
		})
	}
}

func FuzzGroup(f *testing.F) {
	f.Add("{key}.xml", "{key}_{name}.pdf", "INV-1.xml\nINV-1_a.pdf")
	f.Add("{name}-{key}.{ext:xml|edi}", "{key}_{part}of{parts}", "x-1.xml\n1_2of3")
	f.Fuzz(func(t *testing.T, document, attachment, names string) {
		r, err := Compile(Config{Documents: []string{document}, Attachments: []string{attachment}})
		if err != nil {
			return
		}
		list := strings.Split(names, "\n")
		slices.Sort(list)
		list = slices.Compact(list)
		if len(list) > 20 || len(names) > 1000 {
			return
		}
		batches, waiting := r.Group(Listing{Files: quietFiles(list...)})
		n := len(waiting)
		for _, b := range batches {
			n += 1 + len(b.Attachments)
		}
		if n != len(list) {
			t.Errorf("%d files, %d places", len(list), n)
		}
	})
}

// A member that came while the folder was being listed may not be all that came: with rules
// that take batches at first sight it is looked at once more.
func TestMemberThatCameDuringTheListing(t *testing.T) {
	for name, c := range map[string]Config{"quiet 0": {}, "marker": {Complete: Marker}} {
		t.Run(name, func(t *testing.T) {
			r, err := Compile(c)
			if err != nil {
				t.Fatal(err)
			}
			files := []File{{Name: "INV-1.xml", Size: 1}, {Name: "INV-1_a.pdf", Size: 1, Unchanged: -1}}
			if c.Complete == Marker {
				files = append(files, File{Name: "INV-1.ready", Size: 1})
			}
			batches, waiting := r.Group(Listing{Files: files})
			if len(batches) > 0 || len(waiting) != len(files) || waiting[0].Reason != WaitQuiet || waiting[0].For <= 0 {
				t.Errorf("%+v %+v", batches, waiting)
			}
			files[1].Unchanged = 0
			if batches, _ := r.Group(Listing{Files: files}); len(batches) != 1 || len(batches[0].Attachments) != 1 {
				t.Errorf("%+v", batches)
			}
		})
	}
}
