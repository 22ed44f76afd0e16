package inbox

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// files makes contents out of names: each file holds its own.
func files(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = "content of " + n
	}
	return m
}

func TestZipsThatAreNotOneBatch(t *testing.T) {
	two := files("A.xml", "A_x.pdf", "B.xml", "B_y.pdf")
	stray := files("A.xml", "A_x.pdf", "terms.pdf")
	inner := string(zipped(files("B.xml", "B_y.pdf")))
	nested := merged(files("A.xml"), map[string]string{"A_more.zip": inner})
	deep := merged(files("A.xml"), map[string]string{"A_more.zip": string(zipped(map[string]string{"B.xml": "b", "B_deep.zip": inner}))})
	clash := merged(files("B.xml"), map[string]string{"A_more.zip": inner})
	broken := merged(files("A.xml"), map[string]string{"A_more.zip": inner[:len(inner)-9]})
	for name, c := range map[string]struct {
		change func(*Partner)
		zip    map[string]string
		inbox  string
		tells  string // a note, or the fact of the refusal
	}{
		"several documents":                  {nil, two, "A.xml A_x.pdf B.xml B_y.pdf", `it holds 2 documents: "A.xml", "B.xml"; each was delivered`},
		"several documents, a folder each":   {func(p *Partner) { p.FolderPerBatch = true }, merged(two, files("terms.pdf")), "A/A.xml A/A_x.pdf B/B.xml B/B_y.pdf terms/terms.pdf", "it holds 2 documents"},
		"several documents, kept":            {func(p *Partner) { p.Several = Keep }, two, "INV-1.zip", `delivered whole, because it holds 2 documents: "A.xml", "B.xml"`},
		"several documents, rejected":        {func(p *Partner) { p.Several = Reject }, two, "", `it holds 2 documents: "A.xml", "B.xml"`},
		"a stray":                            {nil, stray, "A.xml A_x.pdf terms.pdf", `by their names 1 files pair with no document: "terms.pdf"; they were delivered too`},
		"a stray, in the folder of the rest": {func(p *Partner) { p.FolderPerBatch = true }, stray, "A/A.xml A/A_x.pdf A/terms.pdf", `"terms.pdf"`},
		"a stray, kept":                      {func(p *Partner) { p.Strays = Keep }, stray, "INV-1.zip", `delivered whole, because by their names 1 files pair`},
		"a stray, rejected":                  {func(p *Partner) { p.Strays = Reject }, stray, "", `"terms.pdf"`},
		"no document at all":                 {nil, files("a.pdf", "b.pdf"), "a.pdf b.pdf", `2 files pair with no document: "a.pdf", "b.pdf"`},
		"many strays":                        {nil, manyStrays(12), strings.Join(slices.Sorted(maps.Keys(manyStrays(12))), " "), `and 2 more`},
		"two documents of one key":           {nil, files("A.xml", "A.edi", "A_x.pdf"), "A.edi A.xml A_x.pdf", `3 files pair with no document`},
		"a zip in it is a file":              {nil, nested, "A.xml A_more.zip", ""},
		"a zip in it is taken apart":         {func(p *Partner) { p.NestedZips = Split }, nested, "A.xml B.xml B_y.pdf", `it holds 2 documents: "A.xml", "A_more.zip!B.xml"`},
		"a zip in it is rejected":            {func(p *Partner) { p.NestedZips = Reject }, nested, "", `it holds the zip "A_more.zip"`},
		"a zip in a zip in it":               {func(p *Partner) { p.NestedZips = Split }, deep, "A.xml B.xml B_deep.zip", `"A_more.zip!B_deep.zip" is a zip in a zip in the zip`},
		"a zip in it that is broken":         {func(p *Partner) { p.NestedZips = Split }, broken, "A.xml A_more.zip", `"A_more.zip" was delivered as it is, because it could not be unpacked`},
		"a zip in it with the same names":    {func(p *Partner) { p.NestedZips = Split }, clash, "B.xml B~2.xml B~2_y.pdf", "it holds 2 documents"},
		"a zip in it, over the limits": {func(p *Partner) { p.NestedZips, p.Limits = Split, bundle.Limits{Entries: 2} }, nested, "A.xml A_more.zip",
			"the limits on files and bytes are used up"},
		"a zip in it, half of it over the limits": {func(p *Partner) {
			p.NestedZips, p.Limits = Split, bundle.Limits{Bytes: int64(len(nested["A.xml"])+len(inner)) + 20}
		}, nested, "A.xml A_more.zip",
			"unpacks to more than the limits allow"},
		"an office document is no zip": {func(p *Partner) { p.NestedZips = Reject }, merged(files("A.xml"), map[string]string{"A_x.docx": inner}), "A.xml A_x.docx", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = c.change
			o := send(t, w, seal(zipped(c.zip), nil))
			if strings.Join(o.inbox, " ") != c.inbox {
				t.Errorf("inbox %q", o.inbox)
			}
			told := ""
			if c.inbox == "" {
				if o.mdn == nil || o.mdn.Disposition.Modifier != as2.UnexpectedProcessing || len(o.refusals) != 1 || len(o.received) > 0 {
					t.Fatalf("%+v, %+v", o.mdn, o.refusals)
				}
				told = o.refusals[0].Fact
			} else {
				told = strings.Join(o.received[0].Notes, "; ")
			}
			if !strings.Contains(told, c.tells) || c.tells == "" && told != "" {
				t.Errorf("told %q, want %q", told, c.tells)
			}
			want := c.zip
			if c.inbox == "INV-1.zip" {
				want = map[string]string{"INV-1.zip": string(zipped(c.zip))}
			}
			for file, content := range w.content() {
				if expected, ok := want[path.Base(file)]; ok && content != expected {
					t.Errorf("%s holds %q", file, content)
				}
			}
		})
	}
}

func manyStrays(n int) map[string]string {
	m := files("A.xml")
	for i := range n {
		m[fmt.Sprintf("terms%02d.pdf", i)] = "x"
	}
	return m
}

// The name of the second folder is taken between record and publish: the first one comes
// back, and all get new names.
func TestFoldersGetNewNamesTogether(t *testing.T) {
	for name, taken := range map[string]bool{"nobody was quicker": false, "a reader took the first": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) { p.FolderPerBatch = true }
			in := w.opened(t)
			deliver := in.deliver
			in.deliver = func(ctx context.Context, p *Partner, row *ledger.Received, fresh bool) error {
				must(fsx.MkdirAll(p.Folder, "inbox/B", 0o750))
				if taken {
					p.Folder = &quickReader{FS: p.Folder, folder: "inbox/A"}
				}
				return deliver(ctx, p, row, fresh)
			}
			r := post(in, seal(zipped(files("A.xml", "A_x.pdf", "B.xml")), nil))
			got := strings.Join(slices.Sorted(maps.Keys(w.content())), " ")
			if !taken && (r.Status != 200 || got != "A~2/A.xml A~2/A_x.pdf B~2/B.xml") {
				t.Errorf("%d, %s", r.Status, got)
			}
			if taken && (r.Status != 503 || !w.hasEvent(in, ledger.Alarm, "publish-held")) {
				t.Errorf("%d, %s", r.Status, got)
			}
			if findings, err := in.Check(context.Background()); err != nil || len(findings) > 0 != taken {
				t.Error(findings, err)
			}
		})
	}
}

// quickReader takes a folder away as soon as it is there.
type quickReader struct {
	fsx.FS
	folder string
}

func (q *quickReader) RenameNoReplace(from, to string) error {
	err := q.FS.RenameNoReplace(from, to)
	if err == nil && to == q.folder {
		err = fsx.RemoveAll(q.FS, q.folder)
	}
	return err
}
