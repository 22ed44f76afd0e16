package outbox

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// takenAtOnce is how many claims share their syncs and their commit at most: those who send
// must not wait for all of a backlog.
const takenAtOnce = 16

// Take moves what the last Scan or Refill has recorded as its intent into .work, several
// transfers with one sync of each folder that they share and with one commit. For each of
// them it is what its first Step would do, in the same order: intent, moves, completion.
//
// One that is alone and sealed in a moment is handed to Carry as it is: that it is claimed is
// committed with what is sealed. Should the process end before, the row says claiming, and
// the step that is then made anew finds the files in .work.
//
// What Carry is handed over it need not read again. Whoever changes the row meanwhile wins:
// each commit is a compare-and-set.
//
// A transfer is left to its own Step where anything is not as it was recorded, and all of
// them where a fault of ours comes between: Step meets it again and tells.
func (o *Outbox) Take(ctx context.Context, ob *Observer) {
	intents, made := ob.intents, ob.made
	ob.intents, ob.made = nil, nil
	if made != nil && len(intents) == 1 && ob.by == o {
		o.takeAlone(intents[0], made)
		return
	}
	for len(intents) > 0 && ob.by == o {
		n := min(len(intents), takenAtOnce)
		o.takeTogether(ctx, intents[:n])
		intents = intents[n:]
	}
}

func (o *Outbox) takeTogether(ctx context.Context, ts []*ledger.Transfer) {
	var made, moved []*ledger.Transfer
	fresh := map[*ledger.Transfer]bool{}
	for _, t := range ts {
		if _, ok := o.enter(t.ID); !ok {
			continue
		}
		defer o.leave(t.ID)
		err := o.p.Folder.Mkdir(o.work(t), dirPerm)
		if fresh[t] = err == nil; errors.Is(err, fs.ErrExist) {
			err = fsx.MkdirUnsynced(o.p.Folder, o.work(t), dirPerm)
		}
		if err == nil {
			made = append(made, t)
		}
	}
	// Before anything is in them: a folder that a power cut takes away takes along what is in it.
	if len(made) == 0 || o.p.Folder.SyncDir(workDir) != nil {
		return
	}
	for _, t := range made {
		if o.takeMembers(t, false) {
			moved = append(moved, t)
		}
	}
	// The new names are durable, each in its folder, before the old ones are gone for good.
	if len(moved) == 0 || o.p.Folder.SyncDir(outboxDir) != nil {
		return
	}
	failpoint.Hit("after claim moves")
	now := o.Now().UTC()
	if len(ts) == 1 && o.sealedInAMoment(ts[0]) {
		t := *ts[0]
		t.State = ledger.StateClaimed
		o.handOver(taken{row: t, fresh: fresh[ts[0]]})
		return
	}
	err := o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		for _, t := range moved {
			t.State, t.DueSet = ledger.StateClaimed, now
			if err := o.takeOver(t)(tx); err != nil {
				return err
			}
			if err := tx.SaveTransfer(t); err != nil {
				return err
			}
		}
		return o.wakeFirst(tx)
	})
	if err != nil || o.p.Strict { // each Step would try it again; whose turn it is may have changed meanwhile
		return
	}
	for _, t := range moved {
		o.handOver(taken{row: *t, committed: true, fresh: fresh[t]})
	}
}

// takeMembers moves the members of a transfer, whose folder is there, and syncs that; synced
// says that they are. It reports whether all of them are the files that were recorded.
func (o *Outbox) takeMembers(t *ledger.Transfer, synced bool) bool {
	dir := o.work(t)
	for _, m := range t.Members {
		source, target := path.Join(t.Source, m.Name), path.Join(dir, m.Name)
		if same, err := o.sameFile(m, source); err != nil || !same {
			return false
		}
		// The writer may have left the data to the system; from here on it is ours.
		if !synced && fsx.SyncFile(o.p.Folder, source) != nil || o.p.Folder.RenameNoReplace(source, target) != nil {
			return false
		}
		// Between the look and the move somebody may have put another file there.
		if same, err := o.sameFile(m, target); err != nil || !same {
			return false
		}
	}
	return o.p.Folder.SyncDir(dir) == nil
}

// aMoment is up to how many bytes are sealed in no more time than a commit takes.
const aMoment = 1 << 20

// sealedInAMoment reports whether nobody could see that a transfer is claimed before it is
// sealed: no hook is asked, it waits for no other, and it is small.
func (o *Outbox) sealedInAMoment(t *ledger.Transfer) bool {
	var size int64
	for _, m := range t.Members {
		size += m.Size
	}
	return !o.p.Strict && len(o.p.BeforeSend) == 0 && size <= aMoment
}

// taken is a transfer whose files Take has moved.
type taken struct {
	row       ledger.Transfer
	committed bool   // as claimed; else the row says claiming
	fresh     bool   // the folder was made for it just now: nothing of an earlier try is in it
	made      *ahead // the sealed message lies beside them; nil = it is still to be made
}

// handOver leaves a transfer whose files were moved to the next Carry, which need not read it
// again. A Step reads the row and makes the claim anew, where that is not committed.
func (u *underway) handOver(t taken) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.taken == nil {
		u.taken = map[string]taken{}
	}
	u.taken[t.row.ID] = t
}

// gone are transfers that may be claiming in the ledger and whose files are not in the outbox
// any more: what has their names there is another file.
func (u *underway) gone() map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := map[string]bool{}
	for id, t := range u.taken {
		if !t.committed {
			ids[id] = true
		}
	}
	for id, m := range u.busy {
		if m.moved {
			ids[id] = true
		}
	}
	return ids
}
