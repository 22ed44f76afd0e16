package outbox

import (
	"io/fs"
	"iter"
	"path"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

// missing is a folder whose first listing misses a file, as a listing may that is made
// while files are dropped.
type missing struct {
	fsx.FS
	name string
	left *int // so many listings miss it
}

func (m missing) EachName(name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		misses := *m.left > 0
		*m.left = max(0, *m.left-1)
		for n, err := range m.FS.EachName(name) {
			if (n != m.name || !misses) && !yield(n, err) {
				return
			}
		}
	}
}

// The listing shows the document and not the attachment that was there before it.
func TestListingThatMissesAnAttachment(t *testing.T) {
	for _, name := range []string{"INV-1_scan.pdf", "INV-1.xml"} {
		t.Run(name, func(t *testing.T) {
			_, o := begin(t, accept)
			o.p.Folder = missing{o.p.Folder, name, new(1)}
			report := scan(t, o)
			if len(report.Claimed) > 0 || report.Ready == 0 {
				t.Errorf("claimed %d at once, ready in %v", len(report.Claimed), report.Ready)
			}
			report = scan(t, o)
			if len(report.Claimed) != 1 {
				t.Fatalf("then: %+v", report)
			}
			tr := carry(t, o, report.Claimed[0])
			if len(tr.Members) != 2 {
				t.Errorf("sent with %d members", len(tr.Members))
			}
			if ok, _ := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, "INV-1_scan.pdf")); !ok {
				t.Error("the attachment is not in sent")
			}
		})
	}
}

// renamed is a folder in which a file comes twice in the list, as one may that is renamed
// or replaced meanwhile.
type renamed struct {
	fsx.FS
	name string
}

func (r renamed) Entries(name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		for info, err := range r.FS.Entries(name) {
			if !yield(info, err) || err == nil && info.Name() == r.name && !yield(info, err) {
				return
			}
		}
	}
}

// What is listed twice is one file all the same.
func TestListingThatShowsAFileTwice(t *testing.T) {
	for _, name := range []string{"INV-1_scan.pdf", "INV-1.xml"} {
		t.Run(name, func(t *testing.T) {
			_, o := begin(t, accept)
			o.p.Folder = renamed{o.p.Folder, name}
			if r := scan(t, o); len(r.Claimed) != 1 || len(r.Waiting) > 0 {
				t.Errorf("claimed %d, waiting %+v", len(r.Claimed), r.Waiting)
			}
		})
	}
}
