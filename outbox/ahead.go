package outbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// ahead is what was made of a transfer that is alone before the next step: its files were moved,
// and meanwhile its message was sealed in memory. It is thrown away where anything is not as it
// should be; then the message is made in the step that seals.
type ahead struct {
	by      *Outbox
	row     ledger.Transfer // as it is once it is sealed, but for what the intent has added
	sealed  *as2.Sealed
	known   *sealing
	message []byte
	moved   bool // the files are in .work/<id>, durably, and not in the outbox
	made    bool // the message is
}

// aheadUpTo is how many bytes are sealed in memory.
const aheadUpTo = 64 << 10

// sealedAhead reports whether a transfer that is alone is sealed while its intent is recorded:
// nothing else is asked before it is sealed.
func (o *Outbox) sealedAhead(t *ledger.Transfer) bool {
	var size int64
	for _, m := range t.Members {
		size += m.Size
	}
	return size <= aheadUpTo && o.sealedInAMoment(t) && !o.p.Checks.Any()
}

// errNotAhead means that something is to be made in its own step.
var errNotAhead = errors.New("not ahead")

// sealAhead claims a transfer, and meanwhile makes its message of what its files hold now. record
// records the intent to claim it, and says which intent is on record then, nil for none.
func (o *Outbox) sealAhead(t *ledger.Transfer, record func() (*ledger.Transfer, error)) (a *ahead, err error) {
	a = &ahead{by: o, row: *t}
	a.row.Members = slices.Clone(t.Members)
	sent, rerr := o.readAhead(&a.row)
	o.Beside(
		func() { a.moved, err = o.claimAhead(t, record) },
		func() { a.made = rerr == nil && o.makeAhead(a, sent) == nil },
	)
	if err != nil || !a.moved {
		return nil, err
	}
	return a, nil
}

// claimAhead has the intent to claim a transfer recorded, and moves its files; only then .work/<id>
// is made (O2). What could not be done is left to Take.
func (o *Outbox) claimAhead(t *ledger.Transfer, record func() (*ledger.Transfer, error)) (moved bool, err error) {
	var folder, synced bool
	o.Beside(
		func() {
			var alone *ledger.Transfer
			if alone, err = record(); alone != nil {
				folder = o.makeWork(alone) == nil
			}
		},
		func() { synced = o.syncMembers(t) == nil },
	)
	if err != nil || !folder {
		return false, err
	}
	if _, ok := o.enter(t.ID); !ok {
		return false, nil
	}
	defer o.leave(t.ID)
	// The new names are durable before the old ones are gone for good.
	if !o.takeMembers(t, synced) || o.p.Folder.SyncDir(outboxDir) != nil {
		return false, nil
	}
	failpoint.Hit("after claim moves")
	return true, nil
}

// readAhead reads what is sent of a transfer whose files lie in the outbox.
func (o *Outbox) readAhead(t *ledger.Transfer) (sent []outgoing, err error) {
	sent = o.outgoing(t, t.Source)
	for i, f := range sent {
		if sent[i].content, err = fsx.ReadFile(o.p.Folder, f.place, aheadUpTo); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// makeWork makes the folder of a transfer, durably. One that is there may have something of an
// earlier try in it, and is an error.
func (o *Outbox) makeWork(t *ledger.Transfer) error {
	if _, ok := o.enter(t.ID); !ok {
		return errNotAhead // somebody else is at work on it
	}
	defer o.leave(t.ID)
	if err := o.p.Folder.Mkdir(o.work(t), dirPerm); err != nil {
		return err
	}
	return o.p.Folder.SyncDir(workDir)
}

// syncMembers syncs files in the outbox, whose writer may have left their data to the system.
func (o *Outbox) syncMembers(t *ledger.Transfer) error {
	for _, m := range t.Members {
		if err := fsx.SyncFile(o.p.Folder, path.Join(t.Source, m.Name)); err != nil {
			return err
		}
	}
	return nil
}

// makeAhead seals what was read of the files. Why it could not be the step tells that seals.
func (o *Outbox) makeAhead(a *ahead, sent []outgoing) error {
	t := &a.row
	options, blocked := o.sealOptions(t)
	if blocked != "" {
		return errNotAhead
	}
	form, blocked, err := o.travels(t, sent)
	if err != nil || blocked != "" {
		return cmp.Or(err, errNotAhead)
	}
	if err := o.enough(o.sealedSize(form)); err != nil {
		return err
	}
	var message bytes.Buffer
	if a.sealed, err = as2.SealFiles(&message, form.files, options); err != nil {
		return err
	}
	a.sealed.Files[0].SHA256 = form.made
	a.message, a.known = message.Bytes(), o.sealingNow(options)
	return o.isSealed(t, a.sealed, options)
}

// takeAlone hands a transfer over whose files were moved. A message that is made is written
// beside them, with the record that says so, which has no name yet: what is in .work/<id> without
// a transfer.json was never posted.
func (o *Outbox) takeAlone(t *ledger.Transfer, a *ahead) {
	if _, ok := o.enter(t.ID); !ok {
		return
	}
	defer o.leave(t.ID)
	row := *t
	if a.made {
		row.State, row.Due, row.Members, row.Sealed, row.Certificates = a.row.State, a.row.Due, a.row.Members, a.row.Sealed, a.row.Certificates
	}
	if !a.made || !o.writeAhead(&row, a) {
		row, a = *t, nil
	}
	row.State, row.Due = ledger.StateClaimed, t.Due
	o.handOver(taken{row: row, made: a})
}

// writeAhead writes message and record of a transfer that is sealed.
func (o *Outbox) writeAhead(t *ledger.Transfer, a *ahead) bool {
	record, err := transferJSON(t, a.known)
	if err != nil {
		return false // the step meets it again, and tells
	}
	dir := o.work(t)
	var kept, said bool
	o.Beside(
		func() { kept = o.write(path.Join(dir, messageFile), a.message) == nil },
		func() { said = o.write(path.Join(dir, recordPart), record) == nil },
	)
	a.message = nil // it is on the disk, or of no use
	return kept && said
}

// recordPart is the record of a sealed message that is not named yet.
const recordPart = transferFile + ".part"

// commitAhead commits a message that was made ahead.
func (o *Outbox) commitAhead(ctx context.Context, t *ledger.Transfer, a *ahead) error {
	dir := o.work(t)
	if undone, err := o.undoIfChanged(ctx, t, dir); err != nil || undone {
		return err
	}
	failpoint.Hit("after seal")
	if err := o.p.Folder.Replace(path.Join(dir, recordPart), path.Join(dir, transferFile)); err != nil {
		return err
	}
	if err := o.p.Folder.SyncDir(dir); err != nil {
		return err
	}
	t.State, t.Due = ledger.StateSealed, o.p.Policy.allowed(o.Now()).UTC()
	return o.commitSealed(ctx, t, a.sealed, a.known)
}
