package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// claim moves the members of a recorded claim into .work/<id>. A file is moved only
// if it still is the one that was recorded; otherwise the claim is undone as a whole.
func (o *Outbox) claim(ctx context.Context, t *ledger.Transfer) error {
	dir := o.work(t)
	changed, err := o.changedMember(t, dir)
	if err != nil {
		return err
	}
	if changed != "" {
		return o.undo(ctx, t, fmt.Sprintf("%q is gone or was changed since it was seen", changed))
	}
	err = fsx.Mkdir(o.p.Folder, dir, dirPerm)
	if errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		err = fsx.MkdirAll(o.p.Folder, dir, dirPerm)
	}
	if err != nil {
		return err
	}
	// Where the files come from elsewhere, or wait for a decision, nobody could tell that by
	// the folder. All others are as they were in the outbox, see nameless.
	if t.Source != outboxDir || t.Hold != "" {
		if err := o.writeTransfer(t, dir, nil); err != nil {
			return err
		}
	}
	for _, m := range t.Members {
		source, target := path.Join(t.Source, m.Name), path.Join(dir, m.Name)
		if err := o.takeMember(m, source, target); err != nil {
			if errors.Is(err, fsx.ErrGone) {
				return o.undo(ctx, t, fmt.Sprintf("%q vanished while it was being claimed", m.Name))
			}
			return err
		}
		// Between the look and the move somebody may have put another file there.
		same, err := o.sameFile(m, target)
		if err != nil {
			return err
		}
		if !same {
			return o.undo(ctx, t, fmt.Sprintf("%q was changed while it was being claimed", m.Name))
		}
	}
	failpoint.Hit("after claim moves")
	t.State = ledger.StateClaimed
	return o.save(ctx, t, o.takeOver(t))
}

// takeMember moves a member. One that a process moved which is gone is there already, and
// what has its name in the outbox since then is another file.
func (o *Outbox) takeMember(m ledger.Member, source, target string) error {
	there, err := o.sameFile(m, target)
	if err != nil {
		return err
	}
	half, err := o.sameFile(m, source) // of a move: both names
	if err != nil {
		return err
	}
	if there && !half {
		// That process may not have come to sync it.
		return errors.Join(fsx.SyncFile(o.p.Folder, target), o.p.Folder.SyncDir(path.Dir(target)), o.p.Folder.SyncDir(path.Dir(source)))
	}
	// The writer may have left the data to the system; from here on it is ours.
	if err := o.syncMember(source, target); err != nil {
		return err
	}
	return fsx.Move(o.p.Folder, source, target)
}

func (o *Outbox) syncMember(source, target string) error {
	err := fsx.SyncFile(o.p.Folder, source)
	if errors.Is(err, fs.ErrNotExist) {
		err = fsx.SyncFile(o.p.Folder, target)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Move will say so
	}
	return err
}

// changedMember names a member that is neither in the source nor in .work as it was
// recorded.
func (o *Outbox) changedMember(t *ledger.Transfer, dir string) (string, error) {
	for _, m := range t.Members {
		for _, place := range []string{t.Source, dir} {
			same, err := o.sameFile(m, path.Join(place, m.Name))
			if err != nil {
				return "", err
			}
			if same {
				goto next
			}
		}
		return m.Name, nil
	next:
	}
	return "", nil
}

// undo gives the members back under their names. Where a name is taken they go to
// failed together, with the reason. It may be repeated after a crash.
func (o *Outbox) undo(ctx context.Context, t *ledger.Transfer, reason string) error {
	dir := o.work(t)
	stuck := false
	for _, m := range t.Members {
		from := path.Join(dir, m.Name)
		there, err := fsx.Exists(o.p.Folder, from)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		err = fsx.Move(o.p.Folder, from, path.Join(t.Source, m.Name))
		switch {
		case errors.Is(err, fsx.ErrTargetTaken):
			stuck = true
		case err != nil:
			return err
		}
	}
	t.Reason = reason
	if stuck {
		t.Reason += "; meanwhile another file has its name, so it could not go back"
		t.Verdict, t.Next = ledger.VerdictRefused, "look at both files and drop the right one again"
		t.FilePath = path.Join(failedDir, o.folderName(t))
		t.State, t.Settled = ledger.StateSettled, o.Now().UTC()
		o.blocks(t)
		return o.save(ctx, t, o.event(t, ledger.Alarm, "claim-stuck", t.Next, "%s: %s", t.Document, t.Reason), countVerdict(t))
	}
	if err := fsx.RemoveAll(o.p.Folder, dir); err != nil {
		return err
	}
	t.State = ledger.StateUndone
	return o.save(ctx, t, o.giveBack(t), o.event(t, ledger.Warning, "claim-undone", "it is sent when it is complete again", "%s: %s; put back into the outbox", t.Document, reason))
}

// folderName is what a filed folder is called: people find it by the key.
func (o *Outbox) folderName(t *ledger.Transfer) string { return naming.Safe(t.Key) + "." + t.ID }

// reopen takes a given-up transfer back out of failed, to be posted again under the
// same Message-ID.
func (o *Outbox) reopen(ctx context.Context, t *ledger.Transfer) error {
	dir := o.work(t)
	err := fsx.Move(o.p.Folder, t.FilePath, dir)
	if why := removedBy(t); errors.Is(err, fsx.ErrGone) && why != "" {
		return o.hold(ctx, t, obstacle{fact: why, next: "ask the partner whether he has it; as2drop dismiss ID ends it"})
	}
	if errors.Is(err, fsx.ErrGone) {
		return o.hold(ctx, t, obstacle{fact: "its files are not in " + t.FilePath + " any more", next: "put the folder back, then: as2drop release ID"})
	}
	if err != nil {
		return err
	}
	message := path.Join(dir, messageFile)
	if err := fsx.Move(o.p.Folder, path.Join(o.evidence(t), messageFile), message); err != nil {
		return err
	}
	if err := fsx.RemoveAll(o.p.Folder, path.Join(dir, whyFile)); err != nil {
		return err
	}
	now := o.Now()
	t.State, t.Verdict, t.Reason, t.Next, t.FilePath = ledger.StateSealed, ledger.VerdictNone, "", "", ""
	t.Attempts, t.Due, t.Deadline = 0, now.UTC(), o.p.Policy.later(now, o.p.Policy.GiveUpAfter).UTC()
	known, err := o.sealingOf(t)
	if err != nil {
		return err
	}
	// As when it was sealed: before it can be posted.
	if err := o.writeTransfer(t, dir, known); err != nil {
		return err
	}
	return o.save(ctx, t)
}
