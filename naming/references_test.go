package naming

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestReferences(t *testing.T) {
	r := rules(t, func(c *Config) { c.Complete = References })
	for name, c := range map[string]struct {
		files   string // NAME, NAME! = open elsewhere, NAME? = changed lately
		named   map[string]string
		batches string
		waits   string // of one file, a part of the text
		reason  Reason
		alarm   bool
	}{
		"all are here":              {"A.xml A_x.pdf", map[string]string{"A.xml": "A_x.pdf"}, "A.xml:A_x.pdf", "", "", false},
		"under any name":            {"A.xml drawing.pdf", map[string]string{"A.xml": "drawing.pdf"}, "A.xml:drawing.pdf", "", "", false},
		"one is missing":            {"A.xml A_x.pdf", map[string]string{"A.xml": "A_x.pdf A_y.pdf"}, "", `A.xml: "A.xml" names files that are not here: "A_y.pdf"`, WaitNamed, false},
		"one is here and empty":     {"A.xml A_x.pdf.part", map[string]string{"A.xml": "A_x.pdf.part"}, "", `not here: "A_x.pdf.part" (its name says that it is not finished`, WaitNamed, false},
		"one of its names":          {"A.xml x-y.pdf", map[string]string{"A.xml": "x%2Dy.pdf|x-y.pdf"}, "A.xml:x-y.pdf", "", "", false},
		"none of its names":         {"A.xml", map[string]string{"A.xml": "x%2Dy.pdf|x-y.pdf x%2Dy.pdf"}, "", `not here: "x%2Dy.pdf"`, WaitNamed, false},
		"none are named":            {"A.xml A_x.pdf", map[string]string{"A.xml": ""}, "A.xml:A_x.pdf", "", "", false},
		"what pairs by name, too":   {"A.xml A_x.pdf d.pdf", map[string]string{"A.xml": "d.pdf"}, "A.xml:A_x.pdf,d.pdf", "", "", false},
		"twice":                     {"A.xml d.pdf", map[string]string{"A.xml": "d.pdf d.pdf"}, "A.xml:d.pdf", "", "", false},
		"itself":                    {"A.xml", map[string]string{"A.xml": "A.xml"}, "A.xml", "", "", false},
		"a document":                {"A.xml spec.xml", map[string]string{"A.xml": "spec.xml", "spec.xml": ""}, "A.xml:spec.xml", "", "", false},
		"by two":                    {"A.xml B.xml t.pdf", map[string]string{"A.xml": "t.pdf", "B.xml": "t.pdf"}, "", `t.pdf: "A.xml", "B.xml" name it`, WaitAmbiguous, true},
		"by two, says the document": {"A.xml B.xml t.pdf", map[string]string{"A.xml": "t.pdf", "B.xml": "t.pdf"}, "", `A.xml: "A.xml" names files that are not here: "t.pdf" ("A.xml", "B.xml" name it`, WaitNamed, false},
		"each other":                {"A.xml B.xml", map[string]string{"A.xml": "B.xml", "B.xml": "A.xml"}, "", `A.xml: "B.xml" names it, and is an attachment itself`, WaitAmbiguous, true},
		"by an attachment":          {"A.xml B.xml c.pdf", map[string]string{"A.xml": "B.xml", "B.xml": "c.pdf"}, "A.xml:B.xml", `c.pdf: waits for a document`, WaitDocument, false},
		"broken":                    {"A.xml A_x.pdf", map[string]string{"A.xml": "!A.xml:3:7: the end tag"}, "", `A.xml: A.xml:3:7: the end tag; correct it`, WaitBroken, true},
		"not read":                  {"A.xml A_x.pdf", nil, "", `A.xml: "A.xml" has not been read yet`, WaitQuiet, false},
		"changes":                   {"A.xml? A_x.pdf", nil, "", `A.xml: "A.xml" changed less than`, WaitQuiet, false},
		"an attachment changes":     {"A.xml d.pdf?", map[string]string{"A.xml": "d.pdf"}, "", `d.pdf: "d.pdf" changed less than`, WaitQuiet, false},
		"an attachment is open":     {"A.xml d.pdf!", map[string]string{"A.xml": "d.pdf"}, "", `A.xml: another program has "d.pdf" open`, WaitBusy, false},
		"two documents of one key":  {"A.xml A.edi d.pdf", map[string]string{"A.xml": "d.pdf", "A.edi": ""}, "", `A.xml: 2 documents have the key A`, WaitAmbiguous, true},
		"composed and decomposed":   {"A.xml u\u0308.pdf", map[string]string{"A.xml": "\u00fc.pdf"}, "A.xml:u\u0308.pdf", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var files []File
			for _, f := range strings.Fields(c.files) {
				still := time.Hour
				if strings.HasSuffix(f, "?") {
					still = time.Second
				}
				files = append(files, File{Name: strings.TrimRight(f, "?!"), Size: 1, Unchanged: still, Busy: strings.HasSuffix(f, "!")})
			}
			rd := r.Read(len(files), slices.Values(files))
			read := map[string]Named{}
			for doc, names := range c.named {
				if fault, ok := strings.CutPrefix(names, "!"); ok {
					read[doc] = Named{Fault: fault}
				} else {
					read[doc] = named(strings.Fields(names)...)
				}
			}
			rd.Refer(read)
			batches, waiting := rd.Group(nil)
			if got := sorted(batches); got != c.batches {
				t.Errorf("%s; %+v", got, waiting)
			}
			if c.waits != "" && !slices.ContainsFunc(waiting, func(w Waiting) bool {
				return strings.Contains(w.Name+": "+w.Text, c.waits) && w.Reason == c.reason && w.Alarm == c.alarm
			}) {
				t.Errorf("%+v", waiting)
			}
		})
	}
}

// named makes attachments of NAME or NAME|OTHER.
func named(files ...string) (n Named) {
	for _, f := range files {
		n.Files = append(n.Files, strings.Split(f, "|"))
	}
	return n
}

func TestUnread(t *testing.T) {
	files := []File{{Name: "A.xml", Size: 1, Unchanged: time.Hour}, {Name: "B.xml", Size: 1, Unchanged: time.Second}, {Name: "C.xml", Size: 1, Unchanged: time.Hour, Busy: true},
		{Name: "a.pdf", Size: 1, Unchanged: time.Hour}, {Name: "D.xml", Unchanged: time.Hour}}
	if got := rules(t, func(c *Config) { c.Complete = References }).Read(len(files), slices.Values(files)).Unread(); !slices.Equal(got, []string{"A.xml"}) {
		t.Errorf("%q", got)
	}
	if got := rules(t, nil).Read(len(files), slices.Values(files)).Unread(); got != nil {
		t.Errorf("by quiet: %q", got)
	}
}

// Every file is in one batch or waits, and a batch has all that its document names.
func TestReferencesLoseNothing(t *testing.T) {
	r := rules(t, func(c *Config) { c.Complete = References })
	names := []string{"A.xml", "A_x.pdf", "B.xml", "B_y.xml", "c.pdf", "D.edi"}
	rapid.Check(t, func(t *rapid.T) {
		var files []File
		read := map[string]Named{}
		for _, n := range names {
			if !rapid.Bool().Draw(t, n) {
				continue
			}
			files = append(files, File{Name: n, Size: 1, Unchanged: time.Duration(rapid.IntRange(0, 1).Draw(t, "quiet "+n)) * time.Hour})
			read[n] = named(rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(t, "named by "+n)...)
		}
		rd := r.Read(len(files), slices.Values(files))
		rd.Refer(read)
		batches, waiting := rd.Group(nil)
		times := map[string]int{}
		for _, b := range batches {
			for _, n := range b.Names() {
				times[n]++
			}
			for n := range read[b.Document].all() {
				if !slices.Contains(b.Names(), n) {
					t.Errorf("%s went without %s, which it names", b.Document, n)
				}
			}
		}
		for _, w := range waiting {
			times[w.Name]++
		}
		for _, f := range files {
			if times[f.Name] != 1 {
				t.Error(fmt.Sprintf("%s is there %d times: %+v; %+v", f.Name, times[f.Name], batches, waiting))
			}
		}
	})
}
