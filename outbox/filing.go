package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/readable"
	"github.com/as2drop/as2drop/ledger"
)

// filedAtOnce is how many transfers share their syncs and their commit at most when they are
// filed.
const filedAtOnce = 16

// filings are the transfers of a partner that are to be filed. Whoever comes first files at
// once, and those who come meanwhile wait and are filed together, by the first of them.
type filings struct {
	mu      sync.Mutex
	leading bool // somebody files
	line    []*filing
}

// filing is a transfer on its way to sent or failed.
type filing struct {
	ctx  context.Context
	t    *ledger.Transfer
	lead chan bool // true: file what is in line; false: it was done

	there    bool                     // in .work
	body     []byte                   // t as it is in transfer.json
	more     []func(*ledger.Tx) error // committed with it
	err      error
	panicked any
}

// file moves the folder of a settled transfer to its place, alone or with others that are to
// be filed at the same time.
func (o *Outbox) file(ctx context.Context, t *ledger.Transfer) error {
	f := &filing{ctx: ctx, t: t, lead: make(chan bool, 1)}
	o.filings.mu.Lock()
	o.filings.line = append(o.filings.line, f)
	first := !o.filings.leading
	o.filings.leading = true
	o.filings.mu.Unlock()
	if first || o.waitToLead(f) {
		o.fileLine()
	}
	if f.panicked != nil {
		panic(f.panicked)
	}
	return f.err
}

// waitToLead waits until others have filed a transfer, or have left that to the caller. Whoever
// files has a turn, and nobody else needs one.
func (o *Outbox) waitToLead(f *filing) bool {
	m := o.memo(f.t.ID)
	m.endTurn()
	if !<-f.lead {
		return false
	}
	if o.Turn != nil {
		// If the agent ends meanwhile there is none, and those who wait are still to be served.
		m.done, _ = o.Turn(f.ctx, o.p.Name)
	}
	return true
}

// fileLine files what is in line, the caller's own among it, and hands the lead to the first
// of those that have come since.
func (o *Outbox) fileLine() {
	w := &o.filings
	w.mu.Lock()
	n := min(len(w.line), filedAtOnce)
	fs := w.line[:n:n]
	w.line = w.line[n:]
	w.mu.Unlock()

	defer func() {
		if p := recover(); p != nil {
			for _, f := range fs {
				f.panicked = p
			}
		}
		w.mu.Lock()
		if len(w.line) > 0 {
			w.line[0].lead <- true
		} else {
			w.leading = false
		}
		w.mu.Unlock()
		for _, f := range fs[1:] { // the first one is the caller's
			f.lead <- false
		}
	}()
	o.fileTogether(fs)
}

// fileTogether files transfers with one sync of each folder that they share, and with one
// commit. For each of them the order is that of one that is filed alone; where one comes to
// a fault, it alone stays where it is.
func (o *Outbox) fileTogether(fs []*filing) {
	if fs = stepEach(fs, o.prove); len(fs) == 0 {
		return
	}
	if slices.ContainsFunc(fs, func(f *filing) bool { return len(f.t.Sealed) > 0 }) {
		if fs = failing(fs, o.p.Folder.SyncDir(evidenceDir)); len(fs) == 0 {
			return
		}
		fs = stepEach(fs, o.proveMessage)
	}
	o.days.RLock()
	defer o.days.RUnlock()
	fs = stepEach(fs, o.place)
	into := map[string]bool{}
	for _, f := range fs {
		if day := path.Dir(f.t.FilePath); !into[day] {
			into[day] = true
			fs = failing(fs, o.p.Folder.SyncDir(day))
		}
	}
	fs = failing(fs, o.p.Folder.SyncDir(workDir))
	if fs = stepEach(fs, o.conclusion); len(fs) == 0 {
		return
	}
	if fs = o.commitFiled(fs); len(fs) == 0 {
		return
	}
	failpoint.Hit("after filed")
	if o.Hooked != nil && len(o.p.AfterSent)+len(o.p.AfterFailed) > 0 {
		o.Hooked(o.p.Name)
	}
}

// stepEach makes a step for each transfer, and returns those that came through.
func stepEach(fs []*filing, step func(*filing) error) (through []*filing) {
	for _, f := range fs {
		func() {
			// It is that transfer's and nobody else's.
			defer func() { f.panicked = recover() }()
			f.err = step(f)
		}()
		if f.err == nil && f.panicked == nil {
			through = append(through, f)
		}
	}
	return through
}

// failing gives an error of what they share to all of them.
func failing(fs []*filing, err error) []*filing {
	if err == nil {
		return fs
	}
	for _, f := range fs {
		f.err = err
	}
	return nil
}

// prove makes the folder of the evidence of a transfer, and its record. The folder of one that
// was given up first comes back from where it was filed.
func (o *Outbox) prove(f *filing) error {
	t, dir := f.t, o.work(f.t)
	if err := o.takeBack(t, dir); err != nil {
		return err
	}
	var err error
	if f.there, err = fsx.Exists(o.p.Folder, dir); err != nil {
		return err
	}
	overtaken, err := o.overtaken(f.ctx, t)
	if err != nil {
		return err
	}
	t.Attempts += len(overtaken) // before transfer.json says how many
	if f.body, err = readable.JSON(t); err != nil {
		return err
	}
	f.more = []func(*ledger.Tx) error{o.closeAttempts(overtaken), o.oweHooks(t)}
	switch {
	case !f.there:
		return o.alreadyFiled(t)
	case len(t.Sealed) == 0:
		return o.removeEach(o.evidence(t))
	}
	with, err := o.sealingOf(t)
	if err != nil {
		return err
	}
	record, err := recordJSON(f.body, with)
	if err != nil {
		return err
	}
	return o.keepRecord(t, o.evidence(t), record)
}

// proveMessage adds the message to the evidence, which is durable then.
func (o *Outbox) proveMessage(f *filing) error {
	if !f.there || len(f.t.Sealed) == 0 {
		return nil
	}
	return o.keepMessage(f.t, o.work(f.t))
}

// place completes the folder under .work and moves it to its place in one rename, whose
// folders are still to be synced.
func (o *Outbox) place(f *filing) error {
	t, dir := f.t, o.work(f.t)
	if f.there {
		if err := o.complete(f, dir); err != nil {
			return err
		}
		failpoint.Hit("before filed")
		if err := o.share(f.ctx, t, dir); err != nil {
			return err
		}
	}
	// Also where it was moved already: the process that did may not have come to sync it.
	return fsx.MoveUnsynced(o.p.Folder, dir, t.FilePath)
}

// conclusion is what is committed of a transfer that is in its place.
func (o *Outbox) conclusion(f *filing) error {
	t := f.t
	if t.RefileFrom != "" {
		taken, err := o.takenAway(t)
		if err != nil {
			return err
		}
		if why := removedBy(t); why != "" && len(taken) > 0 {
			f.more = append(f.more, o.event(t, ledger.Info, "files-removed", "", "%s: %s, and %s", t.Document, t.Verdict, why))
		} else if len(taken) > 0 {
			f.more = append(f.more, o.event(t, ledger.Alarm, "files-taken", "if they were sent in another way the partner has them twice: ask him",
				"%s: %s, but these files are not in %s any more: %s", t.Document, t.Verdict, t.RefileFrom, strings.Join(taken, ", ")))
		}
	}
	t.State, t.Filed, t.RefileFrom = ledger.StateFiled, o.Now().UTC(), ""
	return nil
}

// commitFiled commits them together. Where that fails each has a commit of its own: one that
// somebody else moved keeps none of the others.
func (o *Outbox) commitFiled(fs []*filing) []*filing {
	if len(fs) > 1 {
		before := make([]ledger.Transfer, len(fs))
		for i, f := range fs {
			before[i] = *f.t
		}
		// A shutdown must not tear an effect from its record.
		err := o.Ledger.Update(context.WithoutCancel(fs[0].ctx), func(tx *ledger.Tx) error {
			var errs []error
			for _, f := range fs {
				errs = append(errs, o.saveIn(tx, f.t, f.more))
			}
			return errors.Join(append(errs, o.wakeFirst(tx))...)
		})
		if err == nil {
			return fs
		}
		for i, f := range fs {
			*f.t = before[i]
		}
	}
	return stepEach(fs, func(f *filing) error { return o.save(f.ctx, f.t, f.more...) })
}

// alreadyFiled makes sure that the folder at the target is the one of this transfer.
func (o *Outbox) alreadyFiled(t *ledger.Transfer) error {
	filed, err := o.readTransfer(t.FilePath)
	if err != nil {
		return fmt.Errorf("its folder is neither in %s nor in %s: %w", o.work(t), t.FilePath, err)
	}
	if filed.ID != t.ID {
		return fmt.Errorf("%s holds transfer %q", t.FilePath, filed.ID)
	}
	return nil
}
