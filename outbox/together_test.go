package outbox

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// oneTaken is a world whose one batch was taken, and is not carried on yet.
func oneTaken(t *testing.T) (w *world, o *Outbox, ob *Observer, id string) {
	t.Helper()
	w, o = begin(t, accept)
	ob = NewObserver()
	report, err := o.Scan(t.Context(), ob)
	must(err)
	if len(report.Claimed) != 1 {
		t.Fatalf("%d are claimed", len(report.Claimed))
	}
	o.Take(t.Context(), ob)
	return w, o, ob, report.Claimed[0]
}

// What is alone is claimed and sealed in one commit, and a document that comes meanwhile
// under its name waits for it: nobody takes it for the one that is on its way.
func TestTakenAlone(t *testing.T) {
	w, o, ob, id := oneTaken(t)
	if tr := row(t, o, id); tr.State != ledger.StateClaiming {
		t.Errorf("it is %s in the ledger", tr.State)
	}
	w.write(path.Join(outboxDir, "INV-1.xml"), "<Another/>")
	report, err := o.Scan(t.Context(), ob)
	must(err)
	if len(report.Waiting) != 1 || report.Waiting[0].Reason != naming.WaitInFlight {
		t.Errorf("another of its name: %+v", report)
	}
	tr, _, err := o.Carry(t.Context(), id, func() bool { return true })
	must(err)
	if tr.State != ledger.StateFiled || !tr.Verdict.Sent() {
		t.Errorf("it is %s, %s", tr.State, tr.Verdict)
	}
	if report = scan(t, o); len(report.Claimed) != 1 {
		t.Errorf("then: %+v", report)
	}
}

// A row that somebody changed meanwhile counts, and not what Take knows, of one or of several.
func TestTakenAndHeld(t *testing.T) {
	_, alone, _, one := oneTaken(t)
	takenAndHeld(t, alone, one)
	w, several := begin(t, accept)
	w.write(path.Join(outboxDir, "INV-2.xml"), "<Invoice/>")
	ob := NewObserver()
	report, err := several.Scan(t.Context(), ob)
	must(err)
	several.Take(t.Context(), ob)
	if len(report.Claimed) != 2 || row(t, several, report.Claimed[1]).State != ledger.StateClaimed {
		t.Fatalf("%+v", report)
	}
	takenAndHeld(t, several, report.Claimed[1])
	if tr := carry(t, several, report.Claimed[0]); tr.State != ledger.StateFiled || !tr.Verdict.Sent() {
		t.Errorf("the other one is %s, %s", tr.State, tr.Verdict)
	}
}

func takenAndHeld(t *testing.T, o *Outbox, id string) {
	t.Helper()
	must(o.Ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		row, err := tx.Transfer(id)
		must(err)
		row.Hold, row.HoldBy = "wait for me", "anna"
		return tx.SaveTransfer(&row)
	}))
	tr, again, err := o.Carry(t.Context(), id, func() bool { return true })
	if err != nil || again || tr.ID != "" {
		t.Fatalf("carried to %+v, %v: %v", tr, again, err)
	}
	if tr := carry(t, o, id); tr.Posts != 0 || tr.Hold != "wait for me" {
		t.Errorf("held: %+v", tr)
	}
	must(o.Ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		row, err := tx.Transfer(id)
		must(err)
		row.Hold, row.HoldBy = "", ""
		return tx.SaveTransfer(&row)
	}))
	if tr := carry(t, o, id); tr.State != ledger.StateFiled || !tr.Verdict.Sent() {
		t.Errorf("released: it is %s, %s", tr.State, tr.Verdict)
	}
}

// A folder that was there before Take may have something of an earlier try in it, which is not
// filed with the document.
func TestTakenIntoAFolderThatWasThere(t *testing.T) {
	for documents := 1; documents <= 2; documents++ {
		w, o := begin(t, accept)
		w.write(path.Join(outboxDir, "INV-1.xml"), strings.Repeat("<Invoice/>", aheadUpTo/8)) // too large to be made ahead
		if documents == 2 {
			w.write(path.Join(outboxDir, "INV-2.xml"), "<Invoice/>")
		}
		ob := NewObserver()
		report, err := o.Scan(t.Context(), ob)
		must(err)
		if len(report.Claimed) != documents {
			t.Fatalf("%d are claimed", len(report.Claimed))
		}
		id := report.Claimed[0]
		must(w.disk.Outside("acme").Mkdir(path.Join(workDir, id), dirPerm))
		w.write(path.Join(workDir, id, spoolFile), "of a message")
		o.Take(t.Context(), ob)
		tr, _, err := o.Carry(t.Context(), id, func() bool { return true })
		must(err)
		names, err := o.p.Folder.Names(tr.FilePath)
		must(err)
		if tr.State != ledger.StateFiled || slices.Contains(names, spoolFile) {
			t.Errorf("%s with %q", tr.State, names)
		}
	}
}

// Who removes empty folders removes ours too: they are made again, whatever they are needed for.
func TestFoldersThatSomebodyHasTidiedUp(t *testing.T) {
	for _, documents := range []int{1, 3} {
		for _, gone := range []string{workDir, evidenceDir, sentDir} {
			t.Run(fmt.Sprint(documents, " without ", gone), func(t *testing.T) {
				files := map[string]string{}
				for i := range documents {
					files[fmt.Sprintf("INV-%d.xml", i)] = "<Invoice/>"
				}
				w := newWorldOf(files, accept)
				l := w.ledger()
				defer func() { must(l.Close()); w.disk.Release() }()
				o := w.outbox(l)
				must(fsx.RemoveAll(o.p.Folder, gone))
				ob := NewObserver()
				r, err := o.Scan(t.Context(), ob)
				must(err)
				o.Take(t.Context(), ob)
				for _, id := range r.Claimed {
					if done, _, err := o.Carry(t.Context(), id, func() bool { return true }); err != nil || done.State != ledger.StateFiled {
						t.Errorf("%s, %v", done.State, err)
					}
				}
				clean(t, o)
			})
		}
	}
}
