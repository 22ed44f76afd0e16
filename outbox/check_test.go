package outbox

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Each finding about a transfer that waits, or that a receipt settled, is planted once.
func TestCheckFindsWhatIsWrongWithReceipts(t *testing.T) {
	remove := func(name func(*Outbox, *ledger.Transfer) string) func(*testing.T, *world, *Outbox, ledger.Transfer) {
		return func(t *testing.T, w *world, o *Outbox, tr ledger.Transfer) {
			tr = row(t, o, tr.ID)
			file := name(o, &tr)
			if ok, _ := fsx.Exists(o.p.Folder, file); !ok {
				t.Fatalf("%s is not there", file)
			}
			must(w.disk.Outside("acme").Remove(file))
		}
	}
	set := func(change func(*ledger.Transfer)) func(*testing.T, *world, *Outbox, ledger.Transfer) {
		return func(t *testing.T, _ *world, o *Outbox, tr ledger.Transfer) {
			tr = row(t, o, tr.ID)
			change(&tr)
			must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
		}
	}
	attempt := func(a ledger.Attempt) func(*testing.T, *world, *Outbox, ledger.Transfer) {
		return func(t *testing.T, _ *world, o *Outbox, tr ledger.Transfer) {
			a.Transfer = tr.ID
			must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
				if a.Outcome == ledger.OutcomeOpen {
					return tx.OpenAttempt(a)
				}
				return tx.CloseAttempt(a)
			}))
		}
	}
	evidence := func(name string) func(*Outbox, *ledger.Transfer) string {
		return func(o *Outbox, t *ledger.Transfer) string { return path.Join(o.evidence(t), name) }
	}
	for name, c := range map[string]struct {
		end   ledger.Verdict // how far it goes first; none = it waits
		plant func(*testing.T, *world, *Outbox, ledger.Transfer)
		says  string
	}{
		"waiting without its message": {"", remove(func(o *Outbox, t *ledger.Transfer) string { return path.Join(o.work(t), messageFile) }), "message: the sealed message is missing"},
		"waiting without a file":      {"", remove(func(o *Outbox, t *ledger.Transfer) string { return path.Join(o.work(t), "INV-1.xml") }), "INV-1.xml: the file is missing"},
		"waiting without its record":  {"", remove(func(o *Outbox, t *ledger.Transfer) string { return path.Join(o.work(t), transferFile) }), "transfer.json: a part of the evidence is missing"},
		"waiting with a record that says less": {"", func(t *testing.T, _ *world, o *Outbox, tr ledger.Transfer) {
			must(o.writeTransfer(&tr, o.work(&tr), nil))
		},
			"transfer.json: a part of the evidence is missing: it does not say what the message was sealed with"},
		"waiting for nothing":          {"", attempt(ledger.Attempt{N: 1, Outcome: ledger.OutcomeUnknown}), "it is waiting, and none of its attempts is waiting"},
		"waiting, and posting":         {"", attempt(ledger.Attempt{N: 2, Outcome: ledger.OutcomeOpen}), "it is waiting, and its attempt 2 is open"},
		"sealed, and waiting":          {"", set(func(t *ledger.Transfer) { t.State = ledger.StateSealed }), "it is sealed, and its attempt 1 is waiting"},
		"sending, and nobody posts":    {"", set(func(t *ledger.Transfer) { t.State = ledger.StateSending }), "it is sending, and none of its attempts is open"},
		"given up without its message": {ledger.VerdictGaveUp, remove(evidence(messageFile)), "message: the sealed message is missing, so it cannot be posted again"},
		"settled without its record":   {ledger.VerdictAccepted, remove(evidence(transferFile)), "transfer.json: a part of the evidence is missing"},
		"settled without the receipt": {ledger.VerdictAccepted, remove(func(o *Outbox, t *ledger.Transfer) string {
			return path.Join(o.evidence(t), receiptName(t.Receipt))
		}), "the receipt that the verdict rests on is missing"},
		"late, and still in failed": {ledger.VerdictGaveUp, set(func(t *ledger.Transfer) {
			t.Verdict, t.FilePath = ledger.VerdictAccepted, path.Join(sentDir, "2026-11-23", "x")
		}), `the ledger has it in "sent/2026-11-23/x"`},
		"accepted, and in failed": {ledger.VerdictGaveUp, set(func(t *ledger.Transfer) { t.Verdict = ledger.VerdictAccepted }), "filed in the wrong place: the verdict is accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := beginAsync(t, withhold)
			switch c.end {
			case ledger.VerdictGaveUp:
				giveUp(t, w, o, tr)
			case ledger.VerdictAccepted:
				receive(t, o, tr, nil)
				carry(t, o, tr.ID)
			}
			clean(t, o)
			c.plant(t, w, o, tr)
			findings, err := o.Check(context.Background())
			var all strings.Builder
			for _, f := range findings {
				all.WriteString(f.Path + ": " + f.Fact + "\n")
			}
			if err != nil || !strings.Contains(all.String(), c.says) {
				t.Errorf("%q is not found in\n%s%v", c.says, &all, err)
			}
		})
	}
}
