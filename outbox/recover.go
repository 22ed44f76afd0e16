package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Recover is called once before the first Step of a process. Attempts that an earlier
// process left open become unknown: the partner may have the message. Everything else
// is recovered by the steps themselves, which may be repeated.
func (o *Outbox) Recover(ctx context.Context) error {
	var open []ledger.Transfer
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers(o.p.Name); return err })
	if err != nil {
		return err
	}
	for _, t := range open {
		if err := o.closeLeftAttempt(ctx, &t); err != nil {
			return fmt.Errorf("outbox: %s/%s (%s): %w", o.p.Name, t.Document, t.ID, err)
		}
		if err := o.clampDue(ctx, &t); err != nil {
			return err
		}
	}
	return nil
}

// closeLeftAttempt concludes an attempt of a process that is gone. It counts as one
// that failed with unknown outcome.
func (o *Outbox) closeLeftAttempt(ctx context.Context, t *ledger.Transfer) error {
	if t.State != ledger.StateSending {
		return nil
	}
	var attempts []ledger.Attempt
	err := o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(t.ID); return err })
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.Outcome == ledger.OutcomeOpen {
			a.Outcome = ledger.OutcomeUnknown
			return o.conclude(ctx, t, a, event{kind: failed, unknown: true,
				reason: "the agent ended while the message was being posted; the partner may have it",
				hint:   "the same message is posted again"})
		}
	}
	return errors.New("it is being sent, but no attempt is open")
}

// clampDue brings a moment back that lies further ahead than any wait: the clock was
// wrong when it was set.
func (o *Outbox) clampDue(ctx context.Context, t *ledger.Transfer) error {
	limit := o.Now().Add(2 * o.p.Policy.Max)
	if window := o.p.Policy.allowed(limit); window.After(limit) {
		limit = window
	}
	if !t.Due.After(limit) {
		return nil
	}
	t.Due = o.Now().UTC()
	return o.save(ctx, t, o.event(t, ledger.Warning, "clock", "", "%s: its next moment lay beyond every wait, the clock must have been wrong; it is due now", t.Document))
}

// Check compares the ledger with the folders and changes nothing.
func (o *Outbox) Check(ctx context.Context) ([]ledger.Finding, error) {
	c := &checker{Outbox: o, ctx: ctx}
	if err := c.work(); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	for _, dir := range []string{sentDir, failedDir} {
		if err := c.filed(dir); err != nil {
			return nil, err
		}
	}
	return c.findings, nil
}

type checker struct {
	*Outbox
	ctx      context.Context
	findings []ledger.Finding
}

func (c *checker) report(path, subject, fact, hint string) {
	c.findings = append(c.findings, ledger.Finding{Partner: c.p.Name, Path: path, Subject: subject, Fact: fact, Hint: hint})
}

func (c *checker) transfer(id string) (t ledger.Transfer, known bool, err error) {
	err = c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { t, err = tx.Transfer(id); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

// work looks at what lies in .work: each folder belongs to an open transfer.
func (c *checker) work() error {
	entries, err := c.p.Folder.ReadDir(workDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join(workDir, e.Name())
		t, known, err := c.transfer(e.Name())
		switch {
		case err != nil:
			return err
		case !known:
			c.report(dir, e.Name(), "no transfer in the ledger has this folder", "move the files back into the outbox by hand")
		case !t.State.Open():
			c.report(dir, t.ID, fmt.Sprintf("the transfer is %s, but its working folder is still here", t.State), "compare it with "+t.FilePath)
		}
	}
	return nil
}

// open looks for the files of transfers that are under way.
func (c *checker) open() error {
	var open []ledger.Transfer
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers(c.p.Name); return err })
	if err != nil {
		return err
	}
	for _, t := range open {
		switch t.State {
		case ledger.StateClaimed, ledger.StateSealed, ledger.StateSending:
		default:
			continue // between two places: recovery finishes it
		}
		dir := c.Outbox.work(&t)
		for _, m := range t.Members {
			same, err := c.sameFile(m, path.Join(dir, m.Name))
			if err != nil {
				return err
			}
			if !same {
				c.report(path.Join(dir, m.Name), t.ID, "the file is missing or not the one that was claimed", "find it in a backup and drop it again")
			}
		}
		if t.State != ledger.StateClaimed {
			if ok, err := fsx.Exists(c.p.Folder, path.Join(dir, messageFile)); err != nil {
				return err
			} else if !ok {
				c.report(path.Join(dir, messageFile), t.ID, "the sealed message is missing", "drop the files again")
			}
		}
	}
	return nil
}

// filed looks at folders in sent or failed: each is there by a verdict.
func (c *checker) filed(root string) error {
	entries, err := c.p.Folder.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join(root, e.Name())
		if !e.IsDir() {
			c.report(dir, "", "a file that the agent did not put here", "")
			continue
		}
		if ok, err := fsx.Exists(c.p.Folder, path.Join(dir, transferFile)); err != nil {
			return err
		} else if !ok && root == sentDir {
			if err := c.filed(dir); err != nil { // the folder of a day
				return err
			}
			continue
		}
		if err := c.filedFolder(dir, root == failedDir); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) filedFolder(dir string, failed bool) error {
	filed, err := c.readTransfer(dir)
	if err != nil {
		c.report(dir, "", "its transfer.json cannot be read: "+err.Error(), "")
		return nil
	}
	t, known, err := c.transfer(filed.ID)
	switch {
	case err != nil:
		return err
	case !known:
		c.report(dir, filed.ID, "the ledger does not know this transfer", "was an older ledger put back?")
	case t.FilePath != dir:
		c.report(dir, t.ID, fmt.Sprintf("the ledger has it in %q", t.FilePath), "")
	case t.Verdict == ledger.VerdictNone:
		c.report(dir, t.ID, "filed without a verdict", "")
	case t.Verdict.Sent() == failed:
		c.report(dir, t.ID, fmt.Sprintf("filed in the wrong place: the verdict is %s", t.Verdict), "")
	}
	return nil
}
