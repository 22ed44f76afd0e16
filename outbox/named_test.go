package outbox

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// invoice is a UBL invoice that refers to files.
func invoice(files ...string) string {
	var b strings.Builder
	b.WriteString(`<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">` + "\n")
	for i, f := range files {
		fmt.Fprintf(&b, "<cac:AdditionalDocumentReference><cbc:ID>%d</cbc:ID><cac:Attachment><cac:ExternalReference><cbc:URI>%s</cbc:URI></cac:ExternalReference></cac:Attachment></cac:AdditionalDocumentReference>\n", i, f)
	}
	b.WriteString("</Invoice>")
	return b.String()
}

// naming as documents tell.
func byReferences(o *Outbox) *Observer {
	rules, err := naming.Compile(naming.Config{Complete: naming.References})
	must(err)
	o.p.Rules = rules
	return NewObserver()
}

func again(t *testing.T, o *Outbox, ob *Observer) Report {
	t.Helper()
	r, err := o.Scan(context.Background(), ob)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A document goes when all that it names is there, whatever that is called, and never
// before.
func TestDocumentsWaitForWhatTheyName(t *testing.T) {
	w, o := begin(t, accept)
	ob := byReferences(o)
	w.write(path.Join(outboxDir, "INV-1.xml"), invoice("INV-1_scan.pdf", "a%20b.pdf"))
	r := again(t, o, ob)
	if len(r.Claimed) > 0 || len(r.Waiting) != 2 || r.Waiting[0].Reason != naming.WaitNamed || !strings.Contains(r.Waiting[0].Text, `"INV-1.xml" names files that are not here: "a%20b.pdf"`) {
		t.Fatalf("%+v", r)
	}
	w.write(path.Join(outboxDir, "a b.pdf"), "%PDF")
	if r = again(t, o, ob); len(r.Claimed) != 1 || len(r.Waiting) > 0 {
		t.Fatalf("%+v", r)
	}
	tr := carry(t, o, r.Claimed[0])
	if tr.State != ledger.StateFiled || len(tr.Members) != 3 || len(w.partner.delivered) != 1 {
		t.Errorf("%s, %+v", tr.State, tr.Members)
	}
}

// A broken document is never sent, and says where it is broken; what takes its place is
// read anew.
func TestBrokenDocumentsWait(t *testing.T) {
	w, o := begin(t, accept)
	ob := byReferences(o)
	w.write(path.Join(outboxDir, "INV-1.xml"), strings.TrimSuffix(invoice(), ">"))
	for range 3 {
		r := again(t, o, ob)
		if len(r.Claimed) > 0 || len(r.Waiting) != 2 || r.Waiting[0].Reason != naming.WaitBroken || !r.Waiting[0].Alarm || !strings.Contains(r.Waiting[0].Text, `"INV-1.xml" cannot be read: line 2, column `) {
			t.Fatalf("%+v", r)
		}
	}
	_, waiting, err := o.Look(context.Background())
	if err != nil || len(waiting) != 2 || waiting[0].Reason != naming.WaitBroken {
		t.Errorf("%+v, %v", waiting, err)
	}
	w.write(path.Join(outboxDir, "INV-1.xml"), invoice())
	if r := again(t, o, ob); len(r.Claimed) != 1 {
		t.Errorf("%+v", r)
	}
}

// Each document is read once, a thousand in one scan, and what is no XML names nothing.
func TestDocumentsAreReadOnce(t *testing.T) {
	w, o := begin(t, accept)
	ob := byReferences(o)
	o.p.Ahead, o.p.Unsettled = 1, 5000
	opened := map[string]int{}
	o.p.Folder = opens{o.p.Folder, opened}
	for i := range readAtOnce + 50 {
		w.write(fmt.Sprintf("%s/N-%d.xml", outboxDir, i), invoice("missing.pdf"))
	}
	w.write(path.Join(outboxDir, "ORD-1.edi"), "UNA:+.? '")
	w.write(path.Join(outboxDir, "ORD-2.txt"), "\ufeff\n<x>")
	must(w.disk.Outside("acme").Remove(path.Join(outboxDir, "INV-1.xml")))
	must(w.disk.Outside("acme").Remove(path.Join(outboxDir, "INV-1_scan.pdf")))

	r := again(t, o, ob)
	unread := func(w naming.Waiting) bool { return w.Reason == naming.WaitQuiet }
	if n := len(slices.DeleteFunc(slices.Clone(r.Waiting), func(w naming.Waiting) bool { return !unread(w) })); n != 52 || r.Ready == 0 {
		t.Errorf("%d not read yet, next look in %v", n, r.Ready)
	}
	for range 3 {
		r = again(t, o, ob)
	}
	if slices.ContainsFunc(r.Waiting, unread) || r.Ready != 0 {
		t.Errorf("not read: %+v", r.Waiting[slices.IndexFunc(r.Waiting, unread)])
	}
	if i := slices.IndexFunc(r.Waiting, func(w naming.Waiting) bool { return w.Name == "ORD-2.txt" }); i < 0 || r.Waiting[i].Reason != naming.WaitBroken {
		t.Errorf("what looks like XML was not read: %+v", r.Waiting[max(i, 0)])
	}
	if len(r.Claimed)+len(ob.rest) > 1 {
		t.Errorf("%q, %+v", r.Claimed, ob.rest)
	}
	for name, n := range opened {
		if n != 1 && !strings.HasSuffix(name, ".edi") {
			t.Errorf("%s was opened %d times", name, n)
		}
	}
	if len(opened) != readAtOnce+52 {
		t.Errorf("%d were opened", len(opened))
	}
}

// opens counts.
type opens struct {
	fsx.FS
	files map[string]int
}

func (f opens) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f.files[name]++
	return f.FS.OpenFile(name, flag, perm)
}

// One that cannot be read keeps no other one waiting.
func TestUnreadableDocumentsWait(t *testing.T) {
	w, o := begin(t, accept)
	ob := byReferences(o)
	w.write(path.Join(outboxDir, "INV-1.xml"), invoice())
	w.write(path.Join(outboxDir, "INV-2.xml"), invoice())
	o.p.Folder = locked{o.p.Folder}
	r := again(t, o, ob)
	if len(r.Claimed) != 1 || len(r.Waiting) != 2 || r.Waiting[0].Reason != naming.WaitBroken || !strings.Contains(r.Waiting[0].Text, "permission denied") {
		t.Errorf("%+v", r)
	}
}

type locked struct{ fsx.FS }

func (l locked) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	if strings.HasSuffix(name, "INV-1.xml") {
		return nil, &os.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return l.FS.OpenFile(name, flag, perm)
}
