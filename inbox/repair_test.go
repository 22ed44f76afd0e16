package inbox

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

// repair is what an administrator does whose ledger is a copy. It says what was mended.
func repair(w *world) (mended []ledger.Finding, err error) {
	l, err := w.ledger()
	if err != nil {
		return nil, err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	err = w.inbox(l).Repair(context.Background(), "acme", func(f ledger.Finding) { mended = append(mended, f) })
	return mended, err
}

// afterRepair runs to the end, the sender repeating his message if he has no receipt, or
// even if he has one, and holds the final rules against what is there then.
func afterRepair(w *world) (problems []string) {
	for range 2 {
		if err := run(w); err != nil {
			return []string{"the run ended with: " + err.Error()}
		}
		for _, p := range final(w) {
			if !strings.Contains(p, "receipts were posted") { // more than is on record
				problems = append(problems, p)
			}
		}
		// A repeat after the end gets the same receipt, and nothing is delivered again.
		if w.receipt = nil; w.gaveUp || w.refused {
			break
		}
	}
	return problems
}

// lossStride is how many moments are passed over between two losses.
const lossStride = 13

// The process ends at any moment, and its ledger is lost, or that of any earlier moment is
// put back. After a repair a message is delivered once, a repeat gets the same receipt,
// and who was told that we have his message is told what became of it.
func TestRepairMatrix(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	posted := func(answers ...int) *world {
		return newWorld(seal(zipped(batch), later)).with(func(w *world) { w.answers = answers })
	}
	for name, w := range map[string]*world{
		"at once":                     newWorld(seal(zipped(batch), nil)),
		"at once, a folder per batch": newWorld(seal(zipped(batch), nil)).with(perBatch),
		"later":                       posted(200),
		"later, posted twice":         posted(0, 200),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases, repairs, problems := losses(w)
			t.Logf("%d cases, %d repairs", cases, repairs)
			for _, p := range problems {
				t.Error(p)
			}
			if repairs == 0 {
				t.Error("nothing was ever repaired")
			}
		})
	}
}

// The power fails at any moment, one of the changes that were not synced is lost, or all, and the
// ledger with them. After a repair the message is delivered once: a record without the files
// that it names would say that they were taken from the inbox.
func TestRepairAfterAPowerCut(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	w := newWorld(seal(zipped(batch), nil))
	cuts := cutsOf(w)
	t.Logf("%d cases", len(cuts))
	for _, cut := range cuts {
		crashtest.PutBack(cut.disk, nil)
		if _, err := repair(cut.world); err != nil {
			t.Fatalf("%s: %v", cut.label, err)
		}
		if problems := afterRepair(cut.world); len(problems) > 0 {
			t.Errorf("%s: %s", cut.label, strings.Join(problems, "\n"))
		}
	}
	if len(cuts) == 0 {
		t.Error("there was nothing to lose")
	}
}

// cutsOf runs to the end and keeps the world as each power cut leaves the folders of the
// partner, once. What becomes of the ledger is not looked at.
func cutsOf(w *world) (cuts []instant) {
	counted := w.On(w.disk.Clone()).(*world)
	must(run(counted))
	labels := counted.disk.Ticks()
	straight := w.On(w.disk.Clone()).(*world)
	seen := ""
	for _, n := range counted.disk.Points() {
		straight.disk.At(n, func() {
			unsynced := slices.DeleteFunc(straight.disk.Unsynced(), func(c simdisk.Change) bool { return strings.Contains(c.Label, "ledger.db") })
			if fmt.Sprint(unsynced) == seen {
				return
			}
			seen = fmt.Sprint(unsynced)
			cut := func(keep func(simdisk.Change) bool, lost string) {
				cuts = append(cuts, instant{straight.On(straight.disk.PowerCut(keep)).(*world), labels[n-1] + ", lost: " + lost})
			}
			cut(simdisk.None, "all that was not synced")
			for _, lost := range unsynced {
				cut(simdisk.AllBut(lost), lost.Label)
			}
		})
	}
	must(run(straight))
	return cuts
}

// The matrix reports a program whose record is written when everything is in the inbox.
func TestRepairMatrixReportsMutations(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	w := newWorld(seal(zipped(batch), nil))
	w.mutate = func(in *Inbox) {
		in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
			must(fsx.RemoveAll(r.p.Folder, path.Join(incoming(row.ID), recordFile)))
			return in.insert(ctx, r, row)
		}
	}
	if _, _, problems := losses(w); len(problems) == 0 {
		t.Error("nothing was noticed")
	}
}

// losses loses the ledger at every moment of a run. It ends with the first problem.
func losses(w *world) (cases, repairs int, problems []string) {
	moments := momentsOf(w)
	for i := 0; i < len(moments); i += lossStride {
		// The ledger is lost, or that of this moment is put back, of the one before, and of
		// two from long before.
		for _, back := range []int{-1, 0, 1, 40, 200} {
			if back > i {
				continue
			}
			after := moments[i].On(moments[i].disk.Clone()).(*world)
			var old *simdisk.Disk
			if back >= 0 {
				old = moments[i-back].disk
			}
			crashtest.PutBack(after.disk, old)
			half := after.On(after.disk.Clone()).(*world)
			mended, err := repair(after)
			if err != nil {
				problems = append(problems, err.Error())
			}
			if again, err := repair(after); err != nil || len(again) > 0 {
				problems = append(problems, fmt.Sprintf("a second repair: %v %v", again, err))
			}
			cases, repairs = cases+1, repairs+len(mended)
			points := after.disk.Points()
			problems = append(problems, afterRepair(after)...)
			if len(mended) > 0 && i%3 == 0 {
				half.disk.StopAt(points[(i+back)%len(points)/2])
				_, _ = repair(half) // it runs into the stop
				rest := half.On(half.disk.PowerCut(simdisk.None)).(*world)
				if _, err := repair(rest); err != nil {
					problems = append(problems, "in two parts: "+err.Error())
				}
				cases++
				problems = append(problems, afterRepair(rest)...)
			}
			if len(problems) > 0 {
				where := fmt.Sprintf("stopped %s, ledger of %d before: mended %+v", moments[i].label, back, mended)
				return cases, repairs, append(problems, where)
			}
		}
	}
	return cases, repairs, nil
}

// instant is a world as a process leaves it that is killed at a moment.
type instant struct {
	*world
	label string
}

// momentsOf runs to the end and keeps the world at each moment that a kill leaves
// differently.
func momentsOf(w *world) (moments []instant) {
	counted := w.On(w.disk.Clone()).(*world)
	must(run(counted))
	labels := counted.disk.Ticks()
	straight := w.On(w.disk.Clone()).(*world)
	for _, n := range counted.disk.Points() {
		straight.disk.At(n, func() {
			moments = append(moments, instant{straight.On(straight.disk.Kill()).(*world), labels[n-1]})
		})
	}
	must(run(straight))
	return moments
}
