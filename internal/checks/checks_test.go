package checks

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/as2drop/as2drop/internal/filetype"
)

const orders = "UNB+UNOC:3+A+B+261123:0600+14'UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'UNT+3+1'UNZ+1+14'"

// rules are all of them, with the defaults of the config.
func rules(e Effect) *Rules {
	r := &Rules{Effects: map[Rule]Effect{}, Types: filetype.Types(), MaxAttachment: 5e6, MaxTotal: 50e6, MaxName: 128}
	r.Characters, _ = ParseCharacters(PortableCharacters) // it is right
	for _, rule := range All() {
		r.Effects[rule] = e
	}
	return r
}

// batch is one of files in memory: name, content, name, content; the first is the document.
func batch(parts ...string) (files []File) {
	for i := 0; i < len(parts); i += 2 {
		content := parts[i+1]
		files = append(files, File{Name: parts[i], Document: i == 0, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(iotest.HalfReader(strings.NewReader(content))), nil
		}})
	}
	return files
}

func zipOf(names ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

const (
	invoice = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>1</ID></Invoice>`
	note    = `<Note/>`
)

func TestFindings(t *testing.T) {
	for name, c := range map[string]struct {
		files []File
		want  string // one line each
	}{
		"nothing":                  {batch("INV-1.xml", invoice, "INV-1_scan.pdf", "%PDF-1.7", "INV-1_note.xml", note, "INV-1_list.csv", "a;b", "INV-1_all.zip", zipOf("a.pdf", "b.txt")), ""},
		"nothing, EDIFACT":         {batch("ORD-1.edi", orders, "ORD-1_scan.jpg", "\xff\xd8\xff\xe0"), ""},
		"nothing, a zip":           {batch("B-1.zip", zipOf("INV.xml", "scan.pdf")), ""},
		"a program":                {batch("INV-1.xml", note, "INV-1_scan.pdf", "MZ\x90\x00"), `types: INV-1_scan.pdf: its name says PDF, and its content is a Windows program`},
		"a type that is not known": {batch("INV-1.xml", note, "INV-1_run.exe", "MZ\x90\x00", "INV-1", "x"), "types: INV-1_run.exe: its extension is \"exe\", and attachments may be pdf, jpeg, png, gif, tiff, bmp, postscript, rtf, office, zip, p7b, p7s, p7m, svg, html, xml, eml, csv, txt, dwg\ntypes: INV-1: it has no extension, and attachments may be pdf, jpeg, png, gif, tiff, bmp, postscript, rtf, office, zip, p7b, p7s, p7m, svg, html, xml, eml, csv, txt, dwg"},
		"a type of the partner":    {batch("INV-1.xml", note, "INV-1_plan.DWG", "AC1032\x00"), ""},
		"far inside of a text":     {batch("INV-1.xml", note, "INV-1_a.txt", strings.Repeat("a", 300_000)+"\x00"), `types: INV-1_a.txt: its name says text, and it has a byte 00 at byte 300000, which no text has`},
		"the end of a long zip":    {batch("INV-1.xml", note, "INV-1_a.zip", zipOf(append(many(3000), "other.xml")...)), `one_document: INV-1_a.zip: is a zip with 1 documents ("other.xml"), and the batch has its document already: INV-1.xml`},
		"too large":                {sized(batch("INV-1.xml", note, "INV-1_a.pdf", "%PDF-1.7", "INV-1_b.pdf", "%PDF-1.7"), 6_000_000, 5_000_001, 5_000_000), `attachment_size: INV-1_a.pdf: 5000001 bytes (5.0 MB), and an attachment may have 5000000 bytes (5.0 MB)`},
		"too large together":       {sized(batch("INV-1.xml", note, "INV-1_a.pdf", "%PDF-1.7"), 50_000_000, 1), `total_size: the 2 files have 50000001 bytes (50.0 MB) together, and may have 50000000 bytes (50.0 MB)`},
		"letters":                  {batch("INV 1.xml", note, "INV 1_prüf ü.pdf", "%PDF-1.7"), "names: INV 1.xml: has ' ' in its name, and names may have A-Za-z0-9._-\nnames: INV 1_prüf ü.pdf: has ' ' 'ü' in its name, and names may have A-Za-z0-9._-"},
		"a long name":              {batch("INV-1.xml", note, "INV-1_"+strings.Repeat("a", 119)+".pdf", "%PDF-1.7"), "names: INV-1_" + strings.Repeat("a", 119) + ".pdf: its name has 129 characters, and may have 128"},
		"names that are the same":  {batch("INV-1.xml", note, "INV-1_a.pdf", "%PDF-1.7", "INV-1_A.PDF", "%PDF-1.7"), `unique_names: INV-1_A.PDF: has the name of "INV-1_a.pdf", where upper and lower case and composed letters are not told apart`},
		"two documents":            {batch("INV-1.xml", note, "INV-1_o.edi", orders, "INV-1_2.xml", invoice, "INV-1_3.xml", note), "one_document: INV-1_o.edi: holds EDIFACT interchanges, and the batch has its document already: INV-1.xml\none_document: INV-1_2.xml: is a business document (Invoice), and the batch has its document already: INV-1.xml\none_document: INV-1_3.xml: is a business document (Note), and the batch has its document already: INV-1.xml\ntypes: INV-1_o.edi: its extension is \"edi\", and attachments may be pdf, jpeg, png, gif, tiff, bmp, postscript, rtf, office, zip, p7b, p7s, p7m, svg, html, xml, eml, csv, txt, dwg"},
		"two tables":               {batch("L-1.csv", "a;b", "L-1_2.csv", "a;b"), "one_document: L-1_2.csv: is a .csv like the document, and the batch has its document already: L-1.csv"},
		"a zip with two":           {batch("B-1.zip", zipOf("INV.xml", "in/ORD.edi", "scan.pdf")), `one_document: B-1.zip: is a zip with 2 documents, and may have one: "INV.xml", "ORD.edi"`},
		"broken XML":               {batch("INV-1.xml", "<a>\n <b></a>"), `well_formed_xml: INV-1.xml: line 2, column 5`},
		"an envelope cut off":      {batch("ORD-1.edi", orders[:80]), "envelopes: ORD-1.edi: segment 5 (UNZ, byte 75): the file ends in the middle of it, at byte 80: its terminator is missing\nenvelopes: ORD-1.edi: behind segment 5 (byte 80): the interchange \"14\", begun by UNB in segment 1, has no UNZ before the end of the file"},
		"an envelope in a text":    {batch("ORD-1.txt", strings.Replace(orders, "UNT+3", "UNT+4", 1)), `envelopes: ORD-1.txt: segment 4 (UNT, byte 67): it counts 4 segments (UNH and UNT included), and there are 3`},
		"XML that is called EDI":   {batch("ORD-1.edi", "<a/>"), `envelopes: ORD-1.edi: byte 0: the file begins with "<a/>", and neither with UNA, UNB nor ISA`},
	} {
		r := rules(Refuse)
		r.Others = []string{"dwg"}
		got, err := r.Batch(context.Background(), c.files)
		var lines []string
		for _, f := range got.Findings {
			line := f.String()
			if f.Rule == WellFormedXML {
				line = strings.TrimSuffix(line, ": "+f.Fact) // that is xmlstream's
			}
			lines = append(lines, line)
			if f.Next == "" || f.Effect != Refuse {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if text := sorted(lines); err != nil || text != sorted(strings.Split(c.want, "\n")) || got.Refused != (c.want != "") {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, text, c.want)
		}
		// What is off says nothing.
		if quiet, err := rules(Off).Batch(context.Background(), c.files); err != nil || len(quiet.Findings) > 0 || quiet.Refused || rules(Off).Any() {
			t.Errorf("%s: all are off: %v %v", name, quiet, err)
		}
		if c.want == "" {
			continue
		}
		// Each rule by itself complains of its own, and of nothing else.
		for _, rule := range All() {
			alone := rules(Off)
			alone.Others = r.Others
			alone.Effects[rule] = Warn
			some, err := alone.Batch(context.Background(), c.files)
			n := strings.Count("\n"+c.want, "\n"+string(rule)+": ")
			if err != nil || len(some.Findings) != n || some.Refused {
				t.Errorf("%s: %s alone: %d findings, want %d: %v %v", name, rule, len(some.Findings), n, some.Findings, err)
			}
		}
	}
}

func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("picture-%050d.png", i))
	}
	return names
}

func sized(files []File, sizes ...int64) []File {
	for i, n := range sizes {
		files[i].Size = n
	}
	return files
}

func sorted(lines []string) string {
	lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return l == "" })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Refusals come first, whatever the order of the rules, and a long list ends somewhere.
func TestManyFindings(t *testing.T) {
	parts := []string{"INV-1.xml", note}
	for i := range 50 {
		parts = append(parts, fmt.Sprintf("INV-1 %d.pdf", i), "MZ\x00")
	}
	r := rules(Warn)
	r.Effects[Types] = Refuse
	got, err := r.Batch(context.Background(), batch(parts...))
	if err != nil || !got.Refused || len(got.Findings) != 2*Most || got.More != 2*(50-Most) {
		t.Fatalf("%v: %d findings and %d more", err, len(got.Findings), got.More)
	}
	for i, f := range got.Findings {
		if (f.Effect == Refuse) != (i < Most) {
			t.Errorf("%d: %s", i, f)
		}
	}
}

// counting counts what is opened and read.
type counting struct {
	io.ReadCloser
	read *int
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	*c.read += n
	return n, err
}

// A file is read once at most, and only if a rule asks for what is in it; of a large
// picture the beginning is enough.
func TestReadsOnce(t *testing.T) {
	files := batch("INV-1.xml", "<a>"+strings.Repeat("<b/>", 50_000)+"</a>", "INV-1_a.pdf", "%PDF-1.7"+strings.Repeat("\x00", 1<<20), "INV-1_b.txt", strings.Repeat("a", 1<<20), "INV-1_c.zip", zipOf(many(3000)...), "INV-1_d.dwg", "AC10")
	for name, c := range map[string]struct {
		rule Rule
		all  map[string]bool // files that are read whole; the others are read to a beginning, or not at all
		none []string
	}{
		"names":     {Names, nil, []string{"INV-1.xml", "INV-1_a.pdf", "INV-1_b.txt", "INV-1_c.zip", "INV-1_d.dwg"}},
		"types":     {Types, map[string]bool{"INV-1_b.txt": true, "INV-1_c.zip": true}, []string{"INV-1.xml", "INV-1_d.dwg"}},
		"XML":       {WellFormedXML, map[string]bool{"INV-1.xml": true}, nil},
		"documents": {OneDocument, map[string]bool{"INV-1_c.zip": true}, nil},
	} {
		opened, read := map[string]int{}, map[string]*int{}
		var counted []File
		for _, f := range files {
			open := f.Open
			read[f.Name] = new(int)
			f.Open = func() (io.ReadCloser, error) {
				opened[f.Name]++
				r, err := open()
				return counting{r, read[f.Name]}, err
			}
			counted = append(counted, f)
		}
		r := rules(Off)
		r.Others = []string{"dwg"}
		r.Effects[c.rule] = Refuse
		if got, err := r.Batch(context.Background(), counted); err != nil || len(got.Findings) > 0 {
			t.Errorf("%s: %v %v", name, got.Findings, err)
		}
		for _, f := range files {
			n := *read[f.Name]
			if opened[f.Name] > 1 || c.all[f.Name] != (n == int(f.Size)) && f.Size > 64<<10 || n > int(f.Size) {
				t.Errorf("%s: %s: opened %d times, %d of %d bytes read", name, f.Name, opened[f.Name], n, f.Size)
			}
		}
		for _, none := range c.none {
			if opened[none] > 0 {
				t.Errorf("%s: %s was opened", name, none)
			}
		}
	}
}

// What cannot be read is no finding, and a check that is called off ends at once, in the
// middle of a file, too.
func TestErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, name := range []string{"INV-1.xml", "INV-1.edi"} {
		for _, start := range []string{"", "<a>", "UNB+UNOC:3"} {
			f := File{Name: name, Document: true, Size: 100, Open: func() (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken))), nil
			}}
			if got, err := rules(Refuse).Batch(context.Background(), []File{f}); !errors.Is(err, broken) || len(got.Findings) > 0 {
				t.Errorf("%s, %q: %v %v", name, start, got.Findings, err)
			}
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	f := File{Name: "INV-1.xml", Document: true, Size: 100, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("<a>"+strings.Repeat(" ", 100_000)), stopping{func() { stop(nil) }})), nil
	}}
	if _, err := rules(Refuse).Batch(ctx, []File{f}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := rules(Refuse).Batch(ctx, batch("INV-1.xml", note)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := rules(Refuse).Batch(context.Background(), []File{{Name: "a.xml", Open: func() (io.ReadCloser, error) { return nil, broken }}}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// stopping calls it off and goes on for ever.
type stopping struct{ stop func() }

func (s stopping) Read(b []byte) (int, error) {
	s.stop()
	return copy(b, " "), nil
}

// A letter with its accent apart, as Macs write it, is the letter that the set has.
func TestComposedLetters(t *testing.T) {
	r := rules(Refuse)
	var err error
	if r.Characters, err = ParseCharacters("ü" + PortableCharacters); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Batch(context.Background(), batch("Pru\u0308f.xml", note)); err != nil || len(got.Findings) > 0 {
		t.Errorf("%v %v", got.Findings, err)
	}
	// And the two ways of writing it are one name.
	got, err := r.Batch(context.Background(), batch("P.xml", note, "P_u\u0308.pdf", "%PDF-1.7", "P_\u00fc.pdf", "%PDF-1.7"))
	if err != nil || len(got.Findings) != 1 || got.Findings[0].Rule != UniqueNames {
		t.Errorf("%v %v", got.Findings, err)
	}
}

func TestCharacters(t *testing.T) {
	for text, want := range map[string]string{"": "no character is in it", "z-a": `"z-a" ends before it begins`, PortableCharacters + "ü": `"_-ü" is no range of letters or digits; put the hyphen first or last`, "a/b": `'/' cannot be in a file name`, "a\x00": `'\x00' cannot be in a file name`, `\`: `'\\' cannot be in a file name`} {
		if _, err := ParseCharacters(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, c := range map[string]struct{ in, out string }{PortableCharacters: {"aZ9._-", " ~äÄ+"}, "-a": {"-a", "b"}, "a-": {"-a", "b"}, "ä-üA ": {"ö A", "aß"}} {
		set, err := ParseCharacters(text)
		if err != nil || set.String() != text {
			t.Fatalf("%q: %v", text, err)
		}
		for _, r := range c.in {
			if !set.holds(r) {
				t.Errorf("%q lacks %q", text, r)
			}
		}
		for _, r := range c.out {
			if set.holds(r) {
				t.Errorf("%q has %q", text, r)
			}
		}
	}
}
