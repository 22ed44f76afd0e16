package outbox

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

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
			counted := name != "stopped"
			if as[0].Counted != counted || counted != (tr.Attempts == 1) {
				t.Errorf("counted: %v, and %d of the transfer", as[0].Counted, tr.Attempts)
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
	tr := filed(t, next, id, ledger.VerdictAccepted)
	written, err := next.readTransfer(tr.FilePath)
	must(err)
	if as := attemptsOf(t, next, id); len(as) != 1 || as[0].Outcome != ledger.OutcomeUnknown || as[0].Closed.IsZero() || !as[0].Counted || tr.Attempts != 1 || written.Attempts != 1 {
		t.Errorf("%+v, counted %d, in transfer.json %d", as, tr.Attempts, written.Attempts)
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
	if as := attemptsOf(t, o, id); tr.State != ledger.StateSealed || !strings.Contains(tr.Hold, "receipt lost") || len(as) != 1 || as[0].Outcome != ledger.OutcomeAnswered || !as[0].Counted || tr.Attempts != 1 {
		t.Errorf("%s, held %q, %+v", tr.State, tr.Hold, as)
	}
	clean(t, o)
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
	for _, at := range []string{transferFile, failedDir + "/INV-1."} {
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
