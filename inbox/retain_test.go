package inbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

const day = 24 * time.Hour

func rule(name string, days int) ledger.Rule {
	return ledger.Rule{Text: fmt.Sprintf("%s: %dd", name, days), For: time.Duration(days) * day}
}

var everything = Rules{Message: rule("received_messages", 90), Evidence: rule("received_evidence", 90), History: rule("history", 90)}

// retain runs retention to its end.
func retain(t *testing.T, in *Inbox, r Rules, limit int) []ledger.Tally {
	t.Helper()
	run := in.Retention("acme", r)
	for again := true; again; {
		var err error
		if again, err = run.Step(context.Background(), limit); err != nil {
			t.Fatal(err)
		}
	}
	return run.Tallies()
}

func there(t *testing.T, in *Inbox, name string, want bool) {
	t.Helper()
	if ok, err := fsx.Exists(in.names["acme"].Folder, name); err != nil || ok != want {
		t.Errorf("%s is there: %v, want %v: %v", name, ok, want, err)
	}
}

func clean(t *testing.T, in *Inbox) {
	t.Helper()
	if findings, err := in.Check(context.Background()); err != nil || len(findings) > 0 {
		t.Errorf("check: %v %v", findings, err)
	}
}

// After everything has been removed that can be, a repeat gets the same receipt and is
// delivered no second time, and another content is still refused.
func TestRepeatAfterRetention(t *testing.T) {
	for _, later := range []bool{false, true} {
		m := seal(zipped(batch), nil)
		if later {
			m = asLater(m)
		}
		w := newWorld(m)
		in := w.opened(t)
		first := post(in, m)
		must(w.work(in))
		row := *recordOf(in.Ledger).received
		w.now = moment.Add(90*day - time.Second)
		if done := retain(t, in, everything, 10); len(done) > 0 {
			t.Errorf("too early: %+v", done)
		}
		there(t, in, path.Join(evidence(row.ID), rawFile), true)
		w.now = moment.Add(90 * day)
		done := retain(t, in, everything, 10)
		there(t, in, evidence(row.ID), false)
		if len(done) == 0 || done[0].Removed != 1 || done[0].Rule != "received_evidence: 90d" || done[0].Bytes == 0 {
			t.Errorf("%+v", done)
		}
		if len(w.content()) != 3 {
			t.Errorf("of the inbox is left: %v", w.content())
		}
		is := *recordOf(in.Ledger).received
		if is.MessageID != row.MessageID || string(is.Receipt) != string(row.Receipt) || fmt.Sprint(is.MICs) != fmt.Sprint(row.MICs) || fmt.Sprint(is.Files) != fmt.Sprint(row.Files) {
			t.Errorf("%+v was %+v", is, row)
		}
		if n := recordOf(in.Ledger).attempts; n != 0 {
			t.Errorf("%d attempts", n)
		}
		clean(t, in)

		for name := range w.content() {
			must(w.disk.Outside("acme").Remove(path.Join(inboxDir, name))) // the reader took them
		}
		again := post(in, m)
		must(w.work(in))
		if string(again.Body) != string(first.Body) || w.differs || len(w.content()) > 0 {
			t.Errorf("another receipt: %v; in the inbox: %v", w.differs, w.content())
		}
		clean(t, in)
		other := post(in, seal([]byte("other"), func(o *as2.SealOptions) { o.ContentType, o.Filename = "text/plain", "INV-1.txt" }))
		if !strings.Contains(string(other.Body), "unexpected-processing-error") {
			t.Errorf("%s", other.Body)
		}
		// What the repeat left goes as well.
		w.now = w.now.Add(day)
		retain(t, in, everything, 1)
		there(t, in, evidence(row.ID), false)
		if later && ledger.Gone(recordOf(in.Ledger).received.Removed, ledger.ThingEvidence) == nil {
			t.Error("the ledger does not say so")
		}
		clean(t, in)
	}
}

func TestRetentionOfTheMessageAlone(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	post(in, seal(zipped(batch), nil))
	row := *recordOf(in.Ledger).received
	w.now = moment.Add(91 * day)
	foretold := 0
	must(in.Removable(context.Background(), "acme", everything, w.now, func(c ledger.Candidate) error { foretold++; return nil }))
	done := retain(t, in, Rules{Message: everything.Message}, 10)
	there(t, in, path.Join(evidence(row.ID), rawFile), false)
	there(t, in, path.Join(evidence(row.ID), recordFile), true)
	if len(done) != 1 || done[0].What != ledger.ThingMessage || done[0].Removed != 1 || foretold != 2 {
		t.Errorf("%+v, foretold %d", done, foretold)
	}
	clean(t, in)
}

func TestRetentionOfARefusal(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	m := seal(zipped(batch), nil)
	m.body[len(m.body)/2] ^= 1
	post(in, m)
	refused := recordOf(in.Ledger).refused
	if len(refused) != 1 {
		t.Fatalf("%+v", refused)
	}
	there(t, in, path.Join(evidence(refused[0].ID), rawFile), true)
	w.now = moment.Add(91 * day)
	done := retain(t, in, everything, 10)
	there(t, in, evidence(refused[0].ID), false)
	is := recordOf(in.Ledger).refused[0]
	if len(done) != 1 || done[0].Removed != 1 || string(is.Receipt) != string(refused[0].Receipt) || is.MessageID == "" || ledger.Gone(is.Removed, ledger.ThingEvidence) == nil {
		t.Errorf("%+v %+v", done, is)
	}
	clean(t, in)
}

// A receipt that is still owed has its evidence written to when it is posted.
func TestRetentionWaitsForAnOwedReceipt(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	post(in, asLater(seal(zipped(batch), nil)))
	w.answers = []int{503}
	if _, err := in.Work(context.Background(), "acme"); err != nil {
		t.Fatal(err)
	}
	row := *recordOf(in.Ledger).received
	w.now = moment.Add(91 * day)
	if done := retain(t, in, everything, 10); len(done) != 1 || done[0].What != "notes of stored messages" {
		t.Errorf("%+v", done)
	}
	there(t, in, evidence(row.ID), true)
}

// What cannot be removed is removed by the next run, and counts then.
func TestRetentionGoesOn(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	post(in, seal(zipped(batch), nil))
	row := *recordOf(in.Ledger).received
	w.now = moment.Add(91 * day)
	w.fs = func(f fsx.FS) fsx.FS { return resisting{f} }
	stuck := w.inbox(in.Ledger).Retention("acme", everything)
	var failed error
	for again := true; again; {
		var err error
		again, err = stuck.Step(context.Background(), 10)
		failed = errors.Join(failed, err)
	}
	if !errors.Is(failed, syscall.EIO) || !strings.Contains(failed.Error(), row.ID) {
		t.Error(failed)
	}
	retain(t, in, Rules{}, 10) // even without any rule
	there(t, in, evidence(row.ID), false)
	var events []ledger.Event
	must(in.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents("acme", 1); return err }))
	if len(events) != 1 || !strings.Contains(events[0].Text, "retention removed 1 folders of evidence") || ledger.Removing(recordOf(in.Ledger).received.Removed) != nil {
		t.Errorf("%+v", events)
	}
}

type resisting struct{ fsx.FS }

func (r resisting) Remove(name string) error {
	if strings.HasPrefix(name, evidenceDir) {
		return syscall.EIO
	}
	return r.FS.Remove(name)
}

// aged is a world in which a message was received long ago.
func aged() *world {
	w := newWorld(asLater(seal(zipped(batch), nil)))
	must(run(w))
	w.disk.SyncAll()
	w.now = w.now.Add(100 * day)
	return w
}

// retire is the life of an agent whose time for retention has come.
func retire(cw crashtest.World) error {
	w := cw.(*world)
	l, err := w.ledger()
	if err != nil {
		return err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	in := w.inbox(l)
	if err := in.Recover(context.Background()); err != nil {
		return err
	}
	if err := w.disk.Tick("retention"); err != nil {
		return err
	}
	var errs []error
	run := in.Retention("acme", everything)
	for again := true; again; {
		again, err = run.Step(context.Background(), 10)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// decent are the rules at every moment.
func decent(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	rec := w.record()
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if rec.received == nil || rec.received.MessageID == "" || len(rec.received.Receipt) == 0 || len(rec.received.MICs) == 0 {
		say("the ledger has lost something: %+v", rec.received)
		return problems
	}
	if len(w.content()) != 3 {
		say("in the inbox: %v", w.content())
	}
	files := 0
	dir := "acme/" + evidence(rec.received.ID)
	for _, name := range []string{headerFile, rawFile, recordFile} {
		if _, ok := w.disk.Tree()[dir+"/"+name]; ok {
			files++
		}
	}
	gone := ledger.Gone(rec.received.Removed, ledger.ThingEvidence)
	if _, ok := w.disk.Tree()[dir]; gone == nil && files != 3 || gone != nil && !gone.Done.IsZero() && ok {
		say("%d files of evidence, removed: %+v", files, rec.received.Removed)
	}
	return problems
}

func retired(cw crashtest.World) []string {
	problems := decent(cw)
	w := cw.(*world)
	rec := w.record()
	if rec.attempts != 0 || len(rec.stored) != 0 || ledger.Removing(rec.received.Removed) != nil ||
		ledger.Gone(rec.received.Removed, ledger.ThingEvidence) == nil || ledger.Gone(rec.received.Removed, ledger.ThingHistory) == nil {
		problems = append(problems, fmt.Sprintf("left: %d attempts, %d stored, %+v", rec.attempts, len(rec.stored), rec.received.Removed))
	}
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // only read from
	if findings, err := w.inbox(l).Check(context.Background()); err != nil || len(findings) > 0 {
		problems = append(problems, fmt.Sprintf("check: %v %v", findings, err))
	}
	return problems
}

func TestRetentionInTheCrashMatrix(t *testing.T) {
	t.Parallel()
	r := crashtest.Matrix(aged(), crashtest.Scenario{Run: retire, Standing: decent, Final: retired, After: "mark retention"})
	t.Logf("%d cases of %d", r.Cases, r.Left)
	for _, p := range r.Problems {
		t.Error(p)
	}
}
