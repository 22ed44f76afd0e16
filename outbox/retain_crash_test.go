package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

var everything = Rules{Sent: rule("sent", 90), Evidence: rule("evidence", 92), History: rule("history", 90)}

// agedWorld is one in which a transfer was filed long ago, beside a folder that is none of
// ours.
func agedWorld() *world {
	w := newWorld(accept)
	must(run(w))
	w.write(path.Join(sentDir, "2026-11-23", "notes.txt"), "mine")
	w.disk.SyncAll()
	w.now = w.now.Add(100 * day)
	return w
}

// retire is the life of an agent whose time for retention has come.
func retire(cw crashtest.World) error {
	w := cw.(*world)
	l, err := w.openLedger()
	if err != nil {
		return err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	o := w.outbox(l)
	if err := o.Recover(context.Background()); err != nil {
		return err
	}
	if err := w.disk.Tick("retention"); err != nil {
		return err
	}
	var errs []error
	run := o.Retention(everything)
	for again := true; again; {
		again, err = run.Step(context.Background(), 10)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// decent are the rules at every moment: what retention has not recorded as begun is whole,
// the folder in sent is whole or not there, and the ledger has lost nothing that it must
// keep.
func decent(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	s := look(w)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if len(s.transfers) != 1 {
		say("%d transfers", len(s.transfers))
	}
	for id, tr := range s.transfers {
		if tr.MessageID == "" || len(tr.Receipt) == 0 || !strings.Contains(string(tr.Sealed), `"mics":[{`) || tr.Verdict != ledger.VerdictAccepted || tr.Members[0].SHA256 == "" {
			say("the ledger has lost something: %+v", tr)
		}
		begun := func(what ledger.Thing) bool { return ledger.Gone(tr.Removed, what) != nil }
		folder := 0
		names := []string{"INV-1.xml", "INV-1_scan.pdf", transferFile, receiptFile}
		for _, name := range names {
			if s.tree["acme/"+tr.FilePath+"/"+name] {
				folder++
			}
		}
		if folder != len(names) && (folder > 0 || !begun(ledger.ThingSent)) {
			say("%d of %d files in %s, begun: %v", folder, len(names), tr.FilePath, begun(ledger.ThingSent))
		}
		evidence := "acme/" + evidenceDir + "/" + id + "/"
		if !s.tree[evidence+messageFile] && !begun(ledger.ThingEvidence) {
			say("the message is gone")
		}
		if !s.tree[evidence+transferFile] && !begun(ledger.ThingEvidence) {
			say("evidence is gone")
		}
		for _, r := range tr.Removed {
			if r.Done.IsZero() {
				continue
			}
			if r.What == ledger.ThingSent && (folder > 0 || len(s.work) > 0) || r.What == ledger.ThingEvidence && s.tree[strings.TrimSuffix(evidence, "/")] {
				say("%s is said to be gone: %d files, .work %v", r.What, folder, s.work)
			}
		}
	}
	if !s.tree["acme/sent/2026-11-23/notes.txt"] {
		say("a file of somebody else is gone")
	}
	return problems
}

func retired(cw crashtest.World) []string {
	problems := decent(cw)
	w := cw.(*world)
	s := look(w)
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // only read from
	o := w.outbox(l)
	for _, tr := range s.transfers {
		if s.tree["acme/"+tr.FilePath] || s.tree["acme/"+evidenceDir+"/"+tr.ID] || len(s.attempts[tr.ID]) > 0 || len(tr.Removed) != 3 || len(s.work) > 0 {
			problems = append(problems, fmt.Sprintf("left: %v, %d attempts, .work %v", tr.Removed, len(s.attempts[tr.ID]), s.work))
		}
	}
	findings, err := o.Check(context.Background())
	if err != nil || len(findings) != 1 || !strings.HasSuffix(findings[0].Path, "notes.txt") {
		problems = append(problems, fmt.Sprintf("check: %v %v", findings, err))
	}
	must(l.View(context.Background(), func(tx *ledger.Tx) error {
		events, err := tx.RecentEvents("acme", 100)
		for _, what := range []string{"folders from sent", "folders of evidence"} {
			told := 0
			for _, e := range events {
				if e.Code == "retention" && strings.Contains(e.Text, "1 "+what) {
					told++
				}
			}
			if told != 1 {
				problems = append(problems, fmt.Sprintf("%d events tell of %s", told, what))
			}
		}
		return err
	}))
	return problems
}

func retentionScenario() crashtest.Scenario {
	return crashtest.Scenario{Run: retire, Standing: decent, Final: retired, Faults: true, After: "mark retention"}
}

func TestRetentionInTheCrashMatrix(t *testing.T) {
	t.Parallel()
	r := crashtest.Matrix(agedWorld(), retentionScenario())
	t.Logf("%d cases of %d", r.Cases, r.Left)
	for _, p := range r.Problems {
		t.Error(p)
	}
}

// The matrix must notice each of these.
func TestMatrixReportsMutationsOfRetention(t *testing.T) {
	crashtest.NeedsAllPoints(t)
	for name, mutate := range map[string]func(fsx.FS) fsx.FS{
		"removed where it is seen": func(f fsx.FS) fsx.FS { return inPlace{f} },
		"no sync of the folder it is moved to": func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == workDir }}
		},
		"no sync of the evidence": func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == evidenceDir }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := agedWorld()
			w.mutate.fs = mutate
			s := retentionScenario()
			s.Faults, s.Enough = false, 1
			r := crashtest.Matrix(w, s)
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}

// inPlace removes the files of a filed folder before it is moved away.
type inPlace struct{ fsx.FS }

func (f inPlace) RenameNoReplace(oldname, newname string) error {
	if strings.HasPrefix(oldname, sentDir+"/") {
		if err := f.FS.Remove(path.Join(oldname, "INV-1.xml")); err != nil {
			return err
		}
	}
	return f.FS.RenameNoReplace(oldname, newname)
}
