package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// What repairing makes of transfers that are under way, or may be: of their folders in
// .work, and of rows that are older than their folders.

// lostWork looks at a folder in .work that the ledger does not know.
func (c *checker) lostWork(dir, id string) error {
	r, err := c.remainsOf(id)
	if err != nil {
		return err
	}
	found, err := c.recordOf(dir, r)
	t := found.Transfer
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.nameless(dir, id, r)
	case err != nil:
		c.report(dir, id, "no transfer in the ledger has this folder, and its transfer.json cannot be read: "+err.Error(), byHand)
		return nil
	case t.ID != id || t.Partner != c.p.Name:
		c.report(dir, id, fmt.Sprintf("no transfer in the ledger has this folder, and its transfer.json is that of transfer %q of partner %q", t.ID, t.Partner), "find out who moved it, and put it back where it came from")
		return nil
	}
	f := ledger.Finding{Path: dir, Subject: id, Fact: t.Document + ": no transfer in the ledger has this folder"}
	endHold(&t)
	t.Due = c.Now().UTC()
	switch {
	case t.Verdict != ledger.VerdictNone:
		t.State = ledger.StateSettled
		f.Repair = fmt.Sprintf("it is taken in with its verdict, %s, and filed", t.Verdict)
	case t.State == ledger.StateSealed && (r.request || found.SealedWith != nil):
		whole, err := c.sameMessage(&t, dir)
		if err != nil {
			return err
		}
		if !whole {
			if back, err := c.messageBack(found, dir, r, func() error { return c.lostWork(dir, id) }); err != nil || back {
				return err
			}
			c.report(path.Join(dir, messageFile), id, f.Fact+", and the sealed message is missing or is not the one that was sealed",
				"the partner may have it: ask him about Message-ID "+t.MessageID+", then drop the files again or take them away")
			return nil
		}
		t.Posts, t.Deadline = max(t.Posts, r.last), c.later(t.Deadline)
		f.Repair = "it is taken in, sealed; " + unlessReceipt
	default:
		// Nothing is posted before transfer.json says that it is sealed.
		t.State, t.Sealed, t.Certificates, t.Deadline = ledger.StateClaiming, nil, nil, c.later(t.Deadline)
		f.Repair = "its claim is taken up again; it was never posted"
	}
	if _, err := c.adopt(&t, dir, t.Source); err != nil {
		return err
	}
	return c.offer(f, func() error { return c.put(&t, false, r, f) }, func() error {
		if t.State == ledger.StateClaiming {
			return nil
		}
		return c.copiedTransfer(&t)
	})
}

// recordOf reads the transfer.json of a folder in .work, or says what counts in its place.
//
// Filing overwrites it when the evidence has the new one, durably. So that one counts where it
// cannot be read any more, and where the message has left; but for that of an earlier time,
// before an operator had the transfer posted again.
//
// One that says sealed and was never posted, see halfSealed, says that the files are claimed.
func (c *checker) recordOf(dir string, r remains) (found record, err error) {
	there, err := fsx.Exists(c.p.Folder, path.Join(dir, messageFile))
	if err != nil {
		return found, err
	}
	found, err = c.readRecord(dir)
	var torn *json.SyntaxError
	if r.filed != nil && (errors.As(err, &torn) || !there && (err != nil || !reopenedSince(r.filed, &found.Transfer))) {
		return record{Transfer: *r.filed}, nil
	}
	if err != nil || r.there || found.State != ledger.StateSealed || found.Verdict != ledger.VerdictNone || found.Posts > 0 {
		return found, err
	}
	half, err := c.halfSealed(&found.Transfer, dir, there)
	if half {
		found.State, found.Sealed, found.Certificates, found.SealedWith = ledger.StateClaiming, nil, nil, nil
	}
	return found, err
}

// halfSealed reports whether a record says sealed and the power failed before that was
// committed, so that nothing was posted: the folders are synced before. Of what one of those
// syncs makes durable a power cut may have left the name of the record alone; then there is no
// message, or a file has its name in the outbox still.
func (c *checker) halfSealed(t *ledger.Transfer, dir string, message bool) (bool, error) {
	if !message {
		return true, nil
	}
	for _, m := range t.Members {
		now, err := c.p.Folder.Identity(path.Join(dir, m.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		old, err := c.p.Folder.Identity(path.Join(t.Source, m.Name))
		if err == nil && old == now {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// messageBack brings back a message that is in the evidence, where the power failed before the
// record with its verdict had a name there.
func (c *checker) messageBack(found record, dir string, r remains, then func() error) (back bool, err error) {
	t := &found.Transfer
	if !r.message || t.Verdict != ledger.VerdictNone {
		return false, nil
	}
	evidence, message := c.Outbox.evidence(t), path.Join(dir, messageFile)
	if there, err := fsx.Exists(c.p.Folder, message); err != nil || there {
		return false, err
	}
	if same, err := c.sameMessage(t, evidence); err != nil || !same {
		return false, err
	}
	f := ledger.Finding{Path: dir, Subject: t.ID, Fact: t.Document + ": its message is in the evidence, and no verdict is", Repair: "the message goes back to the files"}
	return true, c.offer(f, func() error {
		if err := fsx.Move(c.p.Folder, path.Join(evidence, messageFile), message); err != nil {
			return err
		}
		return c.Ledger.Update(context.WithoutCancel(c.ctx), c.repaired(t, f))
	}, then)
}

// nameless looks at a folder in .work without a transfer.json. Its message was never posted,
// for transfer.json says that it is sealed before it can be: what was claimed goes back to
// where it came from.
func (c *checker) nameless(dir, id string, r remains) error {
	entries, err := c.p.Folder.ReadDir(dir)
	if err != nil {
		return err
	}
	strange := r.filed != nil || r.last > 0 || len(r.receipts) > 0
	if len(entries) == 0 && !strange {
		return nil // a claim begins with it; Recover removes what an earlier process left so
	}
	var members []string
	for _, e := range entries {
		if reserved(e.Name()) {
			continue
		}
		members = append(members, e.Name())
		free, err := c.freeFor(path.Join(dir, e.Name()), path.Join(outboxDir, e.Name()))
		if err != nil {
			return err
		}
		strange = strange || e.IsDir() || !free
	}
	if strange {
		c.report(dir, id, "no transfer in the ledger has this folder, and it has no transfer.json", byHand)
		return nil
	}
	f := ledger.Finding{Path: dir, Subject: id, Fact: "no transfer in the ledger has this folder, and no file is in it", Repair: "it is removed"}
	if len(members) > 0 {
		f.Fact = "no transfer in the ledger has this folder, and it has no transfer.json, so its files were never posted"
		f.Repair = "they go back into the outbox: " + strings.Join(members, ", ")
	}
	return c.offer(f, func() error {
		for _, name := range members {
			if err := fsx.Move(c.p.Folder, path.Join(dir, name), path.Join(outboxDir, name)); err != nil {
				return err
			}
		}
		if err := c.removeEach(path.Join(evidenceDir, id), dir); err != nil {
			return err
		}
		return c.Ledger.Update(context.WithoutCancel(c.ctx), c.repaired(&ledger.Transfer{ID: id, Document: dir}, f))
	})
}

// freeFor reports whether a file can take a name: nobody has it, or the file itself.
func (c *checker) freeFor(file, name string) (bool, error) {
	there, err := c.p.Folder.Identity(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	own, err := c.p.Folder.Identity(file)
	return own == there, err
}

// copiedTransfer looks at a transfer under way in a ledger that is a copy.
func (c *checker) copiedTransfer(t *ledger.Transfer) error {
	r, err := c.remainsOf(t.ID)
	if err != nil {
		return err
	}
	dir := c.Outbox.work(t)
	there, err := fsx.Exists(c.p.Folder, dir)
	if err != nil {
		return err
	}
	if there {
		moved, err := c.furtherInWork(t, dir, r, c.copiedTransfer)
		if err != nil || moved {
			return err
		}
	} else if moved, err := c.furtherElsewhere(t, r); err != nil || moved {
		return err
	}
	if done, err := c.readReceipts(t, r); err != nil || done {
		return err
	}
	return c.maybePosted(t, r)
}

// furtherInWork brings a transfer forward to the state that its folder in .work tells. Of
// one that was given up the folder tells less until it is complete, and more when it was
// taken back to be posted again: the version tells which. again is how the transfer is looked
// at once more, when its message has come back.
func (c *checker) furtherInWork(t *ledger.Transfer, dir string, r remains, again func(*ledger.Transfer) error) (moved bool, err error) {
	found, err := c.recordOf(dir, r)
	now := found.Transfer
	if err != nil || now.ID != t.ID || len(now.Sealed) == 0 && now.Verdict == ledger.VerdictNone {
		return false, nil // Check looks at the files; a claim writes no news
	}
	if t.Verdict == ledger.VerdictNone || reopenedSince(t, &now) {
		if back, err := c.messageBack(found, dir, r, func() error { return again(t) }); err != nil || back {
			return back, err
		}
	}
	f := ledger.Finding{Path: dir, Subject: t.ID, Fact: fmt.Sprintf("%s: the ledger says %s, its folder is further", t.Document, t.State)}
	switch {
	case now.Verdict != ledger.VerdictNone && (t.Verdict == ledger.VerdictNone || settledLater(&now, t)):
		now.State, now.Due = ledger.StateSettled, c.Now().UTC()
		f.Repair = fmt.Sprintf("it gets its verdict, %s, and is filed", now.Verdict)
	case now.Verdict == ledger.VerdictNone && now.State == ledger.StateSealed && (r.request || found.SealedWith != nil) &&
		(t.State == ledger.StateClaiming || t.State == ledger.StateClaimed || reopenedSince(t, &now)):
		whole, err := c.sameMessage(&now, dir)
		if err != nil || !whole {
			return false, err
		}
		now.Due, now.Posts, now.Deadline = c.Now().UTC(), max(now.Posts, t.Posts, r.last), c.later(now.Deadline)
		f.Repair = "it becomes sealed; " + unlessReceipt
	default:
		return false, nil
	}
	now.Version = t.Version
	endHold(&now)
	if _, err := c.adopt(&now, dir); err != nil {
		return false, err
	}
	return true, c.offer(f, func() error { return c.put(&now, true, r, f) }, func() error { return c.copiedTransfer(&now) })
}

// reopenedSince reports whether a transfer.json is that of a given-up transfer which was
// taken back to be posted again since. One of an earlier time, which stays until the folder
// is completed for filing, has a lower version, or after a repair in between fewer posts.
func reopenedSince(t, now *ledger.Transfer) bool {
	return t.Verdict == ledger.VerdictGaveUp && now.Version > t.Version && now.Posts >= t.Posts
}

// furtherElsewhere brings a transfer forward whose folder is not in .work any more.
func (c *checker) furtherElsewhere(t *ledger.Transfer, r remains) (moved bool, err error) {
	switch {
	case t.State == ledger.StateClaiming || t.State == ledger.StateReopening || t.State == ledger.StateSettled:
		return false, nil // their steps look for it themselves
	case r.filed != nil:
		return true, c.forward(t, *r.filed, r.filed.FilePath, r)
	case t.State == ledger.StateClaimed && !r.request:
		f := ledger.Finding{Path: c.Outbox.work(t), Subject: t.ID, Fact: t.Document + ": the ledger says claimed, and its folder is gone", Repair: "its claim counts as undone: it was never sealed"}
		return true, c.offer(f, func() error {
			t.State, t.Reason = ledger.StateUndone, "its folder was gone when the ledger was repaired"
			return c.put(t, true, r, f)
		})
	}
	return false, nil // files tells what is missing
}

// forward makes a transfer what the transfer.json of its filed folder tells.
func (c *checker) forward(t *ledger.Transfer, filed ledger.Transfer, dir string, r remains) error {
	f := ledger.Finding{Path: dir, Subject: t.ID, Fact: fmt.Sprintf("%s: the ledger says %s, its folder is filed: %s", t.Document, t.State, filed.Verdict),
		Repair: "the ledger gets its verdict and receipt"}
	filed.Version, filed.State, filed.FilePath, filed.RefileFrom, filed.Filed = t.Version, ledger.StateFiled, dir, "", filed.Settled
	return c.offer(f, func() error { return c.put(&filed, true, r, f) }, func() error {
		_, err := c.readReceipts(&filed, r)
		return err
	})
}

// maybePosted gives a message that may have been posted since the copy was made an
// attempt of unknown outcome, once.
func (c *checker) maybePosted(t *ledger.Transfer, r remains) error {
	switch {
	case t.Verdict != ledger.VerdictNone:
		return nil
	case t.State == ledger.StateWaiting && r.last <= t.Posts:
		return nil // the receipt is still to come; if it does not, that is such an attempt
	case t.State != ledger.StateSealed && t.State != ledger.StateSending && t.State != ledger.StateWaiting:
		return nil
	}
	var attempts []ledger.Attempt
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(t.ID); return err })
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.N == t.Posts && a.Process == repairProcess && a.Outcome == ledger.OutcomeUnknown && t.Unknown && r.last < a.N {
			return nil // marked already
		}
	}
	// What was put back with the ledger are copies of the files that were claimed.
	if _, err := c.adopt(t, c.Outbox.work(t)); err != nil {
		return err
	}
	f := ledger.Finding{Path: c.Outbox.work(t), Subject: t.ID, Fact: fmt.Sprintf("%s: the ledger says %s, and it may have been posted since", t.Document, t.State),
		Repair: "an attempt of unknown outcome is recorded; the same message is posted again under the same Message-ID"}
	return c.offer(f, func() error {
		t.State, t.Unknown, t.Due, t.Deadline = ledger.StateSealed, true, c.Now().UTC(), c.later(t.Deadline)
		t.Posts, t.Attempts = max(t.Posts, r.last)+1, t.Attempts+1
		return c.put(t, true, r, f)
	})
}

// givenUp looks at a working folder of a transfer that the copy of the ledger says is
// filed as given up: since then a receipt came, or an operator had it posted again.
func (c *checker) givenUp(t *ledger.Transfer, dir string) error {
	r, err := c.remainsOf(t.ID)
	if err != nil {
		return err
	}
	if moved, err := c.furtherInWork(t, dir, r, func(t *ledger.Transfer) error { return c.givenUp(t, dir) }); err != nil || moved {
		return err
	}
	if done, err := c.readReceipts(t, r); err != nil || done {
		return err
	}
	f := ledger.Finding{Path: dir, Subject: t.ID, Fact: fmt.Sprintf("%s: the ledger says filed, %s, and its folder was on its way", t.Document, t.Verdict), Repair: "it is filed again"}
	return c.offer(f, func() error {
		t.State, t.Due = ledger.StateSettled, c.Now().UTC()
		return c.put(t, true, r, f)
	})
}

// copiedFiles notices files under way that were copied back, with their names, sizes and
// times, and are others to the file system.
func (c *checker) copiedFiles(t *ledger.Transfer, dir string) error {
	changed, err := c.adopt(t, dir)
	if err != nil || !changed {
		return err
	}
	f := ledger.Finding{Path: dir, Subject: t.ID, Fact: t.Document + ": its files have the sizes and times that were noted, and are copies", Repair: "the copies take the place of the files"}
	return c.offer(f, func() error {
		return c.Ledger.Update(context.WithoutCancel(c.ctx), func(tx *ledger.Tx) error {
			return errors.Join(tx.SaveTransfer(t), c.repaired(t, f)(tx))
		})
	})
}
