package inbox

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/naming"
)

// order is a UBL order with files in it, each NAME=CONTENT.
func order(embedded ...string) string {
	var b strings.Builder
	b.WriteString(`<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2" xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">` + "\n")
	for i, e := range embedded {
		name, content, _ := strings.Cut(e, "=")
		fmt.Fprintf(&b, `<a:AdditionalDocumentReference><b:ID>%d</b:ID><a:Attachment><b:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="%s">%s</b:EmbeddedDocumentBinaryObject></a:Attachment></a:AdditionalDocumentReference>`+"\n",
			i, name, base64.StdEncoding.EncodeToString([]byte(content)))
	}
	b.WriteString("</Order>")
	return b.String()
}

func TestExtract(t *testing.T) {
	two := order("scan.pdf=%PDF 1", "A_b.pdf=%PDF 2")
	for name, c := range map[string]struct {
		change func(*Partner)
		zip    map[string]string // one file alone is no zip
		inbox  map[string]string
		notes  string
	}{
		"alone":                {nil, map[string]string{"A.xml": two}, map[string]string{"A.xml": two, "A_scan.pdf": "%PDF 1", "A_b.pdf": "%PDF 2"}, ""},
		"beside others":        {nil, map[string]string{"A.xml": two, "A_scan.pdf": "%PDF 0"}, map[string]string{"A.xml": two, "A_scan.pdf": "%PDF 0", "A_scan~2.pdf": "%PDF 1", "A_b.pdf": "%PDF 2"}, ""},
		"in a folder":          {func(p *Partner) { p.FolderPerBatch = true }, map[string]string{"A.xml": two}, map[string]string{"A/A.xml": two, "A/A_scan.pdf": "%PDF 1", "A/A_b.pdf": "%PDF 2"}, ""},
		"of several documents": {func(p *Partner) { p.FolderPerBatch = true }, map[string]string{"A.xml": two, "B.xml": order("scan.pdf=%PDF B")}, map[string]string{"A/A.xml": two, "A/A_scan.pdf": "%PDF 1", "A/A_b.pdf": "%PDF 2", "B/B.xml": order("scan.pdf=%PDF B"), "B/B_scan.pdf": "%PDF B"}, "it holds 2 documents"},
		"hostile names":        {nil, map[string]string{"A.xml": order("../../x.pdf=1", "con.pdf=2")}, map[string]string{"A.xml": order("../../x.pdf=1", "con.pdf=2"), "A_x.pdf": "1", "A__con.pdf": "2"}, ""},
		"the name of the document": {nil, map[string]string{"A.xml": order("A.xml=<A/>")}, map[string]string{"A.xml": order("A.xml=<A/>"), "A_A.xml": "<A/>"},
			""},
		"none":   {nil, map[string]string{"A.xml": order()}, map[string]string{"A.xml": order()}, ""},
		"no XML": {nil, map[string]string{"A.edi": "UNA:+.? '"}, map[string]string{"A.edi": "UNA:+.? '"}, ""},
		"a document of another extension": {nil, map[string]string{"A.txt": "\ufeff\n" + order("scan.pdf=1")}, map[string]string{"A.txt": "\ufeff\n" + order("scan.pdf=1"), "A_scan.pdf": "1"},
			""},
		"broken behind the first": {nil, map[string]string{"A.xml": two[:len(two)-1]}, map[string]string{"A.xml": two[:len(two)-1]}, `nothing was taken out of "A.xml": line 4, column `},
		"no base64":               {nil, map[string]string{"A.xml": strings.Replace(two, ">JVBE", ">?VBE", 1)}, map[string]string{"A.xml": strings.Replace(two, ">JVBE", ">?VBE", 1)}, `nothing was taken out of "A.xml": line 2, column `},
		"over the limits":         {func(p *Partner) { p.Limits = bundle.Limits{Bytes: 8} }, map[string]string{"A.xml": two}, map[string]string{"A.xml": two}, `nothing was taken out of "A.xml": `},
		"the limit is used up": {func(p *Partner) { p.Limits = bundle.Limits{Entries: 4} }, map[string]string{"A.xml": two, "B.xml": order("b.pdf=1")},
			map[string]string{"A.xml": two, "A_scan.pdf": "%PDF 1", "A_b.pdf": "%PDF 2", "B.xml": order("b.pdf=1")}, `more than 0 embedded objects`},
		"not asked for": {func(p *Partner) { p.Extract = false }, map[string]string{"A.xml": two}, map[string]string{"A.xml": two}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) {
				p.Extract = true
				if c.change != nil {
					c.change(p)
				}
			}
			m := seal(zipped(c.zip), nil)
			if len(c.zip) == 1 {
				for file, content := range c.zip {
					m = seal([]byte(content), func(o *as2.SealOptions) { o.ContentType, o.Filename = "application/xml", file })
				}
			}
			o := send(t, w, m)
			if got := w.content(); !maps.Equal(got, c.inbox) {
				t.Errorf("%q", slices.Sorted(maps.Keys(got)))
			}
			if len(o.received) != 1 {
				t.Fatal(o.refusals)
			}
			if notes := strings.Join(o.received[0].Notes, "; "); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
			for _, f := range o.received[0].Files {
				if taken := f.From != ""; f.Document && taken || c.zip[f.Entry] == "" && !taken {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Names that are one, however long, all get one of their own, and in one go.
func TestManyOfOneName(t *testing.T) {
	for _, name := range []string{"scan.pdf", strings.Repeat("l", 300) + ".pdf", strings.Repeat("ü", 200) + ".pdf"} {
		var embedded []string
		for i := range 3000 {
			embedded = append(embedded, fmt.Sprintf("%s=%d", name, i))
		}
		w := newWorld(message{})
		w.change = func(p *Partner) { p.Extract = true }
		o := send(t, w, seal([]byte(order(embedded...)), func(o *as2.SealOptions) { o.ContentType, o.Filename = "application/xml", "A.xml" }))
		if len(o.inbox) != 3001 {
			t.Fatalf("%d files, %v", len(o.inbox), o.refusals)
		}
		for _, n := range o.inbox {
			if naming.Safe(n) != n {
				t.Fatalf("%q is no safe name", n)
			}
		}
	}
}

// A disk that has no room for what is taken out is a fault of ours: nothing is accepted.
func TestNoRoomForWhatIsTakenOut(t *testing.T) {
	w := newWorld(message{})
	w.change = func(p *Partner) { p.Extract = true }
	w.fs = func(f fsx.FS) fsx.FS { return noRoomFor{f, "out-of-"} }
	o := send(t, w, seal([]byte(order("scan.pdf=1")), func(o *as2.SealOptions) { o.ContentType, o.Filename = "application/xml", "A.xml" }))
	if o.status != 503 || len(w.content()) > 0 {
		t.Errorf("%d, %v", o.status, w.content())
	}
}

// noRoomFor has no room for files of some name.
type noRoomFor struct {
	fsx.FS
	name string
}

func (f noRoomFor) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	if strings.Contains(name, f.name) && flag == fsx.CreateNew {
		return nil, syscall.ENOSPC
	}
	return f.FS.OpenFile(name, flag, perm)
}
