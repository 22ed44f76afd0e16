package outbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// Since when a partner fails is kept from the first failure on, until it takes a message.
func TestSinceWhenAPartnerFails(t *testing.T) {
	w, o := begin(t, busy, busy, accept)
	trouble := func() (tr ledger.Trouble) {
		err := o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { tr, err = tx.Trouble(o.p.Name); return err })
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			t.Fatal(err)
		}
		return tr
	}
	began := w.now
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	w.now = w.now.Add(time.Hour)
	carry(t, o, id)
	if got := trouble(); got.Count != 2 || !got.Since.Equal(began) || !got.Last.Equal(w.now) || got.Reason == "" {
		t.Errorf("%+v", got)
	}
	w.now = w.now.Add(time.Hour)
	if tr := carry(t, o, id); tr.Verdict != ledger.VerdictAccepted {
		t.Fatal(tr.Verdict)
	}
	if got := trouble(); got.Count != 0 {
		t.Errorf("it is still in trouble: %+v", got)
	}
	told := false
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		events, err := tx.RecentEvents(o.p.Name, 20)
		for _, e := range events {
			told = told || e.Code == "partner-answers"
		}
		return err
	}))
	if !told {
		t.Error("nobody was told that it takes messages again")
	}
}
