package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/ledger"
)

// Owed runs the hooks that the ledger says are owed for a partner.
type Owed struct {
	Ledger  *ledger.Ledger
	Now     func() time.Time
	Log     *slog.Logger
	Runner  *Runner
	Partner string
	Folder  string // the partner's, absolute
	Inbox   string // in it
	// AS2 IDs of partner and station, for hooks.
	PartnerAS2ID, StationAS2ID string
	Hooks                      map[ledger.HookKind][]Hook
	// Sent are the files that were sent of a transfer, with paths in the partner's folder.
	Sent func(t *ledger.Transfer) []File
}

const (
	firstWait = 10 * time.Second // after a run that failed; each is twice as long as the one before
	maxWait   = time.Hour
)

// wait is how long a hook rests after so many failures.
func wait(tries int) time.Duration { return min(firstWait<<min(tries-1, 20), maxWait) }

// Due is when an owed hook is to be run, or closed because it is not in the config any more.
// One that lies further ahead than any wait was put there by a clock that was wrong.
func (o *Owed) Due(h *ledger.OwedHook, now time.Time) time.Time {
	if h.Due.After(now) && (o.find(h.Kind, h.Name) == nil || h.Due.After(now.Add(2*maxWait))) {
		return now
	}
	return h.Due
}

// find is the hook of a row as it is configured now, nil if it is not.
func (o *Owed) find(kind ledger.HookKind, name string) *Hook {
	for i := range o.Hooks[kind] {
		if o.Hooks[kind][i].Name == name {
			return &o.Hooks[kind][i]
		}
	}
	return nil
}

// Run runs one owed hook once, and commits what came of it. That it is begun is on record
// first. An error is a fault of ours; the hook is still owed then.
func (o *Owed) Run(ctx context.Context, subject string, kind ledger.HookKind, name string) error {
	err := o.run(ctx, subject, kind, name)
	if errors.Is(err, ledger.ErrLost) {
		return nil // it came to be owed anew just now; the next round sees it
	}
	if err != nil {
		return fmt.Errorf("hooks: %s: %s %q for %s: %w", o.Partner, kind, name, subject, err)
	}
	return nil
}

func (o *Owed) run(ctx context.Context, subject string, kind ledger.HookKind, name string) error {
	durable := context.WithoutCancel(ctx)
	var h ledger.OwedHook
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { h, err = tx.Hook(subject, kind, name); return err })
	if err != nil || !h.Open || o.Due(&h, o.Now()).After(o.Now()) {
		return err
	}
	hook := o.find(kind, name)
	if hook == nil {
		return o.close(durable, h, ledger.HookGone, ledger.Warning, "it left the config before it was run")
	}
	in, overtaken, err := o.describe(ctx, &h)
	if err != nil {
		return err
	}
	if overtaken != "" {
		return o.close(durable, h, ledger.HookOvertaken, ledger.Info, overtaken)
	}
	h.Running = true
	h.Runs++
	if err := o.Ledger.Update(durable, func(tx *ledger.Tx) error { return tx.SaveHook(&h) }); err != nil {
		return err
	}
	failpoint.Hit("after hook intent")
	in.Attempt = h.Runs
	_, err = o.Runner.Run(ctx, hook, in)
	failpoint.Hit("after hook")
	var f *Failure
	switch {
	case errors.Is(err, ErrStopped):
		o.Log.Warn("a hook was not run to its end, and is run again", "partner", o.Partner, "hook", name, "kind", kind, "subject", subject)
	case err != nil && !errors.As(err, &f):
		return err
	}
	return o.conclude(durable, h, hook, err)
}

// conclude commits what came of a run.
func (o *Owed) conclude(ctx context.Context, h ledger.OwedHook, hook *Hook, result error) error {
	var events []ledger.Event
	err := o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		current, err := tx.Hook(h.Subject, h.Kind, h.Name)
		if err != nil {
			return err
		}
		var e *ledger.Event
		if current.Asked != h.Asked {
			current.Running = false // it is owed anew
		} else {
			e = o.after(&current, hook, result)
		}
		if err := tx.SaveHook(&current); err != nil || e == nil {
			return err
		}
		events = []ledger.Event{*e}
		return tx.AddEvent(*e)
	})
	if err == nil && result == nil {
		o.Log.Info("hook run", "partner", o.Partner, "hook", h.Name, "kind", h.Kind, "subject", h.Subject)
	}
	if err == nil {
		o.log(events)
	}
	return err
}

// after is what follows from a run. It returns what is worth telling, nil for nothing.
func (o *Owed) after(h *ledger.OwedHook, hook *Hook, result error) *ledger.Event {
	now := o.Now().UTC()
	h.Running = false
	switch {
	case errors.Is(result, ErrStopped):
		return nil // it counts as not run
	case result == nil:
		h.Open, h.Outcome, h.Reason, h.Done = false, ledger.HookDone, "", now
		return nil
	}
	h.Tries++
	h.Reason = result.Error()
	if h.Tries >= hook.Attempts {
		h.Open, h.Outcome, h.Done = false, ledger.HookGaveUp, now
		return o.event(h, ledger.Alarm, "hook-gave-up", fmt.Sprintf("the transfer itself is not touched by it; correct the hook, then: as2drop rerun %s", h.Subject),
			"hook %s %q (%s) failed %d times and is not run any more: %s", h.Kind, h.Name, hook.What(), h.Tries, h.Reason)
	}
	h.Due = now.Add(wait(h.Tries))
	if h.Tries > 1 {
		return nil // it was told when it failed first
	}
	return o.event(h, ledger.Warning, "hook-failed", fmt.Sprintf("it is run again by itself, %d times at most in all", hook.Attempts),
		"hook %s %q (%s) failed: %s", h.Kind, h.Name, hook.What(), h.Reason)
}

func (o *Owed) event(h *ledger.OwedHook, level ledger.Level, code, hint, format string, args ...any) *ledger.Event {
	return &ledger.Event{At: o.Now().UTC(), Level: level, Partner: o.Partner, Subject: h.Subject, Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

// close commits that a hook is not run any more.
func (o *Owed) close(ctx context.Context, h ledger.OwedHook, outcome string, level ledger.Level, why string) error {
	h.Open, h.Running, h.Outcome, h.Reason, h.Done = false, false, outcome, why, o.Now().UTC()
	e := o.event(&h, level, "hook-dropped", "", "hook %s %q is not run: %s", h.Kind, h.Name, why)
	err := o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(tx.SaveHook(&h), tx.AddEvent(*e)) })
	if err == nil {
		o.log([]ledger.Event{*e})
	}
	return err
}

func (o *Owed) log(events []ledger.Event) {
	for _, e := range events {
		level := slog.LevelWarn
		if e.Level == ledger.Alarm {
			level = slog.LevelError
		}
		o.Log.Log(context.Background(), level, e.Text, "partner", o.Partner, "subject", e.Subject, "hint", e.Hint)
	}
}

// describe is what a hook is told; overtaken says why there is nothing to tell any more.
func (o *Owed) describe(ctx context.Context, h *ledger.OwedHook) (in Input, overtaken string, err error) {
	const gone = "the ledger does not know any more what it is about"
	if h.Kind == ledger.HookAfterReceived {
		var r ledger.Received
		err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { r, err = tx.Received(h.Subject); return err })
		if errors.Is(err, ledger.ErrNotFound) {
			return in, gone, nil
		}
		return AfterReceived(&r, o.Folder, o.Inbox), "", err
	}
	var t ledger.Transfer
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.Transfer(h.Subject); return err })
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return in, gone, nil
	case err != nil:
		return in, "", err
	case h.Kind == ledger.HookAfterFailed && t.State != ledger.StateFiled:
		return in, "the transfer goes on: it is " + string(t.State), nil
	case h.Kind == ledger.HookAfterFailed && t.Verdict.Sent():
		return in, "the transfer did not fail after all: " + string(t.Verdict), nil
	}
	in = AfterTransfer(h.Kind, &t, In(o.Folder, o.Sent(&t)), o.Folder)
	in.PartnerAS2ID, in.StationAS2ID = o.PartnerAS2ID, o.StationAS2ID
	return in, "", nil
}

// Check says what of the hooks that are owed for a partner is not as it ought to be.
func Check(ctx context.Context, l *ledger.Ledger, partner string, limit int) (findings []ledger.Finding, err error) {
	err = l.View(ctx, func(tx *ledger.Tx) error {
		open, err := tx.NextHooks(partner, limit)
		if err != nil {
			return err
		}
		for _, h := range open {
			f, err := check(tx, &h)
			if err != nil {
				return err
			}
			findings = append(findings, f)
		}
		return nil
	})
	return findings, err
}

func check(tx *ledger.Tx, h *ledger.OwedHook) (f ledger.Finding, err error) {
	f = ledger.Finding{Partner: h.Partner, Subject: h.Subject}
	what := fmt.Sprintf("hook %s %q", h.Kind, h.Name)
	known := false
	if h.Kind == ledger.HookAfterReceived {
		known, _, err = tx.Exists(h.Subject)
	} else if _, err = tx.Transfer(h.Subject); err == nil {
		known = true
	} else if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	switch {
	case !known:
		f.Fact, f.Hint = what+" is owed for something that is not in the ledger", "the agent closes it by itself"
	case h.Tries > 0:
		f.Fact, f.Hint = fmt.Sprintf("%s failed %d times: %s", what, h.Tries, h.Reason), "it is run again by itself at "+h.Due.Format(time.DateTime)+" UTC"
	default:
		f.Fact, f.Hint = what+" is owed since "+h.Since.Format(time.DateTime)+" UTC and was not run yet", "the agent runs it by itself"
	}
	return f, err
}
