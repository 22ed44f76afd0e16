package outbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

func TestDismiss(t *testing.T) {
	for name, c := range map[string]struct {
		answer  answer
		state   ledger.State // that it is brought to
		verdict ledger.Verdict
	}{
		"never posted":          {accept, ledger.StateClaimed, ledger.VerdictRefused},
		"sealed":                {accept, ledger.StateSealed, ledger.VerdictRefused},
		"posted":                {lose, "", ledger.VerdictGaveUp},
		"waits for its receipt": {withhold, ledger.StateWaiting, ledger.VerdictGaveUp},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(c.answer)
			w.async = c.answer == withhold
			l := w.ledger()
			defer func() { l.Close(); w.disk.Release() }() // all was read
			o := w.outbox(l)
			id := scan(t, o).Claimed[0]
			for again := true; again && row(t, o, id).State != c.state; {
				var err error
				again, err = o.Step(context.Background(), id)
				must(err)
			}
			grantWish(t, o, ledger.WishDismiss, id)
			tr := carry(t, o, id)
			if tr.State != ledger.StateFiled || tr.Verdict != c.verdict || !strings.Contains(tr.Reason, "dismissed by ") {
				t.Errorf("%s, %s: %s", tr.State, tr.Verdict, tr.Reason)
			}
			why, err := fsx.ReadFile(o.p.Folder, tr.FilePath+"/"+whyFile, 1<<16)
			if err != nil || !strings.Contains(string(why), "dismissed by ") {
				t.Errorf("%s %v", why, err)
			}
			if got := codes(t, o, id); !strings.Contains(got, "operator-dismiss") || strings.Contains(got, "alarm failed") {
				t.Error(got)
			}
			clean(t, o)
		})
	}
}

// A receipt that comes after all still counts.
func TestReceiptForADismissedOne(t *testing.T) {
	_, o, tr := beginAsync(t, withhold)
	grantWish(t, o, ledger.WishDismiss, tr.ID)
	carry(t, o, tr.ID)
	receive(t, o, tr, nil)
	if tr := carry(t, o, tr.ID); tr.Verdict != ledger.VerdictAccepted {
		t.Error(tr.Verdict)
	}
	clean(t, o)
}

func TestDismissWhatCannotBe(t *testing.T) {
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	tr := row(t, o, id)
	wish := ledger.Wish{Kind: ledger.WishDismiss, Transfer: id, By: "me"}
	if _, err := o.dismiss(context.Background(), wish, &tr); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("while its files are being moved: %v", err)
	}
	tr = carry(t, o, id)
	text, err := o.dismiss(context.Background(), wish, &tr)
	if err != nil || !strings.Contains(text, "has its verdict already: accepted") || row(t, o, id).Version != tr.Version {
		t.Errorf("%q %v", text, err)
	}
	w.now = w.now.Add(time.Hour)
	clean(t, o)
}

// The files of a given-up transfer are gone, and so is what it was to be taken back for.
func TestDismissWhatCannotBeReopened(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	tr = giveUp(t, w, o, tr)
	grantWish(t, o, ledger.WishRetry, tr.ID)
	must(fsx.RemoveAll(w.disk.Outside("acme"), tr.FilePath))
	if tr = carry(t, o, tr.ID); tr.Hold == "" {
		t.Fatal("it is not held")
	}
	grantWish(t, o, ledger.WishDismiss, tr.ID)
	if tr = carry(t, o, tr.ID); tr.State != ledger.StateFiled || tr.Verdict != ledger.VerdictGaveUp {
		t.Errorf("%s, %s", tr.State, tr.Verdict)
	}
	clean(t, o)
}

// Held before its files were moved, nobody carries it on: who dismisses it does.
func TestDismissWhatIsHeldBeforeItIsClaimed(t *testing.T) {
	for name, before := range map[string]func(*Outbox, *Observer){
		"nothing was moved": func(*Outbox, *Observer) {},
		"all were":          func(o *Outbox, ob *Observer) { o.Take(context.Background(), ob) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(accept)
			l := w.ledger()
			defer func() { l.Close(); w.disk.Release() }() // all was read
			o := w.outbox(l)
			ob := NewObserver()
			report, err := o.Scan(context.Background(), ob)
			must(err)
			id := report.Claimed[0]
			before(o, ob)
			grantWish(t, o, ledger.WishHold, id)
			carry(t, o, id)
			grantWish(t, o, ledger.WishDismiss, id)
			if tr := carry(t, o, id); tr.State != ledger.StateFiled || tr.Verdict != ledger.VerdictRefused {
				t.Errorf("%s, %s: %s", tr.State, tr.Verdict, tr.Reason)
			}
			clean(t, o)
		})
	}
}
