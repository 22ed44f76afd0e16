package outbox

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// begin opens a world for one test.
func begin(t *testing.T, answers ...answer) (*world, *Outbox) {
	t.Helper()
	w := newWorld(answers...)
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	return w, w.outbox(l)
}

func scan(t *testing.T, o *Outbox) Report {
	t.Helper()
	r, err := o.Scan(context.Background(), NewObserver())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// carry steps a transfer until nothing is to be done for it.
func carry(t testing.TB, o *Outbox, id string) ledger.Transfer {
	t.Helper()
	for again := true; again; {
		var err error
		if again, err = o.Step(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	return row(t, o, id)
}

func row(t testing.TB, o *Outbox, id string) (tr ledger.Transfer) {
	t.Helper()
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { tr, err = tx.Transfer(id); return err }))
	return tr
}

// A writer paused for longer than the quiet time and goes on after the claim: nothing
// cut short is sent, the files go back and wait again.
func TestFileThatGrowsAfterTheClaim(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	w.write(path.Join(workDir, id, "INV-1.xml"), "<Invoice/><More/>")
	tr := carry(t, o, id)
	if tr.State != ledger.StateUndone || w.partner.posts != 0 || !strings.Contains(tr.Reason, "INV-1.xml") {
		t.Errorf("%s: %s, %d posts", tr.State, tr.Reason, w.partner.posts)
	}
	for name := range dropped {
		if ok, _ := fsx.Exists(o.p.Folder, path.Join(outboxDir, name)); !ok {
			t.Errorf("%s is not back", name)
		}
	}
}

func TestFileThatVanishesBeforeTheClaim(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	must(w.disk.Outside("acme").Remove(path.Join(outboxDir, "INV-1_scan.pdf")))
	if tr := carry(t, o, id); tr.State != ledger.StateUndone || !strings.Contains(tr.Reason, "INV-1_scan.pdf") {
		t.Errorf("%s: %s", tr.State, tr.Reason)
	}
	if ok, _ := fsx.Exists(o.p.Folder, path.Join(outboxDir, "INV-1.xml")); !ok {
		t.Error("the document is not back")
	}
}

// While a transfer is on its way its key is taken: attachments that come now are late,
// a second document waits.
func TestLateAttachmentAndSecondDocument(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	_, err := o.Step(context.Background(), id)
	must(err)
	w.write(path.Join(outboxDir, "INV-1_late.pdf"), "x")
	if r := scan(t, o); len(r.Waiting) != 1 || r.Waiting[0].Reason != "late" || !r.Waiting[0].Alarm {
		t.Errorf("%+v", r)
	}
	w.write(path.Join(outboxDir, "INV-1.xml"), "<Second/>")
	if r := scan(t, o); len(r.Claimed) != 0 || len(r.Waiting) != 2 || r.Waiting[0].Reason != "in-flight" {
		t.Errorf("%+v", r)
	}
}

func TestPauseLeavesTheQueueInPlace(t *testing.T) {
	w, o := begin(t, accept)
	posts := 0
	status := 401
	o.Post = poster(func() (*as2.Answer, error) {
		posts++
		return &as2.Answer{Status: status, Header: map[string][]string{}}, nil
	})
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	if tr.State != ledger.StateSealed || tr.Attempts != 0 || posts == 0 {
		t.Fatalf("%s, %d counted, %d posts", tr.State, tr.Attempts, posts)
	}
	var pause ledger.Pause
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { pause, err = tx.Pause("acme"); return err }))
	if !strings.Contains(pause.Reason, "401") || pause.Hint == "" {
		t.Errorf("%+v", pause)
	}
	// For days nothing but probes goes out, and nothing is given up.
	before := posts
	for range 200 {
		w.now = w.now.Add(15 * time.Minute)
		tr = carry(t, o, id)
	}
	if tr.State != ledger.StateSealed || tr.Attempts != 0 || posts == before || posts > before+60 {
		t.Errorf("%s, %d counted, %d probes", tr.State, tr.Attempts, posts-before)
	}
	// The password is right again: the next probe settles it and ends the pause.
	o.Post = w
	for range 8 {
		w.now = w.now.Add(15 * time.Minute)
		tr = carry(t, o, id)
	}
	if tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s %q: %s", tr.State, tr.Verdict, tr.Reason)
	}
	err := o.Ledger.View(context.Background(), func(tx *ledger.Tx) error { _, err := tx.Pause("acme"); return err })
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("still paused: %v", err)
	}
}

type poster func() (*as2.Answer, error)

func (p poster) Post(context.Context, string, []as2.Field, int64, func() (io.ReadCloser, error)) (*as2.Answer, error) {
	return p()
}

// Three attempts are three posts, under one Message-ID and with the same bytes; retry
// goes on under it.
func TestRetriesAreCountedAndRetryKeepsTheMessage(t *testing.T) {
	w, o := begin(t, busy, busy, busy, accept)
	id := scan(t, o).Claimed[0]
	var tr ledger.Transfer
	for range 10 {
		tr = carry(t, o, id)
		w.now = w.now.Add(time.Hour)
	}
	if tr.Verdict != ledger.VerdictGaveUp || w.partner.posts != 3 || tr.Posts != 3 {
		t.Fatalf("%q after %d posts", tr.Verdict, w.partner.posts)
	}
	wish := ledger.Wish{ID: "w1", Kind: ledger.WishRetry, Transfer: id, By: "me", At: w.now}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(wish) }))
	must(o.Grant(context.Background(), wish))
	again := carry(t, o, id)
	if again.Verdict != ledger.VerdictAccepted || again.MessageID != tr.MessageID || string(again.Sealed) != string(tr.Sealed) || again.Posts != 4 {
		t.Errorf("%+v", again)
	}
	if ok, _ := fsx.Exists(o.p.Folder, tr.FilePath); ok {
		t.Error("it is still in failed")
	}
}

func TestRetryOfARejectedOneIsANewTransfer(t *testing.T) {
	w, o := begin(t, reject, accept)
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	if tr.Verdict != ledger.VerdictRejected {
		t.Fatal(tr.Reason)
	}
	wish := ledger.Wish{ID: "w1", Kind: ledger.WishRetry, Transfer: id, By: "me", At: w.now}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(wish) }))
	must(o.Grant(context.Background(), wish))
	var open []ledger.Transfer
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers("acme"); return err }))
	if len(open) != 1 || open[0].RetryOf != id || open[0].MessageID == tr.MessageID {
		t.Fatalf("%+v", open)
	}
	if again := carry(t, o, open[0].ID); again.Verdict != ledger.VerdictAccepted {
		t.Errorf("%q: %s", again.Verdict, again.Reason)
	}
	if findings, err := o.Check(context.Background()); err != nil || len(findings) > 0 {
		t.Error(findings, err)
	}
}

func TestHoldAndRelease(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	grant := func(k ledger.WishKind, n string) {
		wish := ledger.Wish{ID: n, Kind: k, Transfer: id, By: "me", Reason: "wait", At: w.now}
		must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(wish) }))
		must(o.Grant(context.Background(), wish))
	}
	grant(ledger.WishHold, "w1")
	if tr := carry(t, o, id); tr.State != ledger.StateClaiming || tr.Hold != "wait" || w.partner.posts != 0 {
		t.Errorf("%+v", tr)
	}
	grant(ledger.WishRelease, "w2")
	if tr := carry(t, o, id); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%+v", tr)
	}
}

// Each finding of Check is planted once.
func TestCheckFinds(t *testing.T) {
	w, o := begin(t, accept)
	tr := carry(t, o, scan(t, o).Claimed[0])
	root := w.disk.Outside("acme")
	must(fsx.MkdirAll(root, ".work/stranger", 0o750))
	w.write(".work/stranger/INV-9.xml", "x")
	must(fsx.MkdirAll(root, path.Join(workDir, tr.ID), 0o750))
	must(fsx.MkdirAll(root, "failed", 0o750))
	w.write("failed/note.txt", "x")
	must(fsx.MkdirAll(root, "failed/odd", 0o750))
	must(root.RenameNoReplace(tr.FilePath, "failed/INV-1."+tr.ID))
	findings, err := o.Check(context.Background())
	must(err)
	var all strings.Builder
	for _, f := range findings {
		all.WriteString(f.Path + ": " + f.Fact + "\n")
	}
	for _, want := range []string{".work/stranger: no transfer", ".work/" + tr.ID + ": the transfer is filed", "failed/note.txt: a file that the agent did not put here",
		"failed/odd: its transfer.json cannot be read", "the ledger has it in"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not found in\n%s", want, &all)
		}
	}
}

// The ledger was out of order when an attempt ended: nobody posts any more, and when it
// is back the attempt is concluded as unknown, without a restart.
func TestAttemptThatCouldNotBeRecorded(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	o.Post = poster(func() (*as2.Answer, error) { return nil, &as2.PostError{Cause: errors.New("no route")} })
	tr := carry(t, o, id)
	w.now = tr.Due
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
		tr.State, tr.Posts, tr.Due = ledger.StateSending, 2, w.now.Add(time.Minute)
		return errors.Join(tx.OpenAttempt(ledger.Attempt{Transfer: id, N: 2, Process: o.Process}), tx.SaveTransfer(&tr))
	}))
	o.Post = w
	if tr = carry(t, o, id); tr.State != ledger.StateSending {
		t.Fatalf("concluded before its time: %s", tr.State)
	}
	w.now = w.now.Add(time.Minute)
	if tr = carry(t, o, id); tr.State != ledger.StateSealed || !tr.Unknown || tr.Attempts != 2 {
		t.Fatalf("%s, unknown %v, %d counted", tr.State, tr.Unknown, tr.Attempts)
	}
	w.now = tr.Due
	if tr = carry(t, o, id); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%q: %s", tr.Verdict, tr.Reason)
	}
}

// An answer counts even if the disk refuses to keep it as evidence. One that settles is
// kept with the verdict, and filed is the transfer when it is in the evidence too.
func TestAnswerWithoutEvidence(t *testing.T) {
	w, o := begin(t, busy, accept)
	whole := o.p.Folder
	o.p.Folder = noEvidence{whole}
	id := scan(t, o).Claimed[0]
	ctx := context.Background()
	if tr := carry(t, o, id); tr.State != ledger.StateSealed || !strings.Contains(codes(t, o, id), "warning evidence") {
		t.Errorf("%s: %s", tr.State, codes(t, o, id))
	}
	w.now = row(t, o, id).Due
	var err error
	for again := true; again && err == nil; {
		again, err = o.Step(ctx, id)
	}
	if tr := row(t, o, id); tr.Verdict != ledger.VerdictAccepted || tr.State != ledger.StateSettled || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%s %q: %s (%v)", tr.State, tr.Verdict, tr.Reason, err)
	}
	o.p.Folder = whole
	carry(t, o, id)
	filed(t, o, id, ledger.VerdictAccepted)
	if got := codes(t, o, id); strings.Count(got, "evidence") != 1 || !strings.HasSuffix(got, "info sent") {
		t.Errorf("events: %s", got)
	}
}

// noEvidence is a disk that has no room for evidence.
type noEvidence struct{ fsx.FS }

func (n noEvidence) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	if strings.HasPrefix(name, evidenceDir+"/") && flag&os.O_CREATE != 0 {
		return nil, syscall.ENOSPC
	}
	return n.FS.OpenFile(name, flag, perm)
}

// The clock was far ahead when a moment was set, and is right again.
func TestClockThatWasWrong(t *testing.T) {
	w, o := begin(t, busy, accept)
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	tr.Due = w.now.AddDate(10, 0, 0)
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
	must(o.Recover(context.Background()))
	if tr = carry(t, o, id); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, due %v", tr.State, tr.Due)
	}
}

// Neither the partner's certificate that a message was sealed for, nor the message, is
// ever exchanged: if the certificate leaves the config the transfer is held.
func TestCertificateThatLeftTheConfig(t *testing.T) {
	w, o := begin(t, busy, accept)
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	w.now = tr.Due
	o.p.EncryptTo, o.p.Certificates = encryptTo(testKeys()[2].Certificate), nil
	if tr = carry(t, o, id); !strings.Contains(tr.Hold, "certificate") || tr.Posts != 1 {
		t.Errorf("%s, held %q, %d posts", tr.State, tr.Hold, tr.Posts)
	}
}

// Names that Windows cannot open are told there, and stand in nobody's way.
func TestNamesThatWindowsCannotOpen(t *testing.T) {
	w, o := begin(t, accept)
	for _, name := range []string{"nul.xml", "INV-2.xml.", "INV-3.xml "} {
		w.write(path.Join(outboxDir, name), "<Invoice/>")
	}
	o.p.WindowsNames = true
	r := scan(t, o)
	if len(r.Claimed) != 1 {
		t.Errorf("claimed %v", r.Claimed)
	}
	for _, want := range []string{"dot or a blank", "dot or a blank", "device"} {
		if len(r.Waiting) == 0 || r.Waiting[0].Reason != WaitUnreadable || !r.Waiting[0].Alarm || !strings.Contains(r.Waiting[0].Text, want) {
			t.Fatalf("waiting: %+v, want %s", r.Waiting, want)
		}
		r.Waiting = r.Waiting[1:]
	}
	o.p.WindowsNames = false
	if r := scan(t, o); len(r.Claimed) != 1 { // on other systems nul.xml is a name as any
		t.Errorf("claimed %v, waiting %v", r.Claimed, r.Waiting)
	}
}
