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

// ahead is what was made of a transfer that is alone while the intent to claim it was on its
// way to the ledger: its files were synced, and its message was sealed in memory. Nothing of
// it counts before the files are in .work/<id>. It is thrown away where anything is not as it
// should be; then the message is made in the step that seals.
type ahead struct {
	by      *Outbox
	row     ledger.Transfer // as it is once it is sealed, but for what the intent has added
	sealed  *as2.Sealed
	known   *sealing
	message []byte
	synced  bool // the files are
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

// sealAhead has the intent to claim a transfer recorded, and meanwhile makes ahead what can be.
// record says whether the intent is on record. Nothing is put into .work/<id> before it is (O2).
func (o *Outbox) sealAhead(t *ledger.Transfer, record func() (recorded bool, err error)) (a *ahead, err error) {
	a = &ahead{by: o, row: *t}
	a.row.Members = slices.Clone(t.Members)
	var recorded, folder, made bool
	o.Beside(
		func() { // what takes the processor goes first: the others wait for the disk most of the time
			// Whatever panics here does so again in the step that seals, where it is counted.
			defer func() { _ = recover() }()
			made = o.makeAhead(a) == nil
		},
		func() { recorded, err = record() },
		func() { folder = o.makeWork(t) == nil },
		func() { a.synced = o.syncMembers(t) == nil },
	)
	if folder && !recorded {
		_ = o.p.Folder.Remove(o.work(t)) // else removeEmpty does, in the end
	}
	if err != nil || !recorded || !folder || !made {
		return nil, err
	}
	return a, nil
}

// makeWork makes the folder of a new transfer, durably.
func (o *Outbox) makeWork(t *ledger.Transfer) error {
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

// makeAhead seals the files as they lie in the outbox. Why it could not be the step tells that
// seals.
func (o *Outbox) makeAhead(a *ahead) error {
	t := &a.row
	options, blocked := o.sealOptions(t)
	if blocked != "" {
		return errNotAhead
	}
	form, blocked, err := o.travels(t, t.Source)
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

// takeAlone moves the files of a transfer whose message is made. That is written beside them
// meanwhile, with the record that says so, which has no name yet: what is in .work/<id>
// without a transfer.json was never posted. The new names are durable then; that the old ones
// are gone is left to who carries it on.
func (o *Outbox) takeAlone(t *ledger.Transfer, a *ahead) {
	if _, ok := o.enter(t.ID); !ok {
		return
	}
	defer o.leave(t.ID)
	dir := o.work(t)
	row := *t
	row.State, row.Due, row.Members, row.Sealed, row.Certificates = a.row.State, a.row.Due, a.row.Members, a.row.Sealed, a.row.Certificates
	record, err := transferJSON(&row, a.known)
	if err != nil {
		return // the step meets it again, and tells
	}
	var moved, kept, said bool
	o.Beside(
		func() { moved = o.takeMembers(t, a.synced) },
		func() { kept = o.write(path.Join(dir, messageFile), a.message) == nil },
		func() { said = o.write(path.Join(dir, recordPart), record) == nil },
	)
	if !moved {
		return
	}
	failpoint.Hit("after claim moves")
	if !kept || !said {
		return
	}
	a.message = nil // it is on the disk
	row.State, row.Due = ledger.StateClaimed, t.Due
	o.handOver(taken{row: row, made: a})
}

// recordPart is the record of a sealed message that is not named yet.
const recordPart = transferFile + ".part"

// commitAhead commits a message that was made ahead, with the claim of its files.
func (o *Outbox) commitAhead(ctx context.Context, t *ledger.Transfer, a *ahead) error {
	dir := o.work(t)
	if undone, err := o.undoIfChanged(ctx, t, dir); err != nil || undone {
		return err
	}
	failpoint.Hit("after seal")
	var named, left error
	o.Beside(
		func() {
			if named = o.p.Folder.Replace(path.Join(dir, recordPart), path.Join(dir, transferFile)); named == nil {
				named = o.p.Folder.SyncDir(dir)
			}
		},
		func() { left = o.p.Folder.SyncDir(outboxDir) },
	)
	if err := errors.Join(named, left); err != nil {
		return err
	}
	t.State, t.Due = ledger.StateSealed, o.p.Policy.allowed(o.Now()).UTC()
	return o.commitSealed(ctx, t, a.sealed, a.known)
}
