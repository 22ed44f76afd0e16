package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// needed reports whether a thing of a filed transfer is still of use, however old it is.
func (o *Outbox) needed(ctx context.Context, t *ledger.Transfer, what ledger.Thing) (bool, error) {
	switch what {
	case ledger.ThingFailed:
		if t.Blocks {
			return true, nil // others wait for what becomes of it
		}
		if t.RetriedAs == "" {
			return false, nil
		}
		var retry ledger.Transfer
		err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { retry, err = tx.Transfer(t.RetriedAs); return err })
		return err == nil && retry.State.Open(), err // its files may come back
	case ledger.ThingSent:
		return false, nil
	}
	// As long as it can be retried, it is under the same Message-ID with the same bytes.
	return t.Verdict == ledger.VerdictGaveUp && ledger.Gone(t.Removed, ledger.ThingFailed) == nil, nil
}

// examine looks at what a rule wants removed. Left says why it must stay; missing that
// nothing is there.
func (o *Outbox) examine(t *ledger.Transfer, at thing) (c ledger.Candidate, missing bool, err error) {
	c = ledger.Candidate{Partner: o.p.Name, What: at.what, Rule: at.rule.Text, ID: t.ID, Name: t.Document, Since: t.Filed, Count: 1}
	switch at.what {
	case ledger.ThingHistory:
		return c, false, nil
	case ledger.ThingSent, ledger.ThingFailed:
		c.Path = t.FilePath
		return o.examineFolder(t, c)
	case ledger.ThingMessage:
		c.Path = path.Join(o.evidence(t), messageFile)
	default:
		c.Path = o.evidence(t)
	}
	c.Bytes, err = fsx.Size(o.p.Folder, c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, true, nil
	}
	return c, false, err
}

// examineFolder makes sure that a folder is the one that was filed and holds nothing that
// is not of the transfer: somebody may keep his own files there.
func (o *Outbox) examineFolder(t *ledger.Transfer, c ledger.Candidate) (_ ledger.Candidate, missing bool, err error) {
	for _, dir := range []string{path.Dir(t.FilePath), t.FilePath} {
		info, err := o.p.Folder.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return c, true, nil
		}
		if err != nil {
			return c, false, err
		}
		if !info.IsDir() {
			c.Left = fmt.Sprintf("%s is no folder but a %s", dir, kindOf(info))
			return c, false, nil
		}
	}
	filed, err := o.readTransfer(t.FilePath)
	switch {
	case err != nil:
		c.Left = "its " + transferFile + " cannot be read: " + err.Error()
		return c, false, nil
	case filed.ID != t.ID:
		c.Left = fmt.Sprintf("its %s is of another transfer, %q", transferFile, filed.ID)
		return c, false, nil
	}
	known := map[string]bool{transferFile: true, receiptFile: true, whyFile: true}
	for _, m := range t.Members {
		known[m.Name] = true
	}
	entries, err := o.p.Folder.ReadDir(t.FilePath)
	if err != nil {
		return c, false, err
	}
	if entries, err = o.withChanged(t, entries, known); err != nil {
		return c, false, err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // taken just now
		case err != nil:
			return c, false, err
		case !known[e.Name()] || !info.Mode().IsRegular():
			c.Left = fmt.Sprintf("%q in it is not of the transfer", e.Name())
			return c, false, nil
		}
		c.Bytes += info.Size()
	}
	return c, false, nil
}

// withChanged puts what lies in the folder of what hooks made in place of that folder.
func (o *Outbox) withChanged(t *ledger.Transfer, entries []fs.DirEntry, known map[string]bool) ([]fs.DirEntry, error) {
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == changedDir && e.IsDir() })
	if i < 0 || len(t.Changed) == 0 {
		return entries, nil
	}
	for _, c := range t.Changed {
		known[path.Join(changedDir, c.Name)] = true
	}
	made, err := o.p.Folder.ReadDir(path.Join(t.FilePath, changedDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries = slices.Delete(slices.Clone(entries), i, i+1)
	for _, e := range made {
		entries = append(entries, madeEntry{e})
	}
	return entries, nil
}

// madeEntry is one in the folder of what hooks made, by its name in the folder above.
type madeEntry struct{ fs.DirEntry }

func (m madeEntry) Name() string { return path.Join(changedDir, m.DirEntry.Name()) }

func kindOf(info fs.FileInfo) string {
	if info.Mode()&fs.ModeSymlink != 0 {
		return "link"
	}
	return "file"
}

// remove removes a thing whose removal is on record. It may be repeated. A filed folder
// leaves its place in one rename: nobody ever sees half of it there.
func (o *Outbox) remove(t *ledger.Transfer, what ledger.Thing) error {
	switch what {
	case ledger.ThingMessage:
		return fsx.RemoveAll(o.p.Folder, path.Join(o.evidence(t), messageFile))
	case ledger.ThingEvidence:
		return fsx.RemoveAll(o.p.Folder, o.evidence(t))
	}
	dir := o.work(t)
	if err := fsx.Move(o.p.Folder, t.FilePath, dir); err != nil && !errors.Is(err, fsx.ErrGone) {
		return err
	}
	if err := fsx.RemoveAll(o.p.Folder, dir); err != nil {
		return err
	}
	return o.prune(t)
}

// prune removes the folder of a day that has become empty. The one of today is left: a
// transfer may just be filed there.
func (o *Outbox) prune(t *ledger.Transfer) error {
	day := path.Dir(t.FilePath)
	at, err := time.Parse(time.DateOnly, strings.TrimPrefix(day, sentDir+"/"))
	if err != nil || !at.Before(o.Now().UTC().AddDate(0, 0, -1)) {
		return nil // not the folder of a day
	}
	o.days.Lock()
	defer o.days.Unlock()
	// Not listed first: there may be very many in it.
	err = o.p.Folder.Remove(day)
	switch {
	case errors.Is(err, fs.ErrExist): // it is not empty
		return nil
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	o.sharedDay.Store(nil) // whoever files in it again makes it anew
	return errors.Join(err, o.p.Folder.SyncDir(sentDir))
}

// finishRemovals goes on with what an earlier run had begun to remove and could not. The
// others are not kept by one that still cannot be removed.
func (o *Outbox) finishRemovals(ctx context.Context, limit int) error {
	var begun []ledger.Transfer
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		begun, err = tx.TransfersBeingRemoved(o.p.Name, limit)
		return err
	})
	errs := []error{err}
	for i := range begun {
		if _, ok := o.enter(begun[i].ID); !ok {
			continue
		}
		err := o.finishRemoval(ctx, &begun[i])
		o.leave(begun[i].ID)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", begun[i].Document, begun[i].ID, err))
		}
	}
	return errors.Join(errs...)
}

func (o *Outbox) finishRemoval(ctx context.Context, t *ledger.Transfer) error {
	// It may have been finished, or called off, since it was listed.
	if err := o.reread(ctx, t); err != nil {
		return err
	}
	r := ledger.Removing(t.Removed)
	if r == nil {
		return nil
	}
	if err := o.remove(t, r.What); err != nil {
		return err
	}
	tally := &ledger.Tally{Partner: o.p.Name, What: r.What, Rule: r.Rule}
	tally.Add(ledger.Candidate{Since: t.Filed, Count: 1})
	return o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		return errors.Join(o.removed(tx, t.ID, r.What), tally.Record(tx, o.Now()))
	})
}

// evidenceAgain notes that there is evidence again of a transfer whose evidence was
// removed: a receipt came. It is removed with the next run.
func (o *Outbox) evidenceAgain(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		if !isGone(t, ledger.ThingEvidence) {
			return nil
		}
		row, err := tx.Transfer(t.ID)
		if err != nil {
			return err
		}
		row.Removed = slices.DeleteFunc(row.Removed, func(r ledger.Removal) bool { return r.What == ledger.ThingEvidence })
		return tx.SaveTransfer(&row)
	}
}

// lasting are the removals that still hold when a transfer gets another verdict: what has
// come to be there again, or is about to, is removed again in its time.
func lasting(removed []ledger.Removal) (rest []ledger.Removal) {
	for _, r := range removed {
		if !r.Done.IsZero() && (r.What == ledger.ThingFailed || r.What == ledger.ThingMessage) {
			rest = append(rest, r)
		}
	}
	return rest
}

// removedBy says for people when and why the folder of a failed transfer went away; empty
// = it did not.
func removedBy(t *ledger.Transfer) string {
	r := ledger.Gone(t.Removed, ledger.ThingFailed)
	if r == nil {
		return ""
	}
	return fmt.Sprintf("its files were removed by retention on %s (rule %s)", r.Begun.UTC().Format(time.DateOnly), r.Rule)
}

// withoutHeader takes the header off what is known of a sealed message. MICs, digest and
// what receipt was asked for stay.
func withoutHeader(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return sealed, nil
	}
	var s as2.Sealed
	if err := json.Unmarshal(sealed, &s); err != nil {
		return nil, fmt.Errorf("the sealed header cannot be read: %w", err)
	}
	s.Header = nil
	return json.Marshal(s)
}
