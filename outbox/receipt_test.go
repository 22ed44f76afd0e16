package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

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

// The receipt comes while the POST still runs, in another process of the same agent:
// its verdict is committed, and whatever comes of the POST only closes the attempt.
func TestEarlyReceipt(t *testing.T) {
	for name, c := range map[string]struct {
		answer  *as2.Answer
		err     error
		receipt func(*as2.MDNOptions)
		verdict ledger.Verdict
		outcome ledger.Outcome
		events  string
	}{
		"200":               {&as2.Answer{Status: 200, Header: http.Header{}}, nil, nil, ledger.VerdictAccepted, ledger.OutcomeAnswered, "info sent"},
		"500":               {&as2.Answer{Status: 500, Header: http.Header{}}, nil, nil, ledger.VerdictAccepted, ledger.OutcomeAnswered, "info sent"},
		"400":               {&as2.Answer{Status: 400, Header: http.Header{}}, nil, nil, ledger.VerdictAccepted, ledger.OutcomeAnswered, "info sent"},
		"lost":              {nil, &as2.PostError{Unknown: true, Cause: errors.New("reset")}, nil, ledger.VerdictAccepted, ledger.OutcomeUnknown, "info sent"},
		"stopped":           {nil, &as2.PostError{Stopped: true, Cause: errors.New("shutdown")}, nil, ledger.VerdictAccepted, ledger.OutcomeNotSent, "info sent"},
		"rejected, and 200": {&as2.Answer{Status: 200, Header: http.Header{}}, nil, rejecting, ledger.VerdictRejected, ledger.OutcomeAnswered, "alarm failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(later)
			w.async = true
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			o, other := w.outbox(l), w.outbox(l)
			id := scan(t, o).Claimed[0]
			o.Post = poster(func() (*as2.Answer, error) {
				if status := receive(t, other, row(t, o, id), c.receipt); status != 200 {
					t.Errorf("the receipt was answered with %d", status)
				}
				if again, err := o.Step(context.Background(), id); again || err != nil {
					t.Errorf("stepped while the message was being posted: %v %v", again, err)
				}
				return c.answer, c.err
			})
			carry(t, o, id)
			tr := filed(t, o, id, c.verdict)
			as := attemptsOf(t, o, id)
			if len(as) != 1 || as[0].Outcome != c.outcome || as[0].Closed.IsZero() || !strings.Contains(as[0].Text, "had come before") {
				t.Errorf("%+v", as)
			}
			if got := codes(t, o, id); got != c.events || tr.Posts != 1 {
				t.Errorf("%d posts, events: %s", tr.Posts, got)
			}
		})
	}
}

// The agent dies between an early receipt and the end of its POST.
func TestEarlyReceiptAndRestart(t *testing.T) {
	w := newWorld(later)
	w.async = true
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o := w.outbox(l)
	id := scan(t, o).Claimed[0]
	o.Post = poster(func() (*as2.Answer, error) {
		receive(t, o, row(t, o, id), nil)
		panic("killed")
	})
	func() {
		defer func() { recover() }()
		carry(t, o, id)
	}()
	next := w.outbox(l)
	must(next.Recover(context.Background()))
	carry(t, next, id)
	filed(t, next, id, ledger.VerdictAccepted)
	if as := attemptsOf(t, next, id); len(as) != 1 || as[0].Outcome != ledger.OutcomeUnknown || as[0].Closed.IsZero() {
		t.Errorf("%+v", as)
	}
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

// states carries a transfer into every state in which a receipt can find it.
var states = map[string]func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer){
	"waiting": func(*testing.T, *world, *Outbox, ledger.Transfer) {},
	"waiting, held": func(t *testing.T, _ *world, o *Outbox, tr ledger.Transfer) {
		grantWish(t, o, ledger.WishHold, tr.ID)
	},
	"between two posts": func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) {
		w.now = tr.Due
		if _, err := o.Step(context.Background(), tr.ID); err != nil {
			t.Fatal(err)
		}
	},
	"between two posts, held": func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) {
		w.now = tr.Due
		if _, err := o.Step(context.Background(), tr.ID); err != nil {
			t.Fatal(err)
		}
		grantWish(t, o, ledger.WishHold, tr.ID)
	},
	"being filed as given up": func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) {
		for tr.State != ledger.StateSettled {
			if tr.Due.After(w.now) {
				w.now = tr.Due
			}
			if _, err := o.Step(context.Background(), tr.ID); err != nil {
				t.Fatal(err)
			}
			tr = row(t, o, tr.ID)
		}
	},
	"given up": func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) { giveUp(t, w, o, tr) },
	"reopening": func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) {
		giveUp(t, w, o, tr)
		grantWish(t, o, ledger.WishRetry, tr.ID)
	},
}

// In every state a receipt that counts settles the transfer, also when the agent is
// started anew before and after it.
func TestReceiptInEveryState(t *testing.T) {
	for name, reach := range states {
		for verdict, change := range map[ledger.Verdict]func(*as2.MDNOptions){ledger.VerdictAccepted: nil, ledger.VerdictRejected: rejecting} {
			t.Run(name+", "+string(verdict), func(t *testing.T) {
				w, o, tr := beginAsync(t, withhold)
				reach(t, w, o, tr)
				o = w.outbox(o.Ledger)
				must(o.Recover(context.Background()))
				clean(t, o)
				if status := receive(t, o, row(t, o, tr.ID), change); status != 200 {
					t.Fatal(status)
				}
				clean(t, o)
				o = w.outbox(o.Ledger)
				must(o.Recover(context.Background()))
				carry(t, o, tr.ID)
				filed(t, o, tr.ID, verdict)
			})
		}
	}
}

// "I have it already" after an attempt whose outcome is unknown is neither delivered nor
// failed: held, or accepted where the config says so.
func TestDuplicateInEveryState(t *testing.T) {
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			w, o, tr := beginAsync(t, withhold)
			o.p.Policy.AcceptDuplicate = false
			must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
				tr.Unknown = true
				return tx.SaveTransfer(&tr)
			}))
			reach(t, w, o, tr)
			for range 2 {
				if status := receive(t, o, row(t, o, tr.ID), duplicate); status != 200 {
					t.Fatal(status)
				}
			}
			tr = carry(t, o, tr.ID)
			if !strings.Contains(tr.Hold, "receipt lost") || tr.State != ledger.StateSealed && tr.State != ledger.StateReopening {
				t.Fatalf("%s, held %q", tr.State, tr.Hold)
			}
			if got := codes(t, o, tr.ID); strings.Count(got, "alarm held") != 1 || !strings.HasSuffix(got, "info receipt-repeated") {
				t.Errorf("events: %s", got)
			}
			clean(t, o)
			o.p.Policy.AcceptDuplicate = true
			grantWish(t, o, ledger.WishRelease, tr.ID)
			carry(t, o, tr.ID)
			if status := receive(t, o, row(t, o, tr.ID), duplicate); status != 200 {
				t.Fatal(status)
			}
			carry(t, o, tr.ID)
			filed(t, o, tr.ID, ledger.VerdictReceiptLost)
		})
	}
}

// A receipt that says "duplicate" while the message is still being posted holds the
// transfer; the attempt is closed, and nothing is posted.
func TestEarlyDuplicate(t *testing.T) {
	w := newWorld(later)
	w.async = true
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o := w.outbox(l)
	o.p.Policy.AcceptDuplicate = false
	id := scan(t, o).Claimed[0]
	o.Post = poster(func() (*as2.Answer, error) {
		tr := row(t, o, id)
		tr.Unknown = true
		must(l.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
		receive(t, o, tr, duplicate)
		return &as2.Answer{Status: 200, Header: http.Header{}}, nil
	})
	tr := carry(t, o, id)
	if as := attemptsOf(t, o, id); tr.State != ledger.StateSealed || !strings.Contains(tr.Hold, "receipt lost") || len(as) != 1 || as[0].Outcome != ledger.OutcomeAnswered {
		t.Errorf("%s, held %q, %+v", tr.State, tr.Hold, as)
	}
	clean(t, o)
}

// Receipts that count for nothing leave the transfer as it is, whatever its state, and
// get an answer that says why.
func TestForeignReceipts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*as2.MDNOptions)
		status int
		says   string
	}{
		"unsigned":              {func(o *as2.MDNOptions) { o.Sign = nil }, 403, "not signed"},
		"signed by a stranger":  {func(o *as2.MDNOptions) { o.Sign = crashtest.Signer(testKeys()[2], cms.SHA256) }, 403, "does not count"},
		"for another message":   {func(o *as2.MDNOptions) { o.OriginalMessageID = "<other@us>" }, 400, "another message"},
		"unsigned and negative": {func(o *as2.MDNOptions) { o.Sign = nil; rejecting(o) }, 403, "not signed"},
	} {
		for state, reach := range states {
			t.Run(name+", "+state, func(t *testing.T) {
				w, o, tr := beginAsync(t, withhold)
				reach(t, w, o, tr)
				before := row(t, o, tr.ID)
				if status := receive(t, o, before, c.change); status != c.status {
					t.Errorf("answered with %d", status)
				}
				if after := row(t, o, tr.ID); fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("it changed the transfer:\n%v\n%v", before, after)
				}
				var events []ledger.Event
				must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.EventsOf(tr.ID); return err }))
				if last := events[len(events)-1]; last.Code != "receipt-refused" || !strings.Contains(last.Text, c.says) {
					t.Errorf("%+v", last)
				}
			})
		}
	}
}

func TestReceiptsForNothing(t *testing.T) {
	w, o, tr := beginAsync(t, later)
	h, body := receiptFor(t, tr, nil)
	post := func(o *Outbox, id string, h http.Header, body string) as2.Reply {
		reply, err := o.ReceiveReceipt(context.Background(), id, h, []byte(body), "192.0.2.1:443")
		if err != nil {
			t.Error(err)
		}
		return reply
	}
	if r := post(o, "unknown", h, string(body)); r.Status != 404 {
		t.Errorf("an unknown transfer: %+v", r)
	}
	if r := post(o, tr.ID, http.Header{"Content-Type": {"text/plain"}}, "hello"); r.Status != 400 {
		t.Errorf("no receipt: %+v", r)
	}
	if r := post(o, tr.ID, http.Header{}, ""); r.Status != 400 {
		t.Errorf("nothing at all: %+v", r)
	}
	o.p.Name = "other"
	if r := post(o, tr.ID, h, string(body)); r.Status != 404 {
		t.Errorf("another partner's: %+v", r)
	}
	o.p.Name = "acme"
	w.write(path.Join(outboxDir, "INV-2.xml"), "<Second/>")
	second := scan(t, o).Claimed[0]
	for name, steps := range map[string]int{"claiming": 0, "claimed": 1, "sealed": 1} {
		for range steps {
			if _, err := o.Step(context.Background(), second); err != nil {
				t.Fatal(err)
			}
		}
		unsent := row(t, o, second)
		h, body := receiptFor(t, unsent, nil)
		if r := post(o, second, h, string(body)); r.Status != 404 || row(t, o, second).Version != unsent.Version {
			t.Errorf("never posted (%s): %+v", name, r)
		}
	}
}

// Anybody can post receipts that nobody signed: only some are kept, and told of.
func TestFloodOfForeignReceipts(t *testing.T) {
	_, o, tr := beginAsync(t, later)
	for i := range 2 * maxStrangers {
		if status := receive(t, o, tr, func(m *as2.MDNOptions) { m.Sign, m.Text = nil, fmt.Sprint(i) }); status != 403 {
			t.Fatal(status)
		}
	}
	entries, err := o.p.Folder.ReadDir(o.evidence(&tr))
	must(err)
	n := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), receiptPrefix) {
			n++
		}
	}
	if got := strings.Count(codes(t, o, tr.ID), "receipt-refused"); n != maxStrangers || got != maxStrangers {
		t.Errorf("%d kept, %d events", n, got)
	}
	// The partner's own still counts.
	if receive(t, o, tr, nil); row(t, o, tr.ID).Verdict != ledger.VerdictAccepted {
		t.Error("the partner's receipt did not count any more")
	}
}

// The wait ends and the receipt comes in the same moment: whichever is committed first,
// the receipt is the verdict.
func TestReceiptAtTheEndOfTheWait(t *testing.T) {
	t.Run("the receipt first", func(t *testing.T) {
		w, o, tr := beginAsync(t, withhold)
		w.now = tr.Due
		o.Rand = meanwhile(o.Rand, func() { receive(t, w.outbox(o.Ledger), tr, nil) })
		carry(t, o, tr.ID)
		carry(t, o, tr.ID)
		if tr = filed(t, o, tr.ID, ledger.VerdictAccepted); tr.Posts != 1 {
			t.Errorf("posted %d times", tr.Posts)
		}
	})
	t.Run("the end of the wait first", func(t *testing.T) {
		w, o, tr := beginAsync(t, withhold)
		w.now = tr.Due
		other := w.outbox(o.Ledger)
		o.p.Folder = hook(o.p.Folder, receiptPrefix, func() {
			if _, err := other.Step(context.Background(), tr.ID); err != nil {
				t.Error(err)
			}
			if got := row(t, o, tr.ID); got.State != ledger.StateSealed || !got.Unknown {
				t.Errorf("%s", got.State)
			}
		})
		if status := receive(t, o, tr, nil); status != 200 {
			t.Error(status)
		}
		carry(t, o, tr.ID)
		if tr = filed(t, o, tr.ID, ledger.VerdictAccepted); tr.Posts != 1 {
			t.Errorf("posted %d times", tr.Posts)
		}
		if as := attemptsOf(t, o, tr.ID); as[0].Outcome != ledger.OutcomeUnknown {
			t.Errorf("%+v", as)
		}
	})
}

// The receipt comes while the files of a given-up transfer are just being filed under
// failed: they end in sent.
func TestReceiptWhileFiling(t *testing.T) {
	for _, at := range []string{whyFile, failedDir + "/INV-1."} {
		t.Run(at, func(t *testing.T) {
			w, o, tr := beginAsync(t, withhold)
			states["being filed as given up"](t, w, o, tr)
			other := w.outbox(o.Ledger)
			o.p.Folder = hook(o.p.Folder, at, func() { receive(t, other, row(t, o, tr.ID), nil) })
			carry(t, o, tr.ID)
			carry(t, o, tr.ID)
			filed(t, o, tr.ID, ledger.VerdictAccepted)
		})
	}
}

// The receipt comes while retry takes the folder back out of failed.
func TestReceiptWhileReopening(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	states["reopening"](t, w, o, tr)
	other := w.outbox(o.Ledger)
	o.p.Folder = hook(o.p.Folder, path.Join(workDir, tr.ID, messageFile), func() { receive(t, other, row(t, o, tr.ID), nil) })
	carry(t, o, tr.ID)
	carry(t, o, tr.ID)
	if tr = filed(t, o, tr.ID, ledger.VerdictAccepted); tr.Posts != 3 {
		t.Errorf("posted %d times", tr.Posts)
	}
}

// Two receipts in the same moment: one is the verdict, the other an event.
func TestTwoReceiptsAtOnce(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	other := w.outbox(o.Ledger)
	o.p.Folder = hook(o.p.Folder, receiptPrefix, func() { receive(t, other, tr, rejecting) })
	if status := receive(t, o, tr, nil); status != 200 {
		t.Error(status)
	}
	carry(t, o, tr.ID)
	filed(t, o, tr.ID, ledger.VerdictRejected)
	if got := codes(t, o, tr.ID); got != "alarm failed, alarm receipt-contradicts" {
		t.Errorf("events: %s", got)
	}
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
