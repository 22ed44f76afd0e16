package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

const day = 24 * time.Hour

func rule(name string, days int) ledger.Rule {
	return ledger.Rule{Text: fmt.Sprintf("%s: %dd", name, days), For: time.Duration(days) * day}
}

// retain runs retention to its end.
func retain(t *testing.T, o *Outbox, r Rules, limit int) []ledger.Tally {
	t.Helper()
	run := o.Retention(r)
	for again := true; again; {
		var err error
		if again, err = run.Step(context.Background(), limit); err != nil {
			t.Fatal(err)
		}
	}
	return run.Tallies()
}

// settledOne brings one transfer to its end.
func settledOne(t *testing.T, answers ...answer) (*world, *Outbox, ledger.Transfer) {
	t.Helper()
	w, o := begin(t, answers...)
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	for tr.State != ledger.StateFiled {
		w.now = w.now.Add(time.Hour)
		tr = carry(t, o, id)
	}
	return w, o, tr
}

func there(t *testing.T, o *Outbox, name string, want bool) {
	t.Helper()
	if ok, err := fsx.Exists(o.p.Folder, name); err != nil || ok != want {
		t.Errorf("%s is there: %v, want %v: %v", name, ok, want, err)
	}
}

// unforgettable fails unless the ledger still has what it never loses.
func unforgettable(t *testing.T, was, is ledger.Transfer) {
	t.Helper()
	if is.MessageID != was.MessageID || string(is.Receipt) != string(was.Receipt) || is.Verdict != was.Verdict || is.Key != was.Key || !slices.Equal(is.Members, was.Members) ||
		!strings.Contains(string(is.Sealed), `"mics":[{`) {
		t.Errorf("%+v was %+v", is, was)
	}
}

// Each rule removes what it is about, when it is old enough and not before, and nothing
// that is not.
func TestRetention(t *testing.T) {
	for name, c := range map[string]struct {
		rules Rules
		gone  []string
		what  ledger.Thing
	}{
		"sent":     {Rules{Sent: rule("sent", 90)}, []string{"FOLDER", "DAY"}, ledger.ThingSent},
		"messages": {Rules{Message: rule("messages", 90)}, []string{"EVIDENCE/message"}, ledger.ThingMessage},
		"evidence": {Rules{Evidence: rule("evidence", 90), Message: rule("messages", 90)}, []string{"EVIDENCE/message", "EVIDENCE"}, ledger.ThingEvidence},
		"history":  {Rules{History: rule("history", 90)}, nil, ledger.ThingHistory},
		"failed":   {Rules{Failed: rule("failed", 90)}, nil, ledger.ThingFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := settledOne(t, accept)
			names := strings.NewReplacer("FOLDER", tr.FilePath, "DAY", path.Dir(tr.FilePath), "EVIDENCE", o.evidence(&tr))
			all := []string{"FOLDER", "DAY", "EVIDENCE", "EVIDENCE/message", "EVIDENCE/" + transferFile}
			w.now = tr.Filed.Add(90*day - time.Second)
			if done := retain(t, o, c.rules, 10); len(done) > 0 {
				t.Errorf("too early: %+v", done)
			}
			for _, n := range all {
				there(t, o, names.Replace(n), true)
			}
			clean(t, o)

			w.now = tr.Filed.Add(90 * day)
			done := retain(t, o, c.rules, 10)
			for _, n := range all {
				gone := slices.ContainsFunc(c.gone, func(g string) bool { return n == g || strings.HasPrefix(n, g+"/") })
				there(t, o, names.Replace(n), !gone)
			}
			is := row(t, o, tr.ID)
			unforgettable(t, tr, is)
			clean(t, o)
			if name == "failed" {
				if len(done) > 0 || len(is.Removed) > 0 {
					t.Errorf("%+v %+v", done, is.Removed)
				}
				return
			}
			r := ledger.Gone(is.Removed, c.what)
			if len(done) == 0 || done[0].Removed != 1 || done[0].Bytes == 0 || done[0].Rule != name+": 90d" || r == nil || r.Rule != name+": 90d" || !r.Done.Equal(w.now) {
				t.Errorf("%+v %+v", done, is.Removed)
			}
			events := told(t, o)
			if !strings.Contains(events, "info retention: retention removed 1 ") || !strings.Contains(events, "by the rule "+name+": 90d") {
				t.Error(events)
			}
			if name == "history" != (len(attemptsOf(t, o, tr.ID)) == 0) || name == "history" == strings.Contains(string(is.Sealed), "AS2-To") {
				t.Errorf("%d attempts, %s", len(attemptsOf(t, o, tr.ID)), is.Sealed)
			}
			// A second run finds nothing and says nothing.
			if done := retain(t, o, c.rules, 10); len(done) > 0 {
				t.Errorf("again: %+v", done)
			}
		})
	}
}

// told are the events of the partner itself.
func told(t *testing.T, o *Outbox) string {
	t.Helper()
	var events []ledger.Event
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents("acme", 1000); return err }))
	var b strings.Builder
	for _, e := range events {
		if e.Subject == "" {
			fmt.Fprintf(&b, "%s %s: %s\n", e.Level, e.Code, e.Text)
		}
	}
	return b.String()
}

func TestRetentionOfEvents(t *testing.T) {
	w, o, tr := settledOne(t, accept)
	if codes(t, o, tr.ID) == "" {
		t.Fatal("no events to begin with")
	}
	w.now = tr.Filed.Add(91 * day)
	done := retain(t, o, Rules{History: rule("history", 90)}, 1)
	if got := codes(t, o, tr.ID); got != "" {
		t.Error(got)
	}
	if len(done) != 2 || done[1].What != ledger.ThingEvents || done[1].Removed == 0 {
		t.Errorf("%+v", done)
	}
}

// What a given-up transfer is retried with stays as long as its folder.
func TestRetentionKeepsWhatRetryNeeds(t *testing.T) {
	w, o, tr := settledOne(t, busy, busy, busy, accept)
	if tr.Verdict != ledger.VerdictGaveUp {
		t.Fatal(tr.Verdict)
	}
	r := Rules{Message: rule("messages", 90), Evidence: rule("evidence", 90), History: rule("history", 90)}
	w.now = tr.Filed.Add(100 * day)
	retain(t, o, r, 10)
	there(t, o, path.Join(o.evidence(&tr), messageFile), true)
	clean(t, o)
	grantWish(t, o, ledger.WishRetry, tr.ID)
	if again := carry(t, o, tr.ID); again.Verdict != ledger.VerdictAccepted || again.MessageID != tr.MessageID {
		t.Errorf("%s under %s, was %s", again.Verdict, again.MessageID, tr.MessageID)
	}

	w, o, tr = settledOne(t, busy)
	w.now = tr.Filed.Add(100 * day)
	r.Failed = rule("failed", 95)
	retain(t, o, r, 10)
	there(t, o, tr.FilePath, false)
	there(t, o, o.evidence(&tr), false)
	there(t, o, failedDir, true)
	clean(t, o)
	is := row(t, o, tr.ID)
	unforgettable(t, tr, is)
	text, err := o.retry(context.Background(), ledger.Wish{By: "me"}, &is)
	if err != nil || !strings.Contains(text, "its files were removed by retention on 2027-03-0") || !strings.Contains(text, "rule failed: 95d") {
		t.Errorf("%q %v", text, err)
	}
}

// A receipt comes for a given-up transfer whose files retention has removed: it counts,
// and nobody is alarmed over files that somebody took.
func TestReceiptAfterRetention(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	tr = giveUp(t, w, o, tr)
	w.now = tr.Filed.Add(100 * day)
	all := Rules{Failed: rule("failed", 90), Message: rule("messages", 90), Evidence: rule("evidence", 90), History: rule("history", 90)}
	retain(t, o, all, 10)
	there(t, o, o.evidence(&tr), false)
	receive(t, o, tr, nil)
	is := carry(t, o, tr.ID)
	if is.Verdict != ledger.VerdictAccepted || len(is.Receipt) == 0 {
		t.Errorf("%s: %s", is.Verdict, is.Reason)
	}
	if got := codes(t, o, tr.ID); !strings.Contains(got, "info files-removed") || strings.Contains(got, "files-taken") {
		t.Error(got)
	}
	there(t, o, path.Join(o.evidence(&tr), receiptName(is.Receipt)), true)
	w.now = is.Filed.Add(91 * day)
	all.Sent = rule("sent", 90)
	retain(t, o, all, 10)
	there(t, o, is.FilePath, false)
	there(t, o, o.evidence(&tr), false)
	last := row(t, o, tr.ID)
	for _, what := range []ledger.Thing{ledger.ThingSent, ledger.ThingFailed, ledger.ThingEvidence, ledger.ThingHistory} {
		if ledger.Gone(last.Removed, what) == nil {
			t.Errorf("%s: %+v", what, last.Removed)
		}
	}
	// A further receipt is kept, and goes with the next run.
	receive(t, o, last, rejecting)
	there(t, o, o.evidence(&tr), true)
	retain(t, o, all, 10)
	there(t, o, o.evidence(&tr), false)
}

func TestRetentionLeavesWhatIsNotOurs(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(w *world, tr *ledger.Transfer)
		says  string
	}{
		"a note of somebody": {func(w *world, tr *ledger.Transfer) { w.write(path.Join(tr.FilePath, "booked.txt"), "x") }, `"booked.txt" in it is not of the transfer`},
		"a folder of somebody": {func(w *world, tr *ledger.Transfer) {
			must(w.disk.Outside("acme").Mkdir(path.Join(tr.FilePath, "mine"), 0o700))
		}, `"mine" in it is not of the transfer`},
		"no transfer.json": {func(w *world, tr *ledger.Transfer) {
			must(w.disk.Outside("acme").Remove(path.Join(tr.FilePath, transferFile)))
		}, "its transfer.json cannot be read"},
		"another transfer.json": {func(w *world, tr *ledger.Transfer) {
			f := w.disk.Outside("acme")
			must(fsx.Rewrite(f, path.Join(tr.FilePath, transferFile), 0o600, []byte(`{"id":"other"}`)))
		}, `of another transfer, "other"`},
		"a file in its place": {func(w *world, tr *ledger.Transfer) {
			f := w.disk.Outside("acme")
			must(fsx.RemoveAll(f, tr.FilePath))
			w.write(tr.FilePath, "x")
		}, "is no folder but a file"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := settledOne(t, accept)
			c.plant(w, &tr)
			w.now = tr.Filed.Add(91 * day)
			done := retain(t, o, Rules{Sent: rule("sent", 90)}, 10)
			there(t, o, tr.FilePath, true)
			if events := told(t, o); len(done) != 1 || done[0].Left != 1 || done[0].Removed != 0 || !strings.Contains(events, "alarm retention-left: ") || !strings.Contains(events, c.says) {
				t.Errorf("%+v\n%s", done, events)
			}
			if len(row(t, o, tr.ID).Removed) > 0 {
				t.Error("the ledger says that it is gone")
			}
		})
	}
}

// Folders that the operator removed himself are told apart from those that retention did.
func TestRetentionOfWhatIsGoneAlready(t *testing.T) {
	w, o, tr := settledOne(t, accept)
	must(fsx.RemoveAll(w.disk.Outside("acme"), tr.FilePath))
	w.now = tr.Filed.Add(91 * day)
	done := retain(t, o, Rules{Sent: rule("sent", 90)}, 10)
	if r := ledger.Gone(row(t, o, tr.ID).Removed, ledger.ThingSent); r == nil || !r.Missing || len(done) != 1 || done[0].Removed != 0 || done[0].Missing != 1 {
		t.Errorf("%+v %+v", done, r)
	}
	clean(t, o)
}

// A retry that has not come to its end may give the files back.
func TestRetentionWaitsForARetry(t *testing.T) {
	w, o, tr := settledOne(t, reject, busy)
	w.now = tr.Filed.Add(91 * day)
	grantWish(t, o, ledger.WishRetry, tr.ID)
	again := carry(t, o, row(t, o, tr.ID).RetriedAs)
	retain(t, o, Rules{Failed: rule("failed", 90)}, 10)
	there(t, o, tr.FilePath, true)
	for again.State != ledger.StateFiled {
		w.now = w.now.Add(time.Hour)
		again = carry(t, o, again.ID)
	}
	retain(t, o, Rules{Failed: rule("failed", 90)}, 10)
	there(t, o, tr.FilePath, false)
	clean(t, o)
}

// Whoever asks for a retry while the files are being removed is told so, and who comes
// first wins.
func TestRetryAgainstRetention(t *testing.T) {
	w, o, tr := settledOne(t, reject, accept)
	w.now = tr.Filed.Add(91 * day)
	run := o.Retention(Rules{Failed: rule("failed", 90)})
	stale := tr
	grantWish(t, o, ledger.WishRetry, tr.ID)
	at := thing{ledger.ThingFailed, rule("failed", 90)}
	run.begin(at.what, at.rule)
	if list, err := run.intend(context.Background(), at, []doomed{{t: &stale}}); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
	if len(row(t, o, tr.ID).Removed) > 0 {
		t.Error("removed all the same")
	}
	if again := carry(t, o, row(t, o, tr.ID).RetriedAs); again.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s: %s", again.Verdict, again.Reason)
	}
}

// One folder that cannot be removed keeps nobody else, and is tried again.
func TestRetentionOfAFolderThatResists(t *testing.T) {
	w := newWorld(accept)
	drop(w, "INV-2")
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // all was read
	o := w.outbox(l)
	var ids []string
	for _, id := range scan(t, o).Claimed {
		carry(t, o, id)
		ids = append(ids, id)
	}
	first := row(t, o, ids[0])
	w.now = first.Filed.Add(91 * day)
	w.mutate.fs = func(f fsx.FS) fsx.FS { return resisting{f, first.FilePath} }
	stuck := w.outbox(l)
	run := stuck.Retention(Rules{Sent: rule("sent", 90)})
	var failed error
	for again := true; again; {
		var err error
		again, err = run.Step(context.Background(), 10)
		failed = errors.Join(failed, err)
	}
	if !errors.Is(failed, syscall.EIO) || !strings.Contains(failed.Error(), first.ID) {
		t.Error(failed)
	}
	there(t, o, first.FilePath, true)
	there(t, o, row(t, o, ids[1]).FilePath, false)
	if done := run.Tallies(); len(done) != 1 || done[0].Removed != 1 {
		t.Errorf("%+v", done)
	}
	retain(t, o, Rules{}, 10) // even without any rule
	there(t, o, first.FilePath, false)
	if ledger.Removing(row(t, o, first.ID).Removed) != nil {
		t.Error("still being removed")
	}
	clean(t, o)
}

type resisting struct {
	fsx.FS
	name string
}

func (r resisting) RenameNoReplace(oldname, newname string) error {
	if oldname == r.name {
		return syscall.EIO
	}
	return r.FS.RenameNoReplace(oldname, newname)
}

// What a dry run tells is what the run does.
func TestRemovable(t *testing.T) {
	w, o, tr := settledOne(t, accept)
	w.now = tr.Filed.Add(91 * day)
	rules := Rules{Sent: rule("sent", 90), Failed: rule("failed", 90), Message: rule("messages", 90), Evidence: rule("evidence", 92), History: rule("history", 90)}
	version := row(t, o, tr.ID).Version
	foretold := map[ledger.Thing]int64{}
	must(o.Removable(context.Background(), rules, w.now, func(c ledger.Candidate) error {
		foretold[c.What] += c.Count
		if c.Rule == "" || c.Since.IsZero() {
			t.Errorf("%+v", c)
		}
		return nil
	}))
	there(t, o, tr.FilePath, true)
	if row(t, o, tr.ID).Version != version {
		t.Error("it was changed")
	}
	done := map[ledger.Thing]int64{}
	for _, d := range retain(t, o, rules, 1) {
		done[d.What] += d.Removed
	}
	if len(foretold) != 4 || fmt.Sprint(foretold) != fmt.Sprint(done) {
		t.Errorf("foretold %v, done %v", foretold, done)
	}
	if tomorrow := 0; o.Removable(context.Background(), rules, w.now.Add(day), func(ledger.Candidate) error { tomorrow++; return nil }) != nil || tomorrow != 1 {
		t.Errorf("tomorrow: %d", tomorrow)
	}
}

func TestCheckFindsWhatRetentionLeft(t *testing.T) {
	w, o, tr := settledOne(t, accept)
	w.now = tr.Filed.Add(91 * day)
	f := w.disk.Outside("acme")
	filed, err := fsx.ReadFile(f, path.Join(tr.FilePath, transferFile), 1<<20)
	must(err)
	retain(t, o, Rules{Sent: rule("sent", 90)}, 10)
	must(fsx.MkdirAll(f, tr.FilePath, 0o700))
	must(fsx.Rewrite(f, path.Join(tr.FilePath, transferFile), 0o600, filed))
	finds(t, o, "retention removed this folder, and here it is again")
	must(fsx.RemoveAll(f, tr.FilePath))
	must(f.Mkdir(path.Join(workDir, tr.ID), 0o700))
	is := row(t, o, tr.ID)
	is.Removed[0].Done = time.Time{}
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&is) }))
	finds(t, o, "retention (sent: 90d) has begun to remove it")
}

func finds(t *testing.T, o *Outbox, what string) {
	t.Helper()
	findings, err := o.Check(context.Background())
	if err != nil || !slices.ContainsFunc(findings, func(f ledger.Finding) bool { return strings.Contains(f.Fact, what) }) {
		t.Errorf("%q is not in %+v: %v", what, findings, err)
	}
}
