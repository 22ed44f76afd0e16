package outbox

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/ledger"
)

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
