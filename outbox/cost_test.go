package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// cost is what was asked of disk and ledger.
type cost struct {
	FileSyncs, FolderSyncs  int
	Opens, Renames, Folders int // Folders were made
	Looks                   int // for what a name means, and lists of folders
	Commits, Transactions   int64
	Rows                    int64
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
	must(fsx.MkdirAll(w.disk.Root("acme"), sentDir+"/"+moment.Format("2006-01-02"), dirPerm)) // by the first document of the day
	before := len(w.disk.Ticks())
	transactions, commits := l.Stats()
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
	c.Transactions, c.Commits = l.Stats()
	c.Transactions, c.Commits, c.Rows = c.Transactions-transactions, c.Commits-commits, l.RowsRead()-rows
	return c
}

func TestCostOfADocument(t *testing.T) {
	t.Logf("%+v", costOf(t, 1))
	t.Logf("%+v", costOf(t, 11))
}
