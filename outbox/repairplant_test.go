package outbox

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// planted is a world whose ledger is lost, after something was done to its folders.
type planted struct {
	*world
	id string // of its transfer
}

func (p planted) rewrite(name string, content []byte) {
	must(fsx.Rewrite(p.disk.Outside("acme"), name, filePerm, content))
}

// edit changes a transfer.json.
func (p planted) edit(dir string, change func(*ledger.Transfer)) {
	name := path.Join(dir, transferFile)
	b, err := fsx.ReadFile(p.disk.Outside("acme"), name, 1<<20)
	must(err)
	var r record
	must(json.Unmarshal(b, &r))
	change(&r.Transfer)
	if r.State == ledger.StateClaimed {
		r.SealedWith = nil
	}
	b, err = transferJSON(&r.Transfer, r.SealedWith)
	must(err)
	p.rewrite(name, b)
}

func (p planted) remove(name string) { must(fsx.RemoveAll(p.disk.Outside("acme"), name)) }

func (p planted) move(from, to string) {
	must(fsx.MkdirAll(p.disk.Outside("acme"), path.Dir(to), dirPerm))
	must(fsx.Move(p.disk.Outside("acme"), from, to))
}

// onlyClaimed takes away what was made of a transfer since its files were claimed.
func (p planted) onlyClaimed() {
	p.remove(p.work() + "/" + transferFile)
	p.remove(p.work() + "/" + messageFile)
	p.remove(p.evidence())
}

func (p planted) work() string     { return path.Join(workDir, p.id) }
func (p planted) evidence() string { return path.Join(evidenceDir, p.id) }
func (p planted) sent() string     { return path.Join(sentDir, "2026-11-23", "INV-1."+p.id) }

// Whatever is found where the ledger is lost is planted once: what repairing mends it
// mends, and of what contradicts itself it says so and leaves it alone.
func TestRepairOfWhatIsPlanted(t *testing.T) {
	for name, c := range map[string]struct {
		sent  bool // else it waits for its receipt
		plant func(planted)
		says  string
		mends bool // and check is clean afterwards
	}{
		"nothing, waiting": {false, func(planted) {}, "no transfer in the ledger has this folder", true},
		"nothing, sent":    {true, func(planted) {}, "the ledger does not know this transfer", true},
		"our files alone": {false, func(p planted) {
			must(p.disk.Outside("acme").Mkdir(".work/x", 0o750))
			p.rewrite(".work/x/"+messageFile, nil)
		}, "no file is in it", true},
		"no transfer.json":               {false, func(p planted) { p.remove(p.work() + "/" + transferFile) }, "it has no transfer.json", false},
		"claimed":                        {false, func(p planted) { p.onlyClaimed() }, "its files were never posted", true},
		"claimed, and its name is taken": {false, func(p planted) { p.onlyClaimed(); p.write(outboxDir+"/INV-1.xml", "<Other/>") }, "it has no transfer.json", false},
		"a transfer.json cut short":      {false, func(p planted) { p.rewrite(p.work()+"/"+transferFile, []byte(`{"id": "`)) }, "its transfer.json cannot be read", false},
		"cut off while it was filed":     {true, func(p planted) { p.move(p.sent(), p.work()); p.rewrite(p.work()+"/"+transferFile, []byte(`{"id": "`)) }, "no transfer in the ledger has this folder", true},
		"a folder of another transfer":   {false, func(p planted) { p.move(p.work(), workDir+"/other") }, "its transfer.json is that of transfer", false},
		"a folder of another partner":    {false, func(p planted) { p.edit(p.work(), func(t *ledger.Transfer) { t.Partner = "globex" }) }, `of partner "globex"`, false},
		"no message":                     {false, func(p planted) { p.remove(p.work() + "/" + messageFile) }, "the sealed message is missing or is not the one", false},
		"no message, and no evidence":    {false, func(p planted) { p.remove(p.work() + "/" + messageFile); p.remove(p.evidence()) }, "its claim is taken up again", true},
		"no message, and no evidence, posted before": {false, func(p planted) {
			p.edit(p.work(), func(t *ledger.Transfer) { t.Posts = 1 })
			p.remove(p.work() + "/" + messageFile)
			p.remove(p.evidence())
		}, "the sealed message is missing or is not the one", false},
		"another message": {false, func(p planted) { p.rewrite(p.work()+"/"+messageFile, []byte("x")) }, "the sealed message is missing or is not the one", false},
		"never sealed after all": {false, func(p planted) {
			p.edit(p.work(), func(t *ledger.Transfer) { t.State = ledger.StateClaimed })
			p.remove(p.work() + "/" + messageFile)
		}, "its claim is taken up again", true},
		"sent, of another partner":     {true, func(p planted) { p.edit(p.sent(), func(t *ledger.Transfer) { t.Partner = "globex" }) }, `it is one of partner "globex"`, false},
		"sent, and rejected":           {true, func(p planted) { p.edit(p.sent(), func(t *ledger.Transfer) { t.Verdict = ledger.VerdictRejected }) }, "does not belong here", false},
		"sent, without a verdict":      {true, func(p planted) { p.edit(p.sent(), func(t *ledger.Transfer) { t.Verdict = "" }) }, "does not belong here", false},
		"sent, on another day":         {true, func(p planted) { p.move(p.sent(), "sent/2026-11-24/INV-1."+p.id) }, "the ledger has it in", false},
		"sent, and the folder is gone": {true, func(p planted) { p.remove(p.sent()) }, "its folder is not in sent/2026-11-23 any more", true},
		"sent, and everything is gone": {true, func(p planted) { p.remove(p.sent()); p.rewrite(p.evidence()+"/"+transferFile, []byte(`{"id": "`)) }, "its files are gone", false},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := beginAsync(t, withhold)
			if c.sent {
				receive(t, o, tr, nil)
				carry(t, o, tr.ID)
			}
			after := w.On(w.disk.Kill()).(*world)
			crashtest.PutBack(after.disk, nil)
			c.plant(planted{after, tr.ID})

			l := after.ledger()
			defer func() { l.Close(); after.disk.Release() }() // all was read
			box := after.outbox(l)
			before := foundIn(t, box)
			if !strings.Contains(before, c.says) && !strings.Contains(before, "it was filed in") { // which the evidence knows
				t.Errorf("check does not say %q:\n%s", c.says, before)
			}
			mended := ""
			must(box.Repair(context.Background(), func(f ledger.Finding) { mended += f.Fact + "; " + f.Repair + "\n" }))
			left := foundIn(t, box)
			if c.mends != (left == "") || c.mends != strings.Contains(mended, c.says) {
				t.Errorf("mended %q, left %q", mended, left)
			}
			if !c.mends && !strings.Contains(left, c.says) {
				t.Errorf("afterwards check does not say %q any more: %q", c.says, left)
			}
		})
	}
}

func foundIn(t *testing.T, o *Outbox) string {
	t.Helper()
	found, err := o.CheckCopy(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range found {
		b.WriteString(f.Path + ": " + f.Fact + "; " + f.Hint + "; " + f.Repair + "\n")
	}
	return b.String()
}

// A folder that was copied back from somewhere has other files to the file system. With
// the same names, sizes and times they are taken for what they are.
func TestRepairOfCopiedFiles(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	tr = row(t, o, tr.ID)
	for i := range tr.Members {
		tr.Members[i].Identity = "from another disk"
	}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
	found, err := o.Check(context.Background())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Fact, "are copies") || found[0].Repair == "" {
		t.Fatalf("%+v, %v", found, err)
	}
	must(o.Repair(context.Background(), func(ledger.Finding) {}))
	clean(t, o)
	// Another time is another file.
	w.now = w.now.Add(1)
	tr = row(t, o, tr.ID)
	tr.Members[0].MTime++
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
	found, err = o.Check(context.Background())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Fact, "not the one that was claimed") {
		t.Fatalf("%+v, %v", found, err)
	}
}

// So are those of a message that may have been posted since: one repair finds both.
func TestRepairOfCopiedFilesThatMayBePosted(t *testing.T) {
	_, o, tr := beginAsync(t, withhold)
	tr = row(t, o, tr.ID)
	tr.State = ledger.StateSealed
	for i := range tr.Members {
		tr.Members[i].Identity = "from another disk"
	}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
	must(o.Repair(context.Background(), func(ledger.Finding) {}))
	if left := foundIn(t, o); left != "" {
		t.Errorf("after one repair check says %q", left)
	}
}

// Who puts a partner's folder back from a copy puts documents into the outbox that were
// sent since. They are not sent again before somebody has decided.
func TestRepairHoldsWhatWasPutBack(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	receive(t, o, tr, nil)
	tr = carry(t, o, tr.ID)
	outside := w.disk.Outside("acme")
	must(fsx.Move(outside, path.Join(tr.FilePath, "INV-1.xml"), path.Join(outboxDir, "INV-1.xml")))
	w.write(path.Join(outboxDir, "INV-2.xml"), "<Invoice>new</Invoice>")
	if found := foundIn(t, o); !strings.Contains(found, "outbox/INV-1.xml: INV-1.xml lies in the outbox with the size and time of the one that was posted as "+tr.ID) || strings.Contains(found, "INV-2") {
		t.Errorf("check says %q", found)
	}
	repair := func() (n int) {
		must(o.Repair(context.Background(), func(ledger.Finding) { n++ }))
		return n
	}
	if n := repair(); n != 1 {
		t.Fatalf("%d repairs", n)
	}
	if there, err := fsx.Exists(outside, path.Join(outboxDir, "INV-1.xml")); there || err != nil {
		t.Errorf("it still lies in the outbox: %v", err)
	}
	if n := repair(); n != 0 {
		t.Fatalf("%d repairs the second time", n)
	}
	var held ledger.Transfer
	for _, id := range scan(t, o).Claimed { // the other one is a document like any other
		if other := row(t, o, id); other.Document != "INV-2.xml" {
			t.Errorf("%s is claimed", other.Document)
		}
	}
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		all, err := tx.FindTransfers("INV-1")
		for _, t := range all {
			if t.ID != tr.ID {
				held = t
			}
		}
		return err
	}))
	if held = carry(t, o, held.ID); held.State != ledger.StateClaimed || held.HoldCode != holdPutBack || held.Posts != 0 {
		t.Fatalf("%+v", held)
	}
	must(o.Recover(context.Background()))
	if held = carry(t, o, held.ID); held.Hold == "" {
		t.Error("the next start lets it go")
	}
	grantWish(t, o, ledger.WishDismiss, held.ID)
	if held = carry(t, o, held.ID); held.State != ledger.StateFiled || held.Verdict != ledger.VerdictRefused || w.partner.posts != 1 {
		t.Errorf("%s, %s, %d posts", held.State, held.Verdict, w.partner.posts)
	}
}

// An older ledger says that a failed transfer holds up the line; a later one has left
// since, so somebody had let the line go on.
func TestRepairLiftsABlockThatWasLifted(t *testing.T) {
	_, o := begin(t, accept)
	failed := ledger.Transfer{ID: "01f", Partner: "acme", Key: "A", Document: "A.xml", State: ledger.StateFiled, Verdict: ledger.VerdictRejected, Turn: 1, Blocks: true, Created: moment, Settled: moment.Add(1), FilePath: "failed/A.01f"}
	later := ledger.Transfer{ID: "01s", Partner: "acme", Key: "B", Document: "B.xml", State: ledger.StateFiled, Verdict: ledger.VerdictAccepted, Turn: 2, Posts: 1, Created: moment.Add(2), Settled: moment.Add(3), FilePath: "sent/2026-11-23/B.01s"}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.InsertTransfer(&failed) }))
	must(o.Repair(context.Background(), func(ledger.Finding) {}))
	if !row(t, o, "01f").Blocks {
		t.Error("nothing has left since, and the line goes on")
	}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.InsertTransfer(&later) }))
	must(o.Repair(context.Background(), func(ledger.Finding) {}))
	if row(t, o, "01f").Blocks {
		t.Error("the line went on, and is held up again")
	}
}

// What tells a given-up transfer that was taken back from one whose folder is not
// completed yet: the record in the folder is younger, and knows all posts.
func TestReopenedSince(t *testing.T) {
	for name, c := range map[string]struct {
		version int64
		posts   int
		want    bool
	}{
		"taken back":                               {12, 3, true},
		"as it was sealed":                         {3, 0, false},
		"dismissed after it had been taken back":   {8, 3, false},
		"from before a repair that began to count": {20, 2, false},
	} {
		row := ledger.Transfer{Verdict: ledger.VerdictGaveUp, Version: 10, Posts: 3}
		if got := reopenedSince(&row, &ledger.Transfer{Version: c.version, Posts: c.posts}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
