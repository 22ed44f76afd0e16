package outbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

// The power fails at any moment of a run, any of the changes that were not synced are lost,
// and the ledger with them, or that of an earlier commit is put back. After a repair
// everything ends as if nothing had happened, see TestRepairMatrix: a record that has its
// name while files that it speaks of have lost theirs, or have their old ones too, misleads nobody.
func TestRepairAfterAPowerCut(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, c := range powerCuts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases, problems := c.all()
			t.Logf("%d cases", cases)
			for _, p := range problems {
				t.Error(p)
			}
			if cases == 0 {
				t.Error("there was nothing to lose")
			}
		})
	}
}

// powerCut is a run during which the power fails.
type powerCut struct {
	world      *world
	set        func(*world)
	verdict    ledger.Verdict
	deliveries int
	until      string // part of the label of a moment, up to which it fails; empty = to the end
}

func powerCuts() map[string]powerCut {
	one := func(content string) *world { return newWorldOf(map[string]string{"INV-1.xml": content}, accept) }
	large := make([]byte, aheadUpTo+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(large) // it never fails
	return map[string]powerCut{
		"sealed ahead":                  {world: one("<Invoice/>"), set: func(w *world) { w.beside = firstFirst }, verdict: ledger.VerdictAccepted, deliveries: 1},
		"sealed ahead, the last first":  {world: one("<Invoice/>"), set: func(w *world) { w.beside = lastFirst }, verdict: ledger.VerdictAccepted, deliveries: 1, until: "mark post"},
		"sealed in its step":            {world: one(string(large)), verdict: ledger.VerdictAccepted, deliveries: 1},
		"the old name is the last one":  {world: newWorld(accept), set: lazy(outboxDir), verdict: ledger.VerdictAccepted, deliveries: 1, until: "mark post"},
		"a batch, too large to be kept": {world: newWorld(accept), set: func(w *world) { w.set = func(p *Partner) { p.EvidenceUpTo = 10 } }, verdict: ledger.VerdictAccepted, deliveries: 1},
		"two, filed together": {world: newWorldOf(map[string]string{"INV-1.xml": "<Invoice>1</Invoice>", "INV-2.xml": "<Invoice>2</Invoice>"}, accept),
			set: func(w *world) { w.together = true }, verdict: ledger.VerdictAccepted, deliveries: 2},
		"changed by a hook":            {world: withHooks(changing, accept), verdict: ledger.VerdictAccepted, deliveries: 1},
		"refused":                      {world: withHooks(refusingAll, accept), verdict: ledger.VerdictRefused},
		"rejected":                     {world: newWorld(reject), verdict: ledger.VerdictRejected},
		"the answer gets lost":         {world: newWorld(lose, accept), verdict: ledger.VerdictAccepted, deliveries: 1},
		"no answer at all":             {world: newWorld(lose), verdict: ledger.VerdictGaveUp, deliveries: 1},
		"given up and retried":         {world: newWorld(lose, lose, lose, accept), verdict: retried, deliveries: 1},
		"async":                        {world: newWorld(later), set: func(w *world) { w.async = true }, verdict: ledger.VerdictAccepted, deliveries: 1},
		"async, receipt after the end": {world: newWorld(withhold), set: func(w *world) { w.async, w.attempts = true, 1 }, verdict: ledger.VerdictAccepted, deliveries: 1},
	}
}

// lazy leaves the names in a folder to chance.
func lazy(folder string) func(*world) {
	return func(w *world) {
		w.mutate.fs = func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == folder }}
		}
	}
}

// onceInWork syncs the folders in .work once, when the members have their names, and not again.
func onceInWork(w *world) {
	w.beside = firstFirst
	w.mutate.fs = func(f fsx.FS) fsx.FS {
		syncs := 0
		return crashtest.Lazy{FS: f, Dir: func(n string) bool {
			if strings.HasPrefix(n, workDir+"/") {
				syncs++
			}
			return strings.HasPrefix(n, workDir+"/") && syncs > 1
		}}
	}
}

func (c powerCut) live(w *world) {
	must(run(w))
	if c.verdict == retried {
		must(retryAll(w))
		must(run(w))
	}
}

// all repairs what each power cut leaves, and ends with the first that goes wrong.
func (c powerCut) all() (cases int, problems []string) {
	for _, cut := range c.cuts() {
		cases++
		mended, err := repair(cut.world)
		if err != nil {
			return cases, []string{cut.label + ": " + err.Error()}
		}
		if again, err := repair(cut.world); err != nil || len(again) > 0 {
			problems = append(problems, fmt.Sprintf("%s: a second repair: %v %v", cut.label, err, again))
		}
		verdict := c.verdict
		if verdict == retried && cut.partner.posts > cut.policy().Attempts {
			verdict = ledger.VerdictAccepted // the folder tells that it was to be posted again
		}
		for _, p := range afterRepair(cut.world, verdict, c.deliveries) {
			problems = append(problems, fmt.Sprintf("%s: %s; mended: %+v", cut.label, p, mended))
		}
		if len(problems) > 0 {
			break
		}
	}
	return cases, problems
}

// cuts runs to the end and keeps the world as each power cut leaves it, once, without a ledger
// and every second time with an older one too.
func (c powerCut) cuts() (cuts []instant) {
	if c.set != nil {
		c.set(c.world)
	}
	counted := c.world.On(c.world.disk.Clone()).(*world)
	c.live(counted)
	labels, points := counted.disk.Ticks(), counted.disk.Points()
	if c.until != "" {
		points = points[:slices.IndexFunc(points, func(n int) bool { return strings.Contains(labels[n-1], c.until) })]
	}
	straight := c.world.On(c.world.disk.Clone()).(*world)
	seen := map[string]bool{}
	var ledgers []*simdisk.Disk // as each commit leaves it
	committed := false
	keep := func(l loss, label string) {
		cut := func() *world { return straight.On(straight.disk.PowerCut(l.keep)).(*world) }
		lost := cut()
		crashtest.PutBack(lost.disk, nil)
		state := fmt.Sprintf("%x %s", lost.disk.Sum(), lost.Memory())
		if seen[state] {
			return
		}
		seen[state] = true
		cuts = append(cuts, instant{lost, fmt.Sprintf("%s, lost: the ledger, %s", label, l.lost)})
		if n := len(seen); n%2 == 0 && len(ledgers) > 0 {
			older, i := cut(), n/2%len(ledgers)
			crashtest.PutBack(older.disk, ledgers[i])
			cuts = append(cuts, instant{older, fmt.Sprintf("%s, ledger of commit %d, lost: %s", label, i, l.lost)})
		}
	}
	for _, n := range points {
		straight.disk.At(n, func() {
			if committed {
				ledgers = append(ledgers, straight.disk.Kill())
			}
			committed = strings.Contains(labels[n-1], "before sync ledger.db-wal")
			for _, l := range losing(straight.disk.Unsynced()) {
				keep(l, labels[n-1])
			}
		})
	}
	c.live(straight)
	return cuts
}

// loss is what a power cut may leave out.
type loss struct {
	lost string
	keep func(simdisk.Change) bool
}

// losing are ways to lose changes that were not synced: none, all, each, each two, and all but
// one. Those of the ledger are kept.
func losing(unsynced []simdisk.Change) (ways []loss) {
	unsynced = slices.DeleteFunc(unsynced, func(c simdisk.Change) bool { return strings.Contains(c.Label, "ledger.db") })
	without := func(lost ...simdisk.Change) {
		labels := make([]string, len(lost))
		for i, c := range lost {
			labels[i] = c.Label
		}
		ways = append(ways, loss{strings.Join(labels, ", "), func(c simdisk.Change) bool {
			return !slices.ContainsFunc(lost, func(l simdisk.Change) bool { return l.Seq == c.Seq })
		}})
	}
	without()
	without(unsynced...)
	for i, c := range unsynced {
		without(c)
		without(slices.Delete(slices.Clone(unsynced), i, i+1)...)
		for _, other := range unsynced[i+1:] {
			without(c, other)
		}
	}
	return ways
}

// withoutItsMessage is a world in which a power cut has left a record that says sealed, and no
// message. The ledger says claimed.
func (c powerCut) withoutItsMessage() (left *world) {
	w := c.world
	counted := w.On(w.disk.Clone()).(*world)
	c.live(counted)
	labels := counted.disk.Ticks()
	straight := w.On(w.disk.Clone()).(*world)
	for _, n := range counted.disk.Points() {
		straight.disk.At(n, func() {
			unsynced := straight.disk.Unsynced()
			lost := slices.IndexFunc(unsynced, func(c simdisk.Change) bool {
				return strings.HasPrefix(c.Label, "create ") && strings.HasSuffix(c.Label, "/"+messageFile)
			})
			if lost >= 0 && strings.HasPrefix(labels[n-1], "before syncdir acme/"+workDir+"/") {
				left = straight.On(straight.disk.PowerCut(simdisk.AllBut(unsynced[lost]))).(*world)
			}
		})
	}
	c.live(straight)
	return left
}

// The next process has its ledger, makes the message anew, and ends anywhere before it is
// posted; then the ledger is lost. The record and the other message beside it prove nothing.
func TestRepairWhileAMessageIsMadeAnew(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	c := powerCuts()["sealed in its step"]
	w := c.withoutItsMessage()
	counted := w.On(w.disk.Clone()).(*world)
	c.live(counted)
	labels, points := counted.disk.Ticks(), counted.disk.Points()
	straight := w.On(w.disk.Clone()).(*world)
	seen := map[string]bool{}
	for _, n := range points[:slices.IndexFunc(points, func(n int) bool { return strings.Contains(labels[n-1], "mark post") })] {
		straight.disk.At(n, func() {
			killed := straight.On(straight.disk.Kill()).(*world)
			crashtest.PutBack(killed.disk, nil)
			state := fmt.Sprintf("%x", killed.disk.Sum())
			if seen[state] {
				return
			}
			seen[state] = true
			if _, err := repair(killed); err != nil {
				t.Errorf("%s: %v", labels[n-1], err)
			}
			for _, p := range afterRepair(killed, c.verdict, c.deliveries) {
				t.Errorf("%s: %s", labels[n-1], p)
			}
		})
	}
	c.live(straight)
	t.Logf("%d cases", len(seen))
}

// The time that the ledger was away is not that of a transfer whose claim is taken up again.
func TestRepairGivesTimeAgain(t *testing.T) {
	w := powerCuts()["sealed in its step"].withoutItsMessage()
	crashtest.PutBack(w.disk, nil)
	w.now = w.now.Add(w.policy().GiveUpAfter * 2)
	if _, err := repair(w); err != nil {
		t.Fatal(err)
	}
	for id, tr := range look(w).transfers {
		if tr.State != ledger.StateClaiming || !tr.Deadline.After(w.now) {
			t.Errorf("%s is %s, and is tried until %v", id, tr.State, tr.Deadline)
		}
	}
}

// The test must report each of these.
func TestRepairAfterAPowerCutReportsMutations(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, set := range map[string]func(*world){
		"posted before message and record have their names":     onceInWork,
		"posted before the file has left the outbox":            lazy(outboxDir),
		"the message moves where the folder may not come to be": lazy(evidenceDir),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := powerCuts()["sealed ahead"]
			c.set = set
			if cases, problems := c.all(); len(problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", cases)
			} else {
				t.Logf("noticed: %s", problems[0])
			}
		})
	}
}
