package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// BeforeSend is a hook that is asked before a batch is sealed. It is asked each time that
// this is begun, so it may be asked about one transfer more than once.
type BeforeSend struct {
	Name    string
	OnError OnError
	// Ask asks it. failure is why the hook itself came to nothing; err is a fault of ours, or
	// the end of ctx, and the step is repeated.
	Ask func(ctx context.Context, q Question) (a Answer, failure string, err error)
}

// OnError is what happens to a batch whose hook failed.
type OnError string

const (
	HookHolds   OnError = "hold"   // it waits for an operator
	HookRefuses OnError = "refuse" // it is filed under failed
	HookIgnored OnError = "ignore" // it is sent as it is
)

// Question is what a hook before sending is asked about. Paths are in the partner's folder.
type Question struct {
	Transfer ledger.Transfer
	Folder   string     // of the transfer
	Files    []HookFile // as they would be sent now
	Out      string     // an empty folder for what the hook changes or adds
}

// HookFile is a file that is sent or was.
type HookFile struct {
	Name, Place string
	Role        ledger.Role
	Size        int64
	SHA256      string // empty until it is sealed
	ChangedBy   string // the hook that made it; empty = it was dropped
	Dropped     string // the place of the dropped file that it is in place of
}

// Answer is what a hook before sending wants.
type Answer struct {
	Refuse string   // why the batch is not sent; empty = it is
	Files  []string // that it wrote to Out, to be sent in place of those of the same names, or beside them
}

// hookPart is where hooks write. Each run has a folder of its own in it: one that was left
// over by a process that was killed cannot write into that of another.
const hookPart = "hook.part"

// HookFiles are the files that are sent of a transfer, or were, in the folder that it is in.
func (o *Outbox) HookFiles(t *ledger.Transfer, dir string) (files []HookFile) {
	by := map[string]string{}
	for _, c := range t.Changed {
		by[c.Name] = c.Hook
	}
	for _, f := range o.outgoing(t, dir) {
		h := HookFile{Name: f.name, Place: f.place, Role: f.role, Size: f.size, SHA256: *f.sum, ChangedBy: by[f.name]}
		if h.ChangedBy != "" && slices.ContainsFunc(t.Members, func(m ledger.Member) bool { return m.Name == f.name }) {
			h.Dropped = path.Join(dir, f.name)
		}
		files = append(files, h)
	}
	return files
}

// askHooks asks the hooks one after the other; each sees what those before it made. over
// tells that the transfer was settled, held or given back.
func (o *Outbox) askHooks(ctx context.Context, t *ledger.Transfer, dir string) (over bool, err error) {
	for i, h := range o.p.BeforeSend {
		out := path.Join(dir, hookPart, fmt.Sprintf("%s-%d", o.Process, i))
		if err := fsx.MkdirAll(o.p.Folder, out, dirPerm); err != nil {
			return false, err
		}
		a, failure, err := h.Ask(ctx, Question{Transfer: *t, Folder: dir, Files: o.HookFiles(t, dir), Out: out})
		if err != nil {
			return false, err
		}
		failpoint.Hit("after before_send")
		if failure == "" && a.Refuse == "" {
			failure, err = o.takeChanged(t, dir, out, h.Name, a.Files)
		}
		if err = errors.Join(err, fsx.RemoveAll(o.p.Folder, path.Join(dir, hookPart))); err != nil {
			return false, err
		}
		if over, err := o.hookSaid(ctx, t, h, a, failure); err != nil || over {
			return over, err
		}
	}
	return false, nil
}

// hookSaid does what follows from what a hook said.
func (o *Outbox) hookSaid(ctx context.Context, t *ledger.Transfer, h BeforeSend, a Answer, failure string) (over bool, err error) {
	refused := decision{verdict: ledger.VerdictRefused}
	switch {
	case failure == "" && a.Refuse == "":
		return false, nil
	case failure == "":
		refused.reason = fmt.Sprintf("the hook %q of before_send refuses it: %s", h.Name, a.Refuse)
		refused.next = "correct the files in this folder, under the names that they have, or drop corrected ones; or, if the hook is wrong, correct that"
	case h.OnError == HookRefuses:
		refused.reason = fmt.Sprintf("the hook %q of before_send failed: %s", h.Name, failure)
		refused.next = "correct the hook; nothing is wrong with the files as far as is known"
	case h.OnError == HookIgnored:
		return false, o.Ledger.Update(context.WithoutCancel(ctx), o.event(t, ledger.Warning, "hook-ignored", "on_error: hold would have kept it back",
			"%s: the hook %q of before_send failed, and it is sent without it: %s", t.Document, h.Name, failure))
	default:
		return true, o.hold(ctx, t, obstacle{holdHook, fmt.Sprintf("the hook %q of before_send failed: %s", h.Name, failure), "correct the hook, then: as2drop release ID has it asked again"})
	}
	return true, o.refuse(ctx, t, o.work(t), refused)
}

// takeChanged takes what a hook wrote. failure says what is wrong with it; then nothing was
// taken.
func (o *Outbox) takeChanged(t *ledger.Transfer, dir, out, hook string, names []string) (failure string, err error) {
	var taken []ledger.Changed
	for _, name := range names {
		c, failure, err := o.changedFile(t, path.Join(out, name), name, taken)
		if failure != "" || err != nil {
			return failure, err
		}
		c.Hook = hook
		taken = append(taken, c)
	}
	if len(taken) == 0 {
		return "", nil
	}
	if err := fsx.MkdirAll(o.p.Folder, path.Join(dir, changedDir), dirPerm); err != nil {
		return "", err
	}
	for _, c := range taken {
		file := path.Join(dir, changedDir, c.Name)
		if err := fsx.RemoveAll(o.p.Folder, file); err != nil { // of a hook before it
			return "", err
		}
		if err := fsx.Move(o.p.Folder, path.Join(out, c.Name), file); err != nil {
			return "", err
		}
		t.Changed = slices.DeleteFunc(t.Changed, func(x ledger.Changed) bool { return x.Name == c.Name })
		t.Changed = append(t.Changed, c)
	}
	return "", nil
}

// changedFile looks at one file that a hook wrote, and makes it durable. Its name becomes a
// path only if it is a safe one that nothing of ours has.
func (o *Outbox) changedFile(t *ledger.Transfer, file, name string, taken []ledger.Changed) (c ledger.Changed, failure string, err error) {
	c = ledger.Changed{Name: name, Role: ledger.RoleAttachment}
	if safe := naming.Safe(name); safe != name {
		return c, fmt.Sprintf("%q is no name for a file that is sent; %q would be one", name, safe), nil
	}
	if reserved(name) {
		return c, fmt.Sprintf("%q is a name that the agent uses itself", name), nil
	}
	same := func(other string) bool { return other != name && naming.Fold(other, true) == naming.Fold(name, true) }
	for _, m := range t.Members {
		switch {
		case m.Name == name && m.Role == ledger.RoleMarker, same(m.Name):
			return c, fmt.Sprintf("%q cannot be told from %q, which was dropped", name, m.Name), nil
		case m.Name == name:
			c.Role = m.Role
		}
	}
	for _, x := range slices.Concat(t.Changed, taken) {
		if same(x.Name) {
			return c, fmt.Sprintf("%q cannot be told from %q", name, x.Name), nil
		}
	}
	if slices.ContainsFunc(taken, func(x ledger.Changed) bool { return x.Name == name }) {
		return c, fmt.Sprintf("it names %q twice", name), nil
	}
	info, err := o.p.Folder.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Sprintf("it names %q, and did not write it to the folder for changed files", name), nil
	case err != nil:
		return c, "", err
	case !info.Mode().IsRegular():
		return c, fmt.Sprintf("%q, which it wrote, is no file", name), nil
	}
	c.Size, c.MTime = info.Size(), info.ModTime().UnixNano()
	return c, "", errors.Join(o.p.Folder.Chmod(file, filePerm), fsx.SyncFile(o.p.Folder, file))
}

// sumReplaced takes the digests of dropped files that something else is sent in place of:
// sealing reads only what is sent.
func (o *Outbox) sumReplaced(t *ledger.Transfer, dir string) error {
	for i := range t.Members {
		m := &t.Members[i]
		if !t.Replaced(m.Name) {
			continue
		}
		f, err := o.p.Folder.OpenFile(path.Join(dir, m.Name), fsx.ReadOnly, 0)
		if err != nil {
			return err
		}
		got, err := bundle.Copy(io.Discard, f, m.Name, m.Size)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		m.SHA256 = got.SHA256
	}
	return nil
}

// oweHooks records, with what happened, that hooks are to be run because of it.
func (o *Outbox) oweHooks(t *ledger.Transfer) func(*ledger.Tx) error {
	kind, names := ledger.HookAfterFailed, o.p.AfterFailed
	if t.Verdict.Sent() {
		kind, names = ledger.HookAfterSent, o.p.AfterSent
	}
	return func(tx *ledger.Tx) error {
		for _, name := range names {
			if err := tx.OweHook(o.p.Name, kind, name, t.ID, o.Now()); err != nil {
				return err
			}
		}
		return nil
	}
}
