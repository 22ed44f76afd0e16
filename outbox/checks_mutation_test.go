package outbox

import (
	"context"
	"testing"

	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/ledger"
)

// The matrix must notice a warning that is committed by itself, and so twice after a crash,
// and a refusal that does not hold for a process that finds the batch claimed.
func TestMatrixReportsMutationsOfChecks(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, c := range map[string]struct {
		effect checks.Effect
		final  func(crashtest.World) []string
		mutate func(*Outbox)
	}{
		"the warning before the message": {checks.Warn, warnedOnce, func(o *Outbox) {
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				if _, err := o.runChecks(ctx, t, o.work(t)); err != nil {
					return err
				}
				if err := o.Ledger.Update(ctx, o.warned(t)[0]); err != nil {
					return err
				}
				o.p.Checks = checks.Rules{}
				return o.seal(ctx, t)
			}
		}},
		"checked when it is claimed only": {checks.Refuse, final(ledger.VerdictRefused, 0), func(o *Outbox) {
			claimed := false
			claim := o.steps[ledger.StateClaiming]
			o.steps[ledger.StateClaiming] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				claimed = true
				return claim(o, ctx, t)
			}
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				if !claimed {
					o.p.Checks = checks.Rules{}
				}
				return o.seal(ctx, t)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := checked(c.effect)
			w.mutate.steps = c.mutate
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: c.final, After: claimedWhole, Enough: 1})
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}
