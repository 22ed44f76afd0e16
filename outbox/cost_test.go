package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/ledger"
)

// cost is what was asked of disk and ledger.
type cost struct {
	FileSyncs, FolderSyncs  int
	Opens, Renames, Folders int // Folders were made
	Looks                   int // for what a name means, and lists of folders
	Commits, Rows           int64
}

// costOf carries documents that wait together from the outbox to sent, and leaves out
// what opening the ledger costs.
func costOf(t *testing.T, documents int) (c cost) {
	t.Helper()
	dropped := map[string]string{}
	for i := range documents {
		dropped[fmt.Sprintf("INV-%d.xml", i)] = "<Invoice/>"
	}
	w := newWorldOf(dropped, accept)
	l := w.ledger()
	defer func() { must(l.Close()); w.disk.Release() }()
	o := w.outbox(l)
	// The first document of a day makes its folder.
	must(o.makeDay(sentDir + "/" + moment.Format("2006-01-02")))
	before := len(w.disk.Ticks())
	_, commits := l.Stats()
	rows := l.RowsRead()
	ob := NewObserver()
	r, err := o.Scan(context.Background(), ob)
	must(err)
	o.Take(context.Background(), ob)
	for _, id := range r.Claimed {
		done, _, err := o.Carry(context.Background(), id, func() bool { return true })
		must(err)
		if done.State != ledger.StateFiled || !done.Verdict.Sent() {
			t.Fatalf("%s is %s, %s: %s", done.Document, done.State, done.Verdict, done.Reason)
		}
	}
	for _, label := range w.disk.Ticks()[before:] {
		call, name, _ := strings.Cut(strings.TrimPrefix(label, "before "), " ")
		if strings.HasPrefix(label, "after ") || !strings.HasPrefix(name, "acme/") && name != "acme" && call != "write" {
			continue
		}
		switch call {
		case "sync":
			c.FileSyncs++
		case "syncdir":
			c.FolderSyncs++
		case "open":
			c.Opens++
		case "rename":
			c.Renames++
		case "mkdir":
			c.Folders++
		case "lstat", "identity", "readdir":
			c.Looks++
		}
	}
	_, c.Commits = l.Stats()
	c.Commits, c.Rows = c.Commits-commits, l.RowsRead()-rows
	return c
}

// What a document costs that waits alone, and each further one that waits beside it. The
// package comment says which rule needs which sync: who has to raise a number here has a line
// to add there. That of one alone is claimed is committed with its message, that of eleven in a
// commit of its own. What Take has moved is not read again, and nobody looks for an earlier try in
// a folder that it has made.
func TestCostOfADocument(t *testing.T) {
	alone, eleven := costOf(t, 1), costOf(t, 11)
	if want := (cost{FileSyncs: 6, FolderSyncs: 9, Opens: 9, Renames: 4, Folders: 2, Looks: 13, Commits: 4, Rows: 3}); alone != want {
		t.Errorf("alone: %+v, want %+v", alone, want)
	}
	more := cost{
		FileSyncs: eleven.FileSyncs - alone.FileSyncs, FolderSyncs: eleven.FolderSyncs - alone.FolderSyncs, Opens: eleven.Opens - alone.Opens, Renames: eleven.Renames - alone.Renames,
		Folders: eleven.Folders - alone.Folders, Looks: eleven.Looks - alone.Looks, Commits: eleven.Commits - alone.Commits, Rows: eleven.Rows - alone.Rows,
	}
	if want := (cost{FileSyncs: 60, FolderSyncs: 70, Opens: 90, Renames: 40, Folders: 20, Looks: 110, Commits: 31, Rows: 30}); more != want {
		t.Errorf("ten more: %+v, want %+v", more, want)
	}
}
