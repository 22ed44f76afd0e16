package hooks

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// desk is a partner's hooks with a ledger.
type desk struct {
	*Owed
	t   *testing.T
	now time.Time
}

func newDesk(t *testing.T, configured ...Hook) *desk {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // all was committed
	d := &desk{t: t, now: moment}
	d.Owed = &Owed{Ledger: l, Now: func() time.Time { return d.now }, Log: slog.New(slog.DiscardHandler), Runner: runner(t), Partner: "acme", Folder: filepath.FromSlash("/data/acme"), Inbox: "inbox",
		PartnerAS2ID: "ACME", StationAS2ID: "US", Hooks: map[ledger.HookKind][]Hook{ledger.HookAfterSent: configured, ledger.HookAfterFailed: configured, ledger.HookAfterReceived: configured},
		Sent: func(t *ledger.Transfer) []File {
			return []File{{Name: t.Document, Role: "document", Path: t.FilePath + "/" + t.Document}}
		}}
	return d
}

func (d *desk) update(f func(*ledger.Tx) error) {
	d.t.Helper()
	if err := d.Ledger.Update(d.t.Context(), f); err != nil {
		d.t.Fatal(err)
	}
}

// filed puts a transfer into the ledger for which a hook is owed.
func (d *desk) filed(id string, verdict ledger.Verdict, kind ledger.HookKind) {
	d.t.Helper()
	d.update(func(tx *ledger.Tx) error {
		t := &ledger.Transfer{ID: id, Partner: "acme", Key: "INV-1", Document: "INV-1.xml", State: ledger.StateFiled, Verdict: verdict, MessageID: "<" + id + "@us>", FilePath: "sent/2026-11-26/INV-1." + id}
		return errors.Join(tx.InsertTransfer(t), tx.OweHook("acme", kind, "self", id, d.now))
	})
}

// run runs the hook that is owed and returns its row.
func (d *desk) run(ctx context.Context, id string, kind ledger.HookKind) (h ledger.OwedHook) {
	d.t.Helper()
	if err := d.Run(ctx, id, kind, "self"); err != nil {
		d.t.Fatal(err)
	}
	d.update(func(tx *ledger.Tx) (err error) { h, err = tx.Hook(id, kind, "self"); return err })
	return h
}

// events are the codes of what was told of a subject.
func (d *desk) events(id string) string {
	var list []ledger.Event
	d.update(func(tx *ledger.Tx) (err error) { list, err = tx.EventsOf(id); return err })
	var codes []string
	for _, e := range list {
		codes = append(codes, string(e.Level)+" "+e.Code)
	}
	return strings.Join(codes, ", ")
}

func TestOwedHookIsDone(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	d.filed("t1", ledger.VerdictAccepted, ledger.HookAfterSent)
	h := d.run(t.Context(), "t1", ledger.HookAfterSent)
	if h.Open || h.Running || h.Runs != 1 || h.Tries != 0 || h.Outcome != ledger.HookDone || h.Reason != "" || !h.Done.Equal(moment) {
		t.Errorf("%+v", h)
	}
	if again := d.run(t.Context(), "t1", ledger.HookAfterSent); again.Version != h.Version {
		t.Errorf("it was run again: %+v", again)
	}
}

// A hook that fails is run again after waits that grow, then given up with an alarm that
// names program, exit code and what it said last. Nothing else is touched.
func TestOwedHookIsGivenUp(t *testing.T) {
	d := newDesk(t, *self(t, "fail"))
	d.filed("t1", ledger.VerdictAccepted, ledger.HookAfterSent)
	for n, pause := range []time.Duration{10 * time.Second, 20 * time.Second} {
		h := d.run(t.Context(), "t1", ledger.HookAfterSent)
		if !h.Open || h.Running || h.Tries != n+1 || h.Runs != n+1 || !h.Due.Equal(d.now.Add(pause)) || !strings.Contains(h.Reason, "exit status 3") {
			t.Fatalf("%+v", h)
		}
		if early := d.run(t.Context(), "t1", ledger.HookAfterSent); early.Runs != n+1 {
			t.Errorf("it was run before it was due: %+v", early)
		}
		d.now = h.Due
	}
	if h := d.run(t.Context(), "t1", ledger.HookAfterSent); h.Open || h.Outcome != ledger.HookGaveUp || h.Tries != 3 {
		t.Errorf("%+v", h)
	}
	if got := d.events("t1"); got != "warning hook-failed, alarm hook-gave-up" {
		t.Error(got)
	}
	var list []ledger.Event
	var row ledger.Transfer
	d.update(func(tx *ledger.Tx) error {
		var err1, err2 error
		list, err1 = tx.EventsOf("t1")
		row, err2 = tx.Transfer("t1")
		return errors.Join(err1, err2)
	})
	if text := list[1].Text; !strings.Contains(text, `"as-hook" "fail"`) || !strings.Contains(text, "exit status 3") || !strings.Contains(text, "the ERP is") || !strings.Contains(list[1].Hint, "as2drop rerun t1") {
		t.Errorf("%+v", list[1])
	}
	if row.Version != 1 {
		t.Errorf("the transfer was touched: %+v", row)
	}
}

// The agent stops: the hook was not run, and is still owed.
func TestOwedHookIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	address, _ := family(t, stop)
	d := newDesk(t, *self(t, "hang", address))
	d.Runner.Drain = time.Millisecond
	d.filed("t1", ledger.VerdictAccepted, ledger.HookAfterSent)
	h := d.run(ctx, "t1", ledger.HookAfterSent)
	if !h.Open || h.Running || h.Tries != 0 || h.Runs != 1 || h.Reason != "" || !h.Due.Equal(moment) || d.events("t1") != "" {
		t.Errorf("%+v, %s", h, d.events("t1"))
	}
}

// A run that an earlier process began does not count, but its number is not given again.
func TestOwedHookOfADeadProcess(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	d.filed("t1", ledger.VerdictAccepted, ledger.HookAfterSent)
	d.update(func(tx *ledger.Tx) error {
		h, err := tx.Hook("t1", ledger.HookAfterSent, "self")
		h.Running, h.Runs = true, 1
		return errors.Join(err, tx.SaveHook(&h))
	})
	if h := d.run(t.Context(), "t1", ledger.HookAfterSent); h.Open || h.Running || h.Runs != 2 || h.Outcome != ledger.HookDone {
		t.Errorf("%+v", h)
	}
}

// What is not so any more is not told, and what nobody wants to know is not run.
func TestOwedHookIsDropped(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	d.filed("superseded", ledger.VerdictAccepted, ledger.HookAfterFailed) // a receipt came late
	d.filed("reopened", ledger.VerdictGaveUp, ledger.HookAfterFailed)
	d.update(func(tx *ledger.Tx) error {
		row, err := tx.Transfer("reopened")
		row.State = ledger.StateSealed
		return errors.Join(err, tx.SaveTransfer(&row), tx.OweHook("acme", ledger.HookAfterSent, "self", "unknown", d.now))
	})
	for _, id := range []string{"superseded", "reopened"} {
		if h := d.run(t.Context(), id, ledger.HookAfterFailed); h.Open || h.Outcome != ledger.HookOvertaken || h.Runs != 0 || d.events(id) != "info hook-dropped" {
			t.Errorf("%+v, %s", h, d.events(id))
		}
	}
	if h := d.run(t.Context(), "unknown", ledger.HookAfterSent); h.Open || h.Outcome != ledger.HookOvertaken {
		t.Errorf("%+v", h)
	}
	d.filed("t1", ledger.VerdictAccepted, ledger.HookAfterSent)
	d.Hooks = nil
	if h := d.run(t.Context(), "t1", ledger.HookAfterSent); h.Open || h.Outcome != ledger.HookGone || d.events("t1") != "warning hook-dropped" {
		t.Errorf("%+v, %s", h, d.events("t1"))
	}
}

// It failed, and while the hook is told, it comes to be owed anew: it is told again.
func TestOwedAnewMeanwhile(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	d.filed("t1", ledger.VerdictGaveUp, ledger.HookAfterFailed)
	var h ledger.OwedHook
	d.update(func(tx *ledger.Tx) (err error) { h, err = tx.Hook("t1", ledger.HookAfterFailed, "self"); return err })
	d.update(func(tx *ledger.Tx) error { return tx.OweHook("acme", ledger.HookAfterFailed, "self", "t1", d.now) })
	if err := d.conclude(t.Context(), h, self(t, "echo"), nil); err != nil {
		t.Fatal(err)
	}
	if h = d.run(t.Context(), "t1", ledger.HookAfterFailed); h.Open || h.Runs != 1 || h.Asked != 2 {
		t.Errorf("%+v", h)
	}
}

// A clock that was wrong put it off for years.
func TestOwedHookIsClamped(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	h := &ledger.OwedHook{Kind: ledger.HookAfterSent, Name: "self", Due: moment.AddDate(3, 0, 0)}
	if got := d.Due(h, moment); !got.Equal(moment) {
		t.Error(got)
	}
	h.Due = moment.Add(maxWait)
	if got := d.Due(h, moment); !got.Equal(h.Due) {
		t.Error(got)
	}
	if h.Name = "gone"; !d.Due(h, moment).Equal(moment) {
		t.Error("one that left the config is not closed before it is due")
	}
	if wait(1) != firstWait || wait(4) != 8*firstWait || wait(100) != maxWait {
		t.Error(wait(1), wait(4), wait(100))
	}
}

func TestReceivedIsTold(t *testing.T) {
	d := newDesk(t, *self(t, "echo"))
	r := &ledger.Received{ID: "r1", Partner: "acme", From: "ACME", To: "US", MessageID: "m@acme", State: ledger.ReceivedPublished, At: moment, Key: "INV-9", Folder: "INV-9",
		Files: []ledger.ReceivedFile{{Entry: "scan/INV-9_a.pdf", Final: "INV-9_a.pdf", Size: 3}, {Entry: "INV-9.xml", Final: "INV-9.xml", Document: true, SHA256: "ab"}}}
	d.update(func(tx *ledger.Tx) error {
		return errors.Join(tx.InsertReceived(r, func(s string) string { return s }), tx.OweHook("acme", ledger.HookAfterReceived, "self", "r1", moment))
	})
	in, overtaken, err := d.describe(t.Context(), &ledger.OwedHook{Subject: "r1", Kind: ledger.HookAfterReceived})
	if err != nil || overtaken != "" {
		t.Fatal(overtaken, err)
	}
	if in.Document != "INV-9.xml" || in.PartnerAS2ID != "ACME" || in.StationAS2ID != "US" || in.Folder != filepath.FromSlash("/data/acme/inbox/INV-9") ||
		in.Files[0].Path != filepath.FromSlash("/data/acme/inbox/INV-9/INV-9_a.pdf") || in.Files[0].Received != "scan/INV-9_a.pdf" || in.Files[0].Role != "attachment" || in.Files[1].SHA256 != "ab" {
		t.Errorf("%+v", in)
	}
	if h := d.run(t.Context(), "r1", ledger.HookAfterReceived); h.Outcome != ledger.HookDone {
		t.Errorf("%+v", h)
	}
}

// Each finding about hooks, with the damage that it is about.
func TestCheckTellsOfHooks(t *testing.T) {
	d := newDesk(t, *self(t, "fail"))
	d.filed("new", ledger.VerdictAccepted, ledger.HookAfterSent)
	d.filed("failing", ledger.VerdictAccepted, ledger.HookAfterSent)
	d.run(t.Context(), "failing", ledger.HookAfterSent)
	d.update(func(tx *ledger.Tx) error {
		return errors.Join(tx.OweHook("acme", ledger.HookAfterReceived, "self", "unknown", d.now), tx.OweHook("other", ledger.HookAfterReceived, "self", "unknown2", d.now))
	})
	found, err := Check(t.Context(), d.Ledger, "acme", 10)
	if err != nil || len(found) != 3 {
		t.Fatal(found, err)
	}
	for _, f := range found {
		want := map[string]string{"new": "is owed since 2026-11-26 12:00:00 UTC and was not run yet", "failing": "failed 1 times: exit status 3", "unknown": "for something that is not in the ledger"}[f.Subject]
		if want == "" || !strings.Contains(f.Fact, want) {
			t.Errorf("%+v", f)
		}
	}
}
