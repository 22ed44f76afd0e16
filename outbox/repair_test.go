package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

// repair is what an administrator does then. It says what was mended.
func repair(w *world) (mended []ledger.Finding, err error) {
	l, err := w.openLedger()
	if err != nil {
		return nil, err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	err = w.outbox(l).Repair(context.Background(), func(f ledger.Finding) { mended = append(mended, f) })
	return mended, err
}

// unmarked are the messages that the partner has and that would be sent as if he could
// not have them.
func unmarked(w *world) (problems []string) {
	for id, t := range look(w).transfers {
		_, had := w.partner.bodies[as2.StripID(t.MessageID)]
		switch {
		case !had || t.Verdict != ledger.VerdictNone:
		case t.State == ledger.StateClaiming || t.State == ledger.StateClaimed:
			problems = append(problems, fmt.Sprintf("the partner has %s, and it would be sealed anew", id))
		case t.State == ledger.StateSealed && !t.Unknown:
			problems = append(problems, fmt.Sprintf("the partner has %s, and it would be posted without a mark", id))
		}
	}
	return problems
}

// afterRepair runs the agent to its end and holds the final rules against what is there
// then. What the partner saw may be more than what is on record, and a wish for a retry
// may have been lost with the ledger. Attempts from before the loss, or before a retry, are on
// record and do not count against the limit of those that follow.
func afterRepair(w *world, verdict ledger.Verdict, deliveries int) (problems []string) {
	problems = unmarked(w)
	if err := run(w); err != nil {
		return append(problems, "the run ended with: "+err.Error())
	}
	if verdict == retried {
		verdict = ledger.VerdictAccepted
		for _, t := range look(w).transfers {
			if t.Verdict == ledger.VerdictGaveUp {
				verdict = ledger.VerdictGaveUp
			}
		}
	}
	for _, p := range final(verdict, deliveries)(w) {
		if !strings.HasPrefix(p, "O4: the partner saw") && !strings.Contains(p, "attempts count, and it says") {
			problems = append(problems, p)
		}
	}
	return problems
}

// retried means: given up at first, posted again by the wish of an operator, and accepted.
const retried ledger.Verdict = "retried"

// The agent ends at any moment, and its ledger is lost, or that of any earlier moment is
// put back. After a repair everything ends as if nothing had happened: nothing is sent
// under another Message-ID or with other bytes, nothing that the partner may have is sent
// again without a mark, every file is where it belongs, check is clean.
func TestRepairMatrix(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, c := range map[string]struct {
		answers    []answer
		verdict    ledger.Verdict
		deliveries int
	}{
		"accepted":                     {[]answer{accept}, ledger.VerdictAccepted, 1},
		"rejected":                     {[]answer{reject}, ledger.VerdictRejected, 0},
		"the answer gets lost":         {[]answer{lose, accept}, ledger.VerdictAccepted, 1},
		"busy for ever":                {[]answer{busy}, ledger.VerdictGaveUp, 0},
		"given up and retried":         {[]answer{lose, lose, lose, lose, accept}, retried, 1},
		"async":                        {[]answer{later}, ledger.VerdictAccepted, 1},
		"async, receipt after the end": {[]answer{withhold}, ledger.VerdictAccepted, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(c.answers...)
			w.async = c.answers[0] >= later
			if c.answers[0] == withhold {
				w.attempts = 2
			}
			m := losses{verdict: c.verdict, deliveries: c.deliveries}
			m.all(w)
			t.Logf("%d cases, %d repairs", m.cases, m.repairs)
			for _, p := range m.problems {
				t.Error(p)
			}
			if m.repairs == 0 {
				t.Error("nothing was ever repaired")
			}
		})
	}
}

// The matrix reports a program that posts what its folder does not know to be sealed.
func TestRepairMatrixReportsMutations(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	t.Parallel()
	w := newWorld(lose, accept)
	w.mutate.steps = func(o *Outbox) {
		o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
			if err := o.seal(ctx, t); err != nil {
				return err
			}
			before := *t
			before.State, before.Sealed = ledger.StateClaiming, nil
			return o.writeTransfer(&before, o.work(t), nil)
		}
	}
	m := losses{verdict: ledger.VerdictAccepted, deliveries: 1}
	if m.all(w); len(m.problems) == 0 {
		t.Error("nothing was noticed")
	}
}

// lossStride is how many moments of a run are passed over between two losses, and
// halfStride how many of a repair between two power cuts.
const (
	lossStride = 17
	halfStride = 31
)

// losses loses the ledger at every moment of a run.
type losses struct {
	verdict        ledger.Verdict
	deliveries     int
	cases, repairs int
	problems       []string
}

// all ends with the first problem.
func (m *losses) all(w *world) {
	moments := momentsOf(w, m.verdict == retried)
	for i := 0; i < len(moments); i += lossStride {
		// The ledger is lost, or that of this moment is put back, of the one before, and of
		// two from long before.
		for _, back := range []int{-1, 0, 1, 30, 140} {
			if back > i {
				continue
			}
			m.lose(i, fmt.Sprintf("stopped %s, ledger of %d before", moments[i].label, back), func() *world {
				after := moments[i].On(moments[i].disk.Clone()).(*world)
				var old *simdisk.Disk
				if back >= 0 {
					old = moments[i-back].disk
				}
				crashtest.PutBack(after.disk, old)
				return after
			})
			if len(m.problems) > 0 {
				return
			}
		}
	}
}

// lose repairs one loss, at once and in two parts.
func (m *losses) lose(i int, where string, lost func() *world) {
	say := func(format string, args ...any) {
		m.problems = append(m.problems, where+": "+fmt.Sprintf(format, args...))
	}
	after := lost()
	mended, err := repair(after)
	if err != nil {
		say("%v", err)
		return
	}
	points := after.disk.Points()
	if again, err := repair(after); err != nil || len(again) > 0 {
		say("a second repair: %v %v", again, err)
	}
	m.cases, m.repairs = m.cases+1, m.repairs+len(mended)
	for _, p := range afterRepair(after, m.verdict, m.deliveries) {
		say("%s; mended: %+v", p, mended)
	}
	if len(mended) == 0 || i/lossStride%3 != 0 {
		return
	}
	for k := i % halfStride; k < len(points); k += halfStride {
		half := lost()
		half.disk.StopAt(points[k])
		_, _ = repair(half) // it runs into the stop
		rest := half.On(half.disk.PowerCut(simdisk.None)).(*world)
		if _, err := repair(rest); err != nil {
			say("cut off at %d: %v", points[k], err)
			continue
		}
		m.cases++
		for _, p := range afterRepair(rest, m.verdict, m.deliveries) {
			say("cut off at %d: %s", points[k], p)
		}
	}
}

// instant is a world as a process leaves it that is killed at a moment.
type instant struct {
	*world
	label string
}

// momentsOf runs an agent to its end and keeps the world at each moment that a kill leaves
// differently.
func momentsOf(w *world, retry bool) (moments []instant) {
	life := func(w *world) {
		must(run(w))
		if retry {
			must(retryAll(w))
			must(run(w))
		}
	}
	counted := w.On(w.disk.Clone()).(*world)
	life(counted)
	labels := counted.disk.Ticks()
	straight := w.On(w.disk.Clone()).(*world)
	for _, n := range counted.disk.Points() {
		straight.disk.At(n, func() {
			moments = append(moments, instant{straight.On(straight.disk.Kill()).(*world), labels[n-1]})
		})
	}
	life(straight)
	return moments
}

// retryAll has every transfer posted again that was given up.
func retryAll(w *world) error {
	l, err := w.openLedger()
	if err != nil {
		return err
	}
	defer func() { l.Close(); w.disk.Release() }() // all was committed
	ctx := context.Background()
	var all []ledger.Transfer
	err = l.View(ctx, func(tx *ledger.Tx) (err error) { all, err = tx.RecentTransfers("acme", time.Time{}, 10); return err })
	for _, t := range all {
		wish := ledger.Wish{ID: "w" + t.ID, Kind: ledger.WishRetry, Transfer: t.ID, By: "me", At: w.now}
		err = errors.Join(err, l.Update(ctx, func(tx *ledger.Tx) error { return tx.AddWish(wish) }), w.outbox(l).Grant(ctx, wish))
	}
	return err
}
