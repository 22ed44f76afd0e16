package outbox

import (
	"context"
	"errors"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

// takenAlone is a world whose only batch was claimed.
func takenAlone(t *testing.T, between func(*world)) (w *world, o *Outbox, id string) {
	t.Helper()
	w = newWorld(accept)
	l := w.ledger()
	t.Cleanup(func() { must(l.Close()); w.disk.Release() })
	o = w.outbox(l)
	ob := NewObserver()
	report, err := o.Scan(context.Background(), ob)
	must(err)
	between(w)
	o.Take(context.Background(), ob)
	return w, o, report.Claimed[0]
}

// The message of a batch that is alone lies beside its files as soon as they are claimed, and
// nothing says yet that it was sealed: that one is posted.
func TestMessageIsMadeAhead(t *testing.T) {
	w, o, id := takenAlone(t, func(*world) {})
	names, err := o.p.Folder.Names(path.Join(workDir, id))
	must(err)
	if want := []string{"INV-1.xml", "INV-1_scan.pdf", messageFile, transferFile + ".part"}; !slices.Equal(names, want) {
		t.Fatalf("claimed: %q, want %q", names, want)
	}
	before := w.disk.Tree()["acme/.work/"+id+"/"+messageFile]
	done, _, err := o.Carry(context.Background(), id, func() bool { return true })
	must(err)
	if kept := w.disk.Tree()["acme/"+evidenceDir+"/"+id+"/"+messageFile]; done.State != ledger.StateFiled || kept.ID != before.ID || kept.SHA256 != before.SHA256 {
		t.Errorf("%s; posted was %+v, made %+v", done.State, kept, before)
	}
	hasLeft(t, w)
}

// hasLeft wants the document to be out of the outbox for good.
func hasLeft(t *testing.T, w *world) {
	t.Helper()
	if _, back := w.disk.PowerCut(simdisk.None).Tree()["acme/"+outboxDir+"/INV-1.xml"]; back {
		t.Error("a power cut brings the document back into the outbox")
	}
}

// Where the intent does not come to be on record, the folder that was made meanwhile goes, and
// nothing is made ahead.
func TestNothingAheadOfNoIntent(t *testing.T) {
	noLuck := errors.New("no luck")
	for _, want := range []error{nil, noLuck} {
		w, o := begin(t, accept)
		tr, err := o.newTransfer("INV-1", "INV-1.xml", outboxDir, w.now)
		must(err)
		m, err := o.member(outboxDir, "INV-1.xml", ledger.RoleDocument)
		must(err)
		tr.Members = append(tr.Members, m)
		made, err := o.sealAhead(tr, func() (bool, error) { return false, want })
		if made != nil || !errors.Is(err, want) {
			t.Errorf("made %v: %v", made, err)
		}
		if names, err := o.p.Folder.Names(workDir); err != nil || len(names) > 0 {
			t.Errorf("in .work: %q, %v", names, err)
		}
	}
}

// A process that ends before the intent is on record leaves an empty folder, which is nothing:
// the next one removes it. Whatever has something in it stays.
func TestFolderOfNoIntent(t *testing.T) {
	w, o := begin(t, accept)
	open := scan(t, o).Claimed[0]
	outside := w.disk.Outside("acme")
	for _, id := range []string{"00000", "zzzzz"} { // claiming makes that of the open one
		must(outside.Mkdir(path.Join(workDir, id), dirPerm))
	}
	if found, err := o.Check(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("check: %v, %v", found, err)
	}
	w.write(path.Join(workDir, "zzzzz", "INV-9.xml"), "x")
	w.write(path.Join(workDir, "file"), "x")
	must(o.Recover(t.Context()))
	names, err := o.p.Folder.Names(workDir)
	must(err)
	if want := []string{open, "file", "zzzzz"}; !slices.Equal(names, want) {
		t.Errorf("in .work: %q, want %q", names, want)
	}
}

// A file that was written to after it was sealed is not what its message says, wherever it lies
// by then: it goes back, and nothing is posted.
func TestMessageMadeAheadOfAnotherContent(t *testing.T) {
	const other = "<Invoicf/>"
	for name, c := range map[string]struct {
		between func(*world)
		after   func(w *world, id string)
	}{
		"before it moves": {func(w *world) { w.write(path.Join(outboxDir, "INV-1.xml"), other) }, func(*world, string) {}},
		"when it has":     {func(*world) {}, func(w *world, id string) { w.write(path.Join(workDir, id, "INV-1.xml"), other) }},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, id := takenAlone(t, c.between)
			c.after(w, id)
			for range 3 {
				_, _, err := o.Carry(context.Background(), id, func() bool { return true })
				must(err)
			}
			for name := range dropped {
				if _, there := w.disk.Tree()["acme/"+outboxDir+"/"+name]; !there {
					t.Errorf("%s is not in the outbox", name)
				}
			}
			if w.partner.posts > 0 {
				t.Errorf("%d posts", w.partner.posts)
			}
		})
	}
}

// A transfer on which sealing panics is claimed like any other: its own step panics, for whoever
// carries it on to count.
func TestPanicAheadIsLeftToTheStep(t *testing.T) {
	w := newWorld(accept)
	l := w.ledger()
	t.Cleanup(func() { must(l.Close()); w.disk.Release() })
	o := w.outbox(l)
	o.p.Sign = func(time.Time) *cms.Signer { panic("no luck") }
	ob := NewObserver()
	report, err := o.Scan(context.Background(), ob)
	must(err)
	o.Take(context.Background(), ob)
	defer func() {
		if recover() == nil {
			t.Error("the step does not panic")
		}
	}()
	_, _, err = o.Carry(context.Background(), report.Claimed[0], func() bool { return true })
	t.Error(err)
}

// What was made under one config is not posted under another.
func TestMessageMadeAheadUnderAnotherConfig(t *testing.T) {
	w, o, id := takenAlone(t, func(*world) {})
	before := w.disk.Tree()["acme/.work/"+id+"/"+messageFile]
	p := o.p
	p.Subject = "another"
	done, _, err := o.With(o.Deps, p).Carry(context.Background(), id, func() bool { return true })
	must(err)
	if kept := w.disk.Tree()["acme/"+evidenceDir+"/"+id+"/"+messageFile]; done.State != ledger.StateFiled || kept.ID == before.ID {
		t.Errorf("%s; posted was what had been made before", done.State)
	}
	hasLeft(t, w)
}

// One of which no message can be made under the config that is in force by then has nothing of
// the message that was made before: it is dismissed like any other.
func TestMessageMadeAheadThatCannotBeMadeAgain(t *testing.T) {
	_, o, id := takenAlone(t, func(*world) {})
	ctx := context.Background()
	p := o.p
	p.EncryptTo = func(time.Time) *cms.Recipient { return nil }
	next := o.With(o.Deps, p)
	held, _, err := next.Carry(ctx, id, func() bool { return true })
	must(err)
	if held.Hold == "" || held.Sealed != nil || held.Certificates != nil {
		t.Errorf("held: %q, sealed: %s", held.Hold, held.Sealed)
	}
	_, err = next.grant(ctx, ledger.Wish{Kind: ledger.WishDismiss, Transfer: id, By: "anna"})
	must(err)
	filed, _, err := next.Carry(ctx, id, func() bool { return true })
	if err != nil || filed.State != ledger.StateFiled {
		t.Errorf("dismissed: %s, %v", filed.State, err)
	}
	if there, err := fsx.Exists(o.p.Folder, path.Join(evidenceDir, id)); err != nil || there {
		t.Errorf("evidence of a message that there is not: %v, %v", there, err)
	}
}
