package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// The partner took the message: the transfer waits for the receipt, and the receipt
// settles it.
func TestAsynchronousReceipt(t *testing.T) {
	w, o, tr := beginAsync(t, later)
	if tr.State != ledger.StateWaiting || !tr.Due.Equal(w.now.Add(30*time.Minute)) || tr.Attempts != 0 {
		t.Fatalf("%s, due %v, %d counted", tr.State, tr.Due, tr.Attempts)
	}
	if as := attemptsOf(t, o, tr.ID); as[0].Outcome != ledger.OutcomeWaiting || as[0].Status != 200 {
		t.Errorf("%+v", as)
	}
	var s as2.Sealed
	must(json.Unmarshal(tr.Sealed, &s))
	if got := as2.Get(s.Header, "Receipt-Delivery-Option"); got != "https://us.invalid/mdn" {
		t.Errorf("Receipt-Delivery-Option: %q", got)
	}
	clean(t, o)
	must(w.deliver(false))
	if len(w.partner.taken) != 1 {
		t.Error("the receipt was not answered with 200")
	}
	if tr = row(t, o, tr.ID); tr.State != ledger.StateSettled || tr.Attempts != 1 {
		t.Errorf("%s, %d counted", tr.State, tr.Attempts)
	}
	carry(t, o, tr.ID)
	tr = filed(t, o, tr.ID, ledger.VerdictAccepted)
	if as := attemptsOf(t, o, tr.ID); len(as) != 1 || as[0].Outcome != ledger.OutcomeAnswered || !as[0].Counted {
		t.Errorf("%+v", as)
	}
	if got := codes(t, o, tr.ID); got != "info sent" {
		t.Errorf("events: %s", got)
	}
	kept, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, receiptFile), 1<<20)
	if err != nil || !strings.Contains(string(kept), "disposition-notification") {
		t.Errorf("%q %v", kept, err)
	}
}

// What else may stand in the answer of a POST whose receipt is to come later.
func TestAnswerToAnAsynchronousRequest(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*testing.T, ledger.Transfer) *as2.Answer
		state  ledger.State
		says   string
		events string
	}{
		"202": {func(*testing.T, ledger.Transfer) *as2.Answer { return &as2.Answer{Status: 202, Header: http.Header{}} }, ledger.StateWaiting, "202", ""},
		"200 with a page": {func(*testing.T, ledger.Transfer) *as2.Answer {
			return &as2.Answer{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>thanks")}
		}, ledger.StateWaiting, "not empty and no receipt", "warning odd-answer"},
		"a receipt at once": {func(t *testing.T, tr ledger.Transfer) *as2.Answer {
			h, body := receiptFor(t, tr, nil)
			return &as2.Answer{Status: 200, Header: h, Body: body}
		}, ledger.StateFiled, "processed", "info sent"},
		"a receipt of somebody else": {func(t *testing.T, tr ledger.Transfer) *as2.Answer {
			h, body := receiptFor(t, tr, func(o *as2.MDNOptions) { o.Sign = crashtest.Signer(testKeys()[2], cms.SHA256) })
			return &as2.Answer{Status: 200, Header: h, Body: body}
		}, ledger.StateWaiting, "signature does not count", "warning odd-answer"},
		"503": {func(*testing.T, ledger.Transfer) *as2.Answer { return &as2.Answer{Status: 503, Header: http.Header{}} }, ledger.StateSealed, "503", "warning attempt-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(later)
			w.async = true
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			o := w.outbox(l)
			id := scan(t, o).Claimed[0]
			o.Post = poster(func() (*as2.Answer, error) { return c.answer(t, row(t, o, id)), nil })
			tr := carry(t, o, id)
			if tr.State != c.state || !strings.Contains(tr.Reason, c.says) || codes(t, o, id) != c.events {
				t.Errorf("%s: %s (%s)", tr.State, tr.Reason, codes(t, o, id))
			}
			clean(t, o)
		})
	}
}

// The receipt never comes: the same bytes go out again under the same Message-ID, are
// counted, and at the end the transfer is given up as unknown, with its message kept.
func TestReceiptThatNeverComes(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	var bodies, ids []string
	o.Post = posterOf(func(header []as2.Field, body []byte) (*as2.Answer, error) {
		bodies, ids = append(bodies, string(body)), append(ids, as2.Get(header, "Message-ID"))
		return &as2.Answer{Status: 200, Header: http.Header{}}, nil
	})
	for range 20 {
		if !tr.State.Open() {
			break
		}
		w.now = tr.Due
		tr = carry(t, o, tr.ID)
	}
	tr = filed(t, o, tr.ID, ledger.VerdictGaveUp)
	if tr.Posts != 3 || tr.Attempts != 3 || !tr.Unknown || len(bodies) != 2 || bodies[0] != bodies[1] || ids[0] != ids[1] || ids[0] != tr.MessageID {
		t.Errorf("%d posts, %d counted, unknown %v, %d bodies, Message-IDs %v", tr.Posts, tr.Attempts, tr.Unknown, len(bodies), ids)
	}
	for _, a := range attemptsOf(t, o, tr.ID) {
		if a.Outcome != ledger.OutcomeUnknown || !a.Counted {
			t.Errorf("%+v", a)
		}
	}
	kept, err := fsx.ReadFile(o.p.Folder, path.Join(o.evidence(&tr), messageFile), 1<<20)
	if err != nil || string(kept) != bodies[0] {
		t.Errorf("the message that is kept is another one: %v", err)
	}
	text, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, whyFile), 1<<20)
	if err != nil || !strings.Contains(string(text), "may have received it") {
		t.Errorf("%s %v", text, err)
	}
}

// A valid receipt after "gave up" is the verdict, once: the files move from failed to
// sent. What comes after it changes nothing.
func TestLateReceipt(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	gaveUp := giveUp(t, w, o, tr)
	if status := receive(t, o, gaveUp, nil); status != 200 {
		t.Fatal(status)
	}
	tr = row(t, o, tr.ID)
	if tr.State != ledger.StateSettled || tr.RefileFrom != gaveUp.FilePath || !strings.HasPrefix(tr.FilePath, sentDir) {
		t.Fatalf("%s from %q to %q", tr.State, tr.RefileFrom, tr.FilePath)
	}
	clean(t, o)
	carry(t, o, tr.ID)
	tr = filed(t, o, tr.ID, ledger.VerdictAccepted)
	if ok, _ := fsx.Exists(o.p.Folder, gaveUp.FilePath); ok || tr.RefileFrom != "" {
		t.Error("it is still in failed")
	}
	if got := codes(t, o, tr.ID); !strings.HasSuffix(got, "alarm failed, warning late-receipt, info sent") {
		t.Errorf("events: %s", got)
	}
	before := tr
	if status := receive(t, o, tr, nil); status != 200 {
		t.Error(status)
	}
	if status := receive(t, o, tr, rejecting); status != 200 {
		t.Error(status)
	}
	if got := codes(t, o, tr.ID); !strings.HasSuffix(got, "info sent, info receipt-repeated, alarm receipt-contradicts") {
		t.Errorf("events: %s", got)
	}
	if tr = row(t, o, tr.ID); fmt.Sprint(tr) != fmt.Sprint(before) {
		t.Errorf("a further receipt changed the transfer:\n%v\n%v", before, tr)
	}
}

// A late receipt that rejects stays in failed, under its own reason.
func TestLateRejection(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	gaveUp := giveUp(t, w, o, tr)
	receive(t, o, gaveUp, rejecting)
	carry(t, o, tr.ID)
	tr = filed(t, o, tr.ID, ledger.VerdictRejected)
	text, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, whyFile), 1<<20)
	if err != nil || !strings.Contains(string(text), as2.DecryptionFailed) || tr.FilePath != gaveUp.FilePath {
		t.Errorf("%s: %s %v", tr.FilePath, text, err)
	}
	// It rests on a receipt now: the next one is an alarm.
	receive(t, o, tr, nil)
	carry(t, o, tr.ID)
	filed(t, o, tr.ID, ledger.VerdictRejected)
	if got := codes(t, o, tr.ID); !strings.HasSuffix(got, "alarm receipt-contradicts") {
		t.Errorf("events: %s", got)
	}
}

// Somebody took the files out of failed, to send them in another way, before the receipt
// came after all: the verdict counts, and there is an alarm.
func TestLateReceiptForFilesThatWereTaken(t *testing.T) {
	for name, whole := range map[string]bool{"one file": false, "the folder": true} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := beginAsync(t, withhold)
			gaveUp := giveUp(t, w, o, tr)
			what := gaveUp.FilePath
			if !whole {
				what = path.Join(what, "INV-1.xml")
			}
			must(fsx.RemoveAll(w.disk.Outside("acme"), what))
			receive(t, o, gaveUp, nil)
			tr = carry(t, o, tr.ID)
			if tr.State != ledger.StateFiled || tr.Verdict != ledger.VerdictAccepted {
				t.Errorf("%s, %q", tr.State, tr.Verdict)
			}
			if got := codes(t, o, tr.ID); !strings.HasSuffix(got, "info sent, alarm files-taken") {
				t.Errorf("events: %s", got)
			}
			clean(t, o)
		})
	}
}

// If the disk does not take the receipt the partner is asked to come again, and nothing
// has happened.
func TestReceiptThatCannotBeKept(t *testing.T) {
	_, o, tr := beginAsync(t, later)
	whole := o.p.Folder
	o.p.Folder = fullDisk{whole}
	h, body := receiptFor(t, tr, nil)
	reply, err := o.ReceiveReceipt(context.Background(), tr.ID, h, body, "192.0.2.1:443")
	if reply.Status != 503 || reply.RetryAfter == 0 || err == nil {
		t.Errorf("%+v %v", reply, err)
	}
	if got := row(t, o, tr.ID); got.Version != tr.Version {
		t.Errorf("%+v", got)
	}
	o.p.Folder = whole
	if status := receive(t, o, tr, nil); status != 200 {
		t.Error(status)
	}
}

// An operator may hold, release and retry a transfer that waits: the receipt counts all
// the same.
func TestWishesWhileWaiting(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	due := tr.Due
	grantWish(t, o, ledger.WishHold, tr.ID)
	w.now = w.now.Add(time.Minute)
	grantWish(t, o, ledger.WishRelease, tr.ID)
	if tr = carry(t, o, tr.ID); tr.State != ledger.StateWaiting || !tr.Due.Equal(due) || w.partner.posts != 1 {
		t.Errorf("%s, due %v instead of %v, %d posts", tr.State, tr.Due, due, w.partner.posts)
	}
	grantWish(t, o, ledger.WishRetry, tr.ID)
	if tr = carry(t, o, tr.ID); tr.State != ledger.StateWaiting || tr.Posts != 2 || tr.Attempts != 0 || !tr.Unknown {
		t.Errorf("%s, %d posts, %d counted", tr.State, tr.Posts, tr.Attempts)
	}
	as := attemptsOf(t, o, tr.ID)
	if as[0].Outcome != ledger.OutcomeUnknown || as[1].Outcome != ledger.OutcomeWaiting {
		t.Errorf("%+v", as)
	}
	clean(t, o)
	receive(t, o, tr, nil)
	carry(t, o, tr.ID)
	filed(t, o, tr.ID, ledger.VerdictAccepted)
}

// The clock was far ahead when the wait began.
func TestClockThatWasWrongWhileWaiting(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	o.p.Policy.Max = time.Minute
	must(o.Recover(context.Background()))
	if got := row(t, o, tr.ID); !got.Due.Equal(tr.Due) {
		t.Errorf("a wait of %v was cut to %v", tr.Due.Sub(w.now), got.Due.Sub(w.now))
	}
	tr.Due = w.now.AddDate(10, 0, 0)
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
	must(o.Recover(context.Background()))
	if got := row(t, o, tr.ID); got.Due.After(w.now) {
		t.Errorf("due %v", got.Due)
	}
}

// Somebody took the folder of a given-up transfer away, and asks for a retry: it is held
// until the folder is back.
func TestRetryOfFilesThatWereTaken(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	gaveUp := giveUp(t, w, o, tr)
	outside := w.disk.Outside("acme")
	must(outside.RenameNoReplace(gaveUp.FilePath, "taken"))
	grantWish(t, o, ledger.WishRetry, tr.ID)
	if tr = carry(t, o, tr.ID); tr.State != ledger.StateReopening || !strings.Contains(tr.Hold, gaveUp.FilePath) || tr.Posts != 3 {
		t.Fatalf("%s, held %q", tr.State, tr.Hold)
	}
	must(outside.RenameNoReplace("taken", gaveUp.FilePath))
	grantWish(t, o, ledger.WishRelease, tr.ID)
	if tr = carry(t, o, tr.ID); tr.State != ledger.StateWaiting || tr.Posts != 4 {
		t.Errorf("%s, %d posts", tr.State, tr.Posts)
	}
	receive(t, o, tr, nil)
	carry(t, o, tr.ID)
	filed(t, o, tr.ID, ledger.VerdictAccepted)
}
