package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

// state is what the rules look at.
type state struct {
	places    map[string][]string // dropped file -> where it lies
	transfers map[string]ledger.Transfer
	attempts  map[string][]ledger.Attempt
	hooks     map[string][]ledger.OwedHook
	work      []string
	tree      map[string]bool
	sums      map[string]string // file -> SHA-256 of its content
}

func look(w *world) state {
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // only read from
	return lookAt(w, l)
}

func lookAt(w *world, l *ledger.Ledger) state {
	s := state{places: map[string][]string{}, transfers: map[string]ledger.Transfer{}, attempts: map[string][]ledger.Attempt{}, hooks: map[string][]ledger.OwedHook{}, tree: map[string]bool{}, sums: map[string]string{}}
	for name, entry := range w.disk.Tree() {
		s.tree[name], s.sums[name] = true, entry.SHA256
		base := path.Base(name)
		if _, ok := w.dropped[base]; ok && path.Base(path.Dir(name)) != changedDir && !strings.Contains(name, "/"+hookPart+"/") {
			s.places[base] = append(s.places[base], strings.TrimPrefix(name, "acme/"))
		}
		if rest, ok := strings.CutPrefix(name, "acme/.work/"); ok && !strings.Contains(rest, "/") {
			s.work = append(s.work, rest)
		}
	}
	must(l.View(context.Background(), func(tx *ledger.Tx) error {
		ts, err := tx.RecentTransfers("acme", time.Time{}, 100)
		for _, t := range ts {
			s.transfers[t.ID] = t
			as, aerr := tx.Attempts(t.ID)
			hooks, herr := tx.HooksOf(t.ID)
			err = errors.Join(err, aerr, herr)
			s.attempts[t.ID], s.hooks[t.ID] = as, hooks
		}
		return err
	}))
	return s
}

// standing are the rules O1 to O6 of DESIGN.md, before any recovery.
func standing(cw crashtest.World) []string {
	w := cw.(*world)
	return standingOf(w, look(w))
}

func standingOf(w *world, s state) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	ids := w.disk.Tree()
	for name, content := range w.dropped {
		places := s.places[name]
		same := len(places) == 2 && ids["acme/"+places[0]].ID == ids["acme/"+places[1]].ID // between the halves of a move
		if len(places) != 1 && !same {
			say("O1: %s lies in %v", name, places)
		}
		for _, p := range places {
			// What lies in the outbox is as durable as its writer made it.
			if !strings.HasPrefix(p, outboxDir) && ids["acme/"+p].SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(content))) {
				say("O1: %s has lost its content", p)
			}
			root, _, _ := strings.Cut(p, "/")
			if root == sentDir || root == failedDir {
				t := s.transfers[p[strings.LastIndex(path.Dir(p), ".")+1:strings.LastIndex(p, "/")]]
				late := t.RefileFrom == path.Dir(p) && root == failedDir // on its way to sent
				if t.Verdict == ledger.VerdictNone || t.Verdict.Sent() != (root == sentDir) && !late {
					say("O5: %s, and the verdict is %q", p, t.Verdict)
				}
				if t.Verdict == ledger.VerdictAccepted && len(t.Receipt) == 0 {
					say("O5: %s is accepted without a receipt", p)
				}
			}
		}
	}
	for name := range s.tree {
		rest, ok := strings.CutPrefix(name, "acme/.work/")
		if id, _, below := strings.Cut(rest, "/"); ok && below && s.transfers[id].ID == "" {
			say("O2: %s is of no transfer in the ledger", name)
		}
	}
	posted := 0
	for id, as := range s.attempts {
		open, counted := 0, 0
		for _, a := range as {
			posted++
			if a.Outcome == ledger.OutcomeOpen {
				open++
			}
			if a.Counted {
				counted++
			}
		}
		if counted != s.transfers[id].Attempts {
			say("O4: %s: %d attempts count, and it says %d", id, counted, s.transfers[id].Attempts)
		}
		if open > 1 {
			say("O4: %s has %d open attempts", id, open)
		}
	}
	if w.partner.posts > posted {
		say("O4: the partner saw %d posts, %d attempts are on record", w.partner.posts, posted)
	}
	for id := range w.partner.taken {
		if problem := receiptTaken(s, id); problem != "" {
			say("O6: a receipt was answered with 200, and %s", problem)
		}
	}
	for _, id := range w.partner.changed {
		say("O3: %s came again with other bytes", id)
	}
	for _, n := range w.partner.delivered {
		if n > 1 {
			say("O3: delivered %d times under different Message-IDs", n)
		}
	}
	return problems
}

// receiptTaken says what is missing of a receipt that the partner believes to be ours.
func receiptTaken(s state, messageID string) string {
	for id, t := range s.transfers {
		if as2.StripID(t.MessageID) != messageID {
			continue
		}
		if !t.Verdict.Sent() || len(t.Receipt) == 0 {
			return fmt.Sprintf("the verdict is %q", t.Verdict)
		}
		for name, sum := range s.sums {
			x, ok := strings.CutPrefix(name, "acme/.evidence/"+id+"/"+receiptPrefix)
			if x, whole := strings.CutSuffix(x, httpSuffix); ok && whole && strings.HasPrefix(sum, x) {
				return ""
			}
		}
		return "it is not whole in the evidence"
	}
	return "no transfer is in the ledger"
}

// final are the rules at the end.
func final(verdict ledger.Verdict, deliveries int) func(crashtest.World) []string {
	return func(cw crashtest.World) (problems []string) {
		w := cw.(*world)
		l := w.ledger()
		defer func() { l.Close(); w.disk.Release() }() // only read from
		s := lookAt(w, l)
		problems = standingOf(w, s)
		say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
		total := 0
		for _, n := range w.partner.delivered {
			total += n
		}
		if total != deliveries {
			say("delivered %d times, want %d", total, deliveries)
		}
		if len(s.work) > 0 {
			say("O9: left in .work: %v", s.work)
		}
		filed := map[string]int{}
		for _, t := range s.transfers {
			if t.State == ledger.StateUndone {
				continue
			}
			if t.State != ledger.StateFiled || t.Verdict != verdict && !(verdict == ledger.VerdictAccepted && t.Verdict == ledger.VerdictReceiptLost) {
				say("%s is %s, verdict %q, want %q: %s", t.ID, t.State, t.Verdict, verdict, t.Reason)
			}
			for _, m := range t.Members {
				if _, ok := w.dropped[m.Name]; !ok || !s.tree["acme/"+t.FilePath+"/"+m.Name] {
					say("%s is not in %s", m.Name, t.FilePath)
				}
				filed[m.Name]++
			}
			if problem := evidenceLacks(w, s, &t); problem != "" {
				say("%s: %s", t.ID, problem)
			}
			if receipt := "acme/" + t.FilePath + "/" + receiptFile; len(t.Receipt) > 0 && s.sums[receipt] != fmt.Sprintf("%x", sha256.Sum256(t.Receipt)) {
				say("%s is not the receipt", receipt)
			}
			if why := s.tree["acme/"+t.FilePath+"/"+whyFile]; why == verdict.Sent() {
				say("WHY.txt in %s: %v", t.FilePath, why)
			}
		}
		for name := range w.dropped {
			if filed[name] != 1 {
				say("%s is in %d transfers", name, filed[name])
			}
		}
		for name := range s.tree {
			if strings.HasSuffix(name, ".part") {
				say("left over: %s", name)
			}
		}
		for id, as := range s.attempts {
			for _, a := range as {
				if a.Outcome == ledger.OutcomeOpen || a.Outcome == ledger.OutcomeWaiting {
					say("O4: attempt %d of %s is still %s", a.N, id, a.Outcome)
				}
			}
		}
		if len(w.partner.owed) > 0 {
			say("%d receipts were not taken", len(w.partner.owed))
		}
		findings, err := w.outbox(l).Check(context.Background())
		if err != nil || len(findings) > 0 {
			say("check: %v %v", findings, err)
		}
		return problems
	}
}

// evidenceLacks says what is missing of the message in the evidence of a filed transfer.
func evidenceLacks(w *world, s state, t *ledger.Transfer) string {
	if len(t.Sealed) == 0 || w.set != nil {
		return ""
	}
	var sealed as2.Sealed
	must(json.Unmarshal(t.Sealed, &sealed))
	if sum := s.sums["acme/.evidence/"+t.ID+"/"+messageFile]; sum != sealed.SHA256 {
		return fmt.Sprintf("the message in the evidence has the digest %q, that which was sealed %q", sum, sealed.SHA256)
	}
	return ""
}

func TestCrashMatrix(t *testing.T) {
	for name, c := range map[string]struct {
		answers    []answer
		verdict    ledger.Verdict
		deliveries int
		every      int
		faults     bool
	}{
		"accepted":             {[]answer{accept}, ledger.VerdictAccepted, 1, 60, true},
		"rejected":             {[]answer{reject}, ledger.VerdictRejected, 0, 0, false},
		"the answer gets lost": {[]answer{lose, accept}, ledger.VerdictAccepted, 1, 0, false},
		"busy at first":        {[]answer{busy, accept}, ledger.VerdictAccepted, 1, 0, false},
		"busy for ever":        {[]answer{busy}, ledger.VerdictGaveUp, 0, 0, false},
		"no answer at all":     {[]answer{lose}, ledger.VerdictGaveUp, 1, 0, false},

		"async":                         {[]answer{later}, ledger.VerdictAccepted, 1, 0, true},
		"async, receipt before the 200": {[]answer{early}, ledger.VerdictAccepted, 1, 0, false},
		"async, receipt after the end":  {[]answer{withhold}, ledger.VerdictAccepted, 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(c.answers...)
			w.async = c.answers[0] >= later
			if c.answers[0] == withhold {
				w.attempts = 2
			}
			s := crashtest.Scenario{Run: run, Standing: standing, Final: final(c.verdict, c.deliveries), Every: c.every, Faults: c.faults}
			if name != "accepted" {
				s.After = "mark post" // up to there they are the same
			}
			r := crashtest.Matrix(w, s)
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// What is done at the same time may be done in any order: in TestCrashMatrix call by call by
// turns, here one after the other.
func TestCrashMatrixOfWhatIsDoneAtOnce(t *testing.T) {
	for name, order := range map[string]beside{"the first first": firstFirst, "the last first": lastFirst} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(accept)
			w.beside = order
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: final(ledger.VerdictAccepted, 1), Until: "mark post", Faults: true})
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// More lies in the outbox than is claimed at once. It stops while two batches are claimed
// in one commit, and while the rest is claimed after the first of them was filed.
func TestCrashMatrixOfABacklog(t *testing.T) {
	for name, c := range map[string]struct {
		ahead        int
		after, until string
	}{
		"two claimed at once": {2, "", "mark post"},
		"the rest claimed":    {1, "mark answer", "mark post"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(map[string]string{"INV-1.xml": "<Invoice>1</Invoice>", "INV-2.xml": "<Invoice>2</Invoice>"}, accept)
			w.set = func(p *Partner) { p.Ahead = c.ahead }
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: final(ledger.VerdictAccepted, 2), After: c.after, Until: c.until})
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// Several transfers are filed together, and it stops anywhere.
func TestCrashMatrixOfFilingTogether(t *testing.T) {
	for name, answers := range map[string][]answer{"accepted": {accept}, "async": {later}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(map[string]string{"INV-1.xml": "<Invoice>1</Invoice>", "INV-2.xml": "<Invoice>2</Invoice>"}, answers...)
			w.async, w.together = answers[0] >= later, true
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: final(ledger.VerdictAccepted, 2), After: "mark answer", Faults: name == "accepted"})
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// A process dies when it has moved a folder into sent and not synced that; the next one
// finds it there. What the next one commits must hold through a power cut.
func TestFolderThatWasMovedBeforeIsSynced(t *testing.T) {
	w := newWorld(accept)
	straight := w.On(w.disk.Clone())
	must(run(straight))
	labels := straight.Disk().Ticks()
	point := 0
	for _, n := range straight.Disk().Points() {
		if strings.HasPrefix(labels[n-1], "before syncdir acme/"+sentDir+"/") {
			point = n
		}
	}
	if point == 0 {
		t.Fatal("no such moment")
	}
	stopped := w.On(w.disk.Clone())
	stopped.Disk().StopAt(point)
	_ = run(stopped) // it runs into the stop
	next := stopped.On(stopped.Disk().Kill())
	must(run(next))
	for _, p := range final(ledger.VerdictAccepted, 1)(next.On(next.Disk().PowerCut(simdisk.None))) {
		t.Error(p)
	}
}

// bold renames over what is there.
type bold struct{ fsx.FS }

func (b bold) RenameNoReplace(oldname, newname string) error {
	if info, err := b.Lstat(newname); err == nil && !info.IsDir() {
		return b.Replace(oldname, newname)
	}
	return b.FS.RenameNoReplace(oldname, newname)
}

// racing drops another file of the name just before a member goes back to the outbox.
type racing struct {
	fsx.FS
	w *world
}

func (r racing) RenameNoReplace(oldname, newname string) error {
	if newname == path.Join(outboxDir, "INV-1.xml") {
		r.w.write(newname, "<Other/>")
	}
	return r.FS.RenameNoReplace(oldname, newname)
}

// A claim is undone, and in the moment between the look and the rename the ERP drops a
// file of the same name: both survive. With a rename that overwrites one is lost.
func TestNothingIsOverwritten(t *testing.T) {
	collide := func(mutate func(fsx.FS) fsx.FS) []string {
		w := newWorld(accept)
		w.mutate.fs = func(f fsx.FS) fsx.FS { return racing{mutate(f), w} }
		l := w.ledger()
		o := w.outbox(l)
		ctx := context.Background()
		report, err := o.Scan(ctx, NewObserver())
		must(err)
		_, err = o.Step(ctx, report.Claimed[0]) // claimed
		must(err)
		// A member turns out to have changed.
		w.write(path.Join(workDir, report.Claimed[0], "INV-1_scan.pdf"), "%PDF-1.7 scan, and more of it")
		for range 3 {
			_, err = o.Step(ctx, report.Claimed[0])
			must(err)
		}
		must(l.Close())
		w.disk.Release()
		var sums []string
		for name, e := range w.disk.Tree() {
			if path.Base(name) == "INV-1.xml" {
				sums = append(sums, e.SHA256)
			}
		}
		slices.Sort(sums)
		return sums
	}
	if sums := collide(func(f fsx.FS) fsx.FS { return f }); len(sums) != 2 {
		t.Errorf("of two files of one name %d are left", len(sums))
	}
	if sums := collide(func(f fsx.FS) fsx.FS { return bold{f} }); len(sums) != 1 {
		t.Errorf("an overwriting rename leaves %d files: this test would not notice it", len(sums))
	}
}
