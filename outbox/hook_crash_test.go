package outbox

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// hooksHold are the rules about hooks, beside the standing ones: what was sent in place of
// a dropped file is kept as long as the row says so, and whoever is filed owes its hooks.
func hooksHold(cw crashtest.World) (problems []string) {
	problems = standing(cw)
	w := cw.(*world)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	s := look(w)
	for id, t := range s.transfers {
		sealed := len(t.Sealed) > 0
		for _, c := range t.Changed {
			want := map[string]string{"INV-1.xml": sumOf(changedInvoice), "INV-1_cover.pdf": sumOf(addedCover)}[c.Name]
			if sealed && c.SHA256 != want {
				say("%s says that %s with SHA-256 %s was sent", id, c.Name, c.SHA256)
			}
			kept := false
			for name, sum := range s.sums {
				kept = kept || sum == want && strings.Contains(name, id+"/") && strings.HasSuffix(name, path.Join(changedDir, c.Name))
			}
			if sealed && !kept {
				say("%s was sent for %s and is nowhere", c.Name, id)
			}
		}
		kind := ledger.HookAfterFailed
		if t.Verdict.Sent() {
			kind = ledger.HookAfterSent
		}
		i := slices.IndexFunc(s.hooks[id], func(h ledger.OwedHook) bool { return h.Kind == kind && h.Open })
		if (t.State == ledger.StateFiled) != (i >= 0) || len(s.hooks[id]) > 1 {
			say("%s is %s, and the hooks owed are %+v", id, t.State, s.hooks[id])
		}
	}
	return problems
}

// finalHooks are the rules at the end.
func finalHooks(verdict ledger.Verdict, deliveries, changed int) func(crashtest.World) []string {
	return func(cw crashtest.World) []string {
		problems := append(final(verdict, deliveries)(cw), hooksHold(cw)...)
		for id, t := range look(cw.(*world)).transfers {
			if t.State == ledger.StateFiled && len(t.Changed) != changed {
				problems = append(problems, fmt.Sprintf("%s: %d changed files, want %d", id, len(t.Changed), changed))
			}
		}
		return problems
	}
}

func refusingAll(*world) func(context.Context, Question) (Answer, string, error) { return refusing }

// Hooks in the crash matrix: whenever it stops, what a hook made is sent whole or made
// again, what it refuses is not sent, and no hook that is owed is lost.
func TestCrashMatrixOfHooks(t *testing.T) {
	for name, c := range map[string]struct {
		ask    func(*world) func(context.Context, Question) (Answer, string, error)
		answer answer
		final  func(crashtest.World) []string
		after  string // up to there it is as another scenario
		faults bool
	}{
		"changed":          {changing, accept, finalHooks(ledger.VerdictAccepted, 1, 2), claimedWhole, true},
		"changed, gave up": {changing, busy, finalHooks(ledger.VerdictGaveUp, 0, 2), "mark post", false},
		"refused":          {refusingAll, accept, finalHooks(ledger.VerdictRefused, 0, 0), claimedWhole, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withHooks(c.ask, c.answer)
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: hooksHold, Final: c.final, After: c.after, Faults: c.faults})
			t.Logf("%d cases", r.Cases)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// The matrix must notice what would lose files or hooks.
func TestMatrixReportsMutationsOfHooks(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, m := range map[string]mutation{
		"what hooks wrote is not synced": {fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(name string) bool { return strings.Contains(name, hookPart) }}
		}},
		"hooks are owed after the commit": {steps: func(o *Outbox) {
			sent := o.p.AfterSent
			o.p.AfterSent = nil
			o.steps[ledger.StateSettled] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				if err := o.file(ctx, t); err != nil {
					return err
				}
				return o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.OweHook("acme", ledger.HookAfterSent, sent[0], t.ID, o.Now()) })
			}
		}},
		"an earlier answer is believed": {steps: func(o *Outbox) {
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				there, err := fsx.Exists(o.p.Folder, path.Join(o.work(t), changedDir))
				if err == nil && there {
					o.p.BeforeSend = nil // it was asked before
				}
				if err != nil {
					return err
				}
				return o.seal(ctx, t)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withHooks(changing, accept)
			w.mutate = m
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: hooksHold, Final: finalHooks(ledger.VerdictAccepted, 1, 2), After: claimedWhole, Enough: 1})
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}
