package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/filetype"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// allRules are all checks with their defaults.
func allRules(e checks.Effect) checks.Rules {
	r := checks.Rules{Effects: map[checks.Rule]checks.Effect{}, Types: filetype.Types(), MaxAttachment: 5e6, MaxTotal: 50e6, MaxName: 128}
	var err error
	r.Characters, err = checks.ParseCharacters(checks.PortableCharacters)
	must(err)
	for _, rule := range checks.All() {
		r.Effects[rule] = e
	}
	return r
}

// faulty is a batch that two rules complain of.
var faulty = map[string]string{"INV-1.xml": "<Invoice>", "INV-1_scan.pdf": "MZ\x90\x00"}

func beginFaulty(t *testing.T, e checks.Effect, answers ...answer) (*world, *Outbox) {
	w := checked(e)
	w.answers = answers
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	return w, w.outbox(l)
}

// A refused batch is never posted. WHY.txt has everything that was found, with the file,
// the rule, the place, and what to do.
func TestChecksRefuse(t *testing.T) {
	w, o := beginFaulty(t, checks.Refuse, accept)
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictRefused)
	if w.partner.posts != 0 || tr.Posts != 0 {
		t.Error("it was posted")
	}
	if !strings.HasPrefix(tr.Reason, "outbox.checks: well_formed_xml: INV-1.xml: line 1, column 10: ") || !strings.HasSuffix(tr.Reason, ", and 1 more") {
		t.Errorf("the reason is %s", tr.Reason)
	}
	why := whyOf(t, o, tr)
	for _, want := range []string{
		"INV-1.xml was not delivered to acme", "Verdict: refused", "Posted:  never",
		"refuses: types: INV-1_scan.pdf: its name says PDF, and its content is a Windows program\n", "-> send the file that was meant",
		"refuses: well_formed_xml: INV-1.xml: line 1, column 10: ", "change outbox.checks in the config", "as2drop retry " + id,
	} {
		if !strings.Contains(why, want) {
			t.Errorf("%q is not in it:\n%s", want, why)
		}
	}
	if got := codes(t, o, id); got != "alarm failed" {
		t.Errorf("events: %s", got)
	}
	clean(t, o)
}

// After the config was corrected, retry makes a new transfer of the files, and its checks
// are those of then. So it does after the files were corrected where they are filed.
func TestRetryOfARefusedBatch(t *testing.T) {
	for name, correct := range map[string]func(*Outbox, ledger.Transfer){
		"the config": func(o *Outbox, _ ledger.Transfer) { o.p.Checks = allRules(checks.Off) },
		"the files": func(o *Outbox, tr ledger.Transfer) {
			must(fsx.Rewrite(o.p.Folder, path.Join(tr.FilePath, "INV-1.xml"), filePerm, []byte("<Invoice/>")))
			must(fsx.Rewrite(o.p.Folder, path.Join(tr.FilePath, "INV-1_scan.pdf"), filePerm, []byte("%PDF-1.7")))
		},
		"nothing": func(*Outbox, ledger.Transfer) {},
	} {
		w, o := beginFaulty(t, checks.Refuse, accept)
		id := scan(t, o).Claimed[0]
		carry(t, o, id)
		old := filed(t, o, id, ledger.VerdictRefused)
		correct(o, old)
		grantWish(t, o, ledger.WishRetry, id)
		next := row(t, o, row(t, o, id).RetriedAs)
		carry(t, o, next.ID)
		if name == "nothing" {
			filed(t, o, next.ID, ledger.VerdictRefused)
		} else if tr := filed(t, o, next.ID, ledger.VerdictAccepted); len(tr.Objections) > 0 || tr.MessageID == old.MessageID || tr.RetryOf != id || w.partner.posts != 1 {
			t.Errorf("%s: %+v, %d posts", name, tr, w.partner.posts)
		}
		clean(t, o)
	}
}

// A warning is one event, however often the message had to be made, and the batch goes on.
func TestChecksWarn(t *testing.T) {
	_, o := beginFaulty(t, checks.Warn, accept)
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	// Sealing fails after the checks, twice.
	real := o.p.Folder
	for range 2 {
		o.p.Folder = full{real}
		if _, err := o.Step(context.Background(), id); !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
	}
	o.p.Folder = real
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictAccepted)
	if got := codes(t, o, id); got != "warning checks, info sent" {
		t.Errorf("events: %s", got)
	}
	if len(tr.Objections) != 2 || tr.Objections[0].Refuses {
		t.Errorf("%+v", tr.Objections)
	}
	if there, err := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, whyFile)); err != nil || there {
		t.Errorf("WHY.txt in sent: %v %v", there, err)
	}
	clean(t, o)
}

// full has no room.
type full struct{ fsx.FS }

func (full) Free() (uint64, error) { return 0, nil }

// A program goes on writing after its file was claimed: what the checks saw was not the
// file, and nothing is refused. It goes back to the outbox, as from sealing.
func TestChangedWhileItIsChecked(t *testing.T) {
	w, o := beginFaulty(t, checks.Refuse, accept)
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	w.write(path.Join(workDir, id, "INV-1.xml"), "<Invoice></Invoice>")
	carry(t, o, id)
	if tr := row(t, o, id); tr.State != ledger.StateUndone {
		t.Errorf("%s, %s: %s", tr.State, tr.Verdict, tr.Reason)
	}
	clean(t, o)
}

// A stop of the agent ends the checks, and nothing is decided.
func TestChecksAreInterrupted(t *testing.T) {
	_, o := beginFaulty(t, checks.Refuse, accept)
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	o.p.Folder = stoppingFS{o.p.Folder, stop}
	if _, err := o.Step(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if tr := row(t, o, id); tr.State != ledger.StateClaimed || tr.Verdict != "" {
		t.Errorf("%s %s", tr.State, tr.Verdict)
	}
}

// stoppingFS stops the agent when a file is opened.
type stoppingFS struct {
	fsx.FS
	stop func()
}

func (s stoppingFS) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	s.stop()
	return s.FS.OpenFile(name, flag, perm)
}

// Long lists are cut in what people read at once, and say so.
func TestManyObjections(t *testing.T) {
	tr := ledger.Transfer{Document: "INV-1.xml", MoreObjections: 7}
	for i := range 30 {
		tr.Objections = append(tr.Objections, ledger.Objection{Rule: "names", Refuses: i < 20, File: fmt.Sprintf("INV-1 %d.pdf", i), Fact: "has ' '", Next: "rename it"})
	}
	o := &Outbox{p: Partner{Name: "acme"}}
	if d := o.refusal(&tr); d.reason != "outbox.checks: names: INV-1 0.pdf: has ' ', and 19 more" {
		t.Error(d.reason)
	}
	lines := Objections(&tr)
	if len(lines) != 61 || lines[60] != "         and 7 more" || lines[0] != "refuses: names: INV-1 0.pdf: has ' '" || lines[40] != "warns:   names: INV-1 20.pdf: has ' '" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}

// warnedOnce are the final rules of a batch that the checks warn of.
func warnedOnce(cw crashtest.World) []string {
	problems := final(ledger.VerdictAccepted, 1)(cw)
	w := cw.(*world)
	transfers := look(w).transfers
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // only read from
	n := 0
	for id := range transfers {
		must(l.View(context.Background(), func(tx *ledger.Tx) error {
			events, err := tx.EventsOf(id)
			for _, e := range events {
				if e.Code == "checks" {
					n++
				}
			}
			return err
		}))
	}
	if n != 1 {
		problems = append(problems, fmt.Sprintf("it was warned %d times", n))
	}
	return problems
}

// checked is a world with the faulty batch.
func checked(e checks.Effect) *world {
	w := newWorldOf(faulty, accept)
	w.set = func(p *Partner) { p.Checks = allRules(e) }
	return w
}

// claimedWhole is the moment up to which a batch goes its way as all others do.
const claimedWhole = "rename acme/outbox/INV-1_scan.pdf"

// The checks in the crash matrix: whatever happens, a refused batch is filed under failed
// and nothing of it posted, and a batch that is only warned of is delivered, with one event.
func TestCrashMatrixOfChecks(t *testing.T) {
	for name, c := range map[string]struct {
		effect checks.Effect
		final  func(crashtest.World) []string
		until  string
	}{
		"refused": {checks.Refuse, final(ledger.VerdictRefused, 0), ""},
		"warned":  {checks.Warn, warnedOnce, "mark post"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := crashtest.Matrix(checked(c.effect), crashtest.Scenario{Run: run, Standing: standing, Final: c.final, After: claimedWhole, Until: c.until, Faults: true})
			t.Logf("%d cases", r.Cases)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}
