package outbox

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// beginAsync opens a world where receipts come on connections of their own, and carries
// one transfer as far as it goes.
func beginAsync(t *testing.T, answers ...answer) (*world, *Outbox, ledger.Transfer) {
	t.Helper()
	w := newWorld(answers...)
	w.async = true
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	w.box = w.outbox(l)
	return w, w.box, carry(t, w.box, scan(t, w.box).Claimed[0])
}

// receiptFor makes the receipt that the partner would give, signed, with our MIC.
func receiptFor(t *testing.T, tr ledger.Transfer, change func(*as2.MDNOptions)) (http.Header, []byte) {
	t.Helper()
	o := as2.MDNOptions{From: "ACME", To: "US", MessageID: "<r@acme>", OriginalMessageID: tr.MessageID, Disposition: as2.Processed,
		Text: "ok", UserAgent: "test", Date: moment, Sign: crashtest.Signer(testKeys()[1], cms.SHA256)}
	if len(tr.Sealed) > 0 {
		var s as2.Sealed
		must(json.Unmarshal(tr.Sealed, &s))
		o.MIC = &s.MICs[0]
	}
	if change != nil {
		change(&o)
	}
	fields, body, err := as2.BuildMDN(o)
	must(err)
	h := http.Header{}
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
	return h, body
}

// receive delivers it and gives the status.
func receive(t *testing.T, o *Outbox, tr ledger.Transfer, change func(*as2.MDNOptions)) int {
	t.Helper()
	h, body := receiptFor(t, tr, change)
	reply, err := o.ReceiveReceipt(context.Background(), tr.ID, h, body, "192.0.2.1:443")
	if err != nil {
		t.Fatal(err)
	}
	return reply.Status
}

func rejecting(o *as2.MDNOptions) { o.Disposition = as2.Failed(as2.DecryptionFailed) }

func duplicate(o *as2.MDNOptions) {
	o.Disposition, o.MIC = as2.Failed(as2.DuplicateDocument), nil
}

func attemptsOf(t *testing.T, o *Outbox, id string) (as []ledger.Attempt) {
	t.Helper()
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { as, err = tx.Attempts(id); return err }))
	return as
}

// codes are the events of a transfer, in order.
func codes(t *testing.T, o *Outbox, id string) string {
	t.Helper()
	var events []ledger.Event
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.EventsOf(id); return err }))
	var names []string
	for _, e := range events {
		names = append(names, string(e.Level)+" "+e.Code)
	}
	return strings.Join(names, ", ")
}

func grantWish(t *testing.T, o *Outbox, kind ledger.WishKind, transfer string) {
	t.Helper()
	id, err := ledger.NewID(o.Now(), o.Rand)
	must(err)
	wish := ledger.Wish{ID: id, Kind: kind, Transfer: transfer, By: "me", Reason: "wait", At: o.Now()}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(wish) }))
	must(o.Grant(context.Background(), wish))
}

// clean fails where check finds anything.
func clean(t *testing.T, o *Outbox) {
	t.Helper()
	if findings, err := o.Check(context.Background()); err != nil || len(findings) > 0 {
		t.Errorf("check: %v %v", findings, err)
	}
}

// filed fails unless the transfer ended so, with its files in the right place.
func filed(t *testing.T, o *Outbox, id string, verdict ledger.Verdict) ledger.Transfer {
	t.Helper()
	tr := row(t, o, id)
	if tr.State != ledger.StateFiled || tr.Verdict != verdict {
		t.Errorf("%s, verdict %q, want %q: %s", tr.State, tr.Verdict, verdict, tr.Reason)
	}
	for name := range dropped {
		if ok, _ := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, name)); !ok {
			t.Errorf("%s is not in %s", name, tr.FilePath)
		}
	}
	if ok, _ := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, whyFile)); ok == verdict.Sent() {
		t.Errorf("WHY.txt in %s: %v", tr.FilePath, ok)
	}
	clean(t, o)
	return tr
}

type posterOf func(header []as2.Field, body []byte) (*as2.Answer, error)

func (p posterOf) Post(_ context.Context, _ string, header []as2.Field, _ int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	b, err := body()
	if err != nil {
		return nil, err
	}
	defer b.Close() // opened for reading
	raw, err := io.ReadAll(b)
	if err != nil {
		return nil, err
	}
	return p(header, raw)
}

// giveUp carries a transfer to where nobody waits any more.
func giveUp(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) ledger.Transfer {
	t.Helper()
	for tr.State.Open() {
		w.now = tr.Due
		tr = carry(t, o, tr.ID)
	}
	return filed(t, o, tr.ID, ledger.VerdictGaveUp)
}

// meanwhile does something once, when randomness is asked for.
func meanwhile(r io.Reader, do func()) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		if once := do; once != nil {
			do = nil
			once()
		}
		return r.Read(b)
	})
}

// hooked does something once, before a file whose name has a part is opened, replaced or
// moved to.
type hooked struct {
	fsx.FS
	part string
	do   *func()
}

func hook(f fsx.FS, part string, do func()) fsx.FS { return hooked{f, part, &do} }

func (h hooked) RenameNoReplace(oldname, newname string) error {
	h.hit(newname)
	return h.FS.RenameNoReplace(oldname, newname)
}

func (h hooked) Replace(oldname, newname string) error {
	h.hit(newname)
	return h.FS.Replace(oldname, newname)
}

func (h hooked) hit(name string) {
	if do := *h.do; do != nil && strings.Contains(name, h.part) {
		*h.do = nil
		do()
	}
}

// fullDisk takes no receipts.
type fullDisk struct{ fsx.FS }

func (f fullDisk) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	if strings.Contains(name, receiptPrefix) {
		return nil, syscall.ENOSPC
	}
	return f.FS.OpenFile(name, flag, perm)
}
