package outbox

import (
	"context"
	"errors"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/ledger"
)

// The matrix must notice when transfers that go in order do not wait, and when nobody
// wakes the next one.
func TestMatrixReportsMutationsOfOrder(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, mutate := range map[string]func(*Outbox){
		"nobody waits for his turn": func(o *Outbox) { o.p.Strict = false },
		"the next one is not woken": func(o *Outbox) {
			seal := o.steps[ledger.StateClaimed]
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				err := seal(o, ctx, t)
				if !t.Behind {
					return err
				}
				return errors.Join(err, o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
					t.Turn = 0 // wakeFirst does not find it
					return tx.SaveTransfer(t)
				}))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := strictWorld(lose, accept)
			w.mutate.steps = mutate
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: orderly, Final: orderlyToTheEnd, Enough: 1})
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}
