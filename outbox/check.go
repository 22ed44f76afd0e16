package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Check compares the ledger with the folders and changes nothing.
func (o *Outbox) Check(ctx context.Context) ([]ledger.Finding, error) {
	c := &checker{Outbox: o, ctx: ctx, offered: map[string]bool{}}
	err := c.all()
	return c.findings, err
}

type checker struct {
	*Outbox
	ctx      context.Context
	copied   bool                 // the ledger is a copy: the folders may know more
	tell     func(ledger.Finding) // not nil: mend what can be mended, and tell
	offered  map[string]bool      // subjects that something was offered for
	findings []ledger.Finding
}

func (c *checker) all() error {
	if err := c.work(); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	for _, dir := range []string{sentDir, failedDir} {
		if err := c.filed(dir); err != nil {
			return err
		}
	}
	return nil
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
			if err := c.lostWork(dir, e.Name()); err != nil {
				return err
			}
		case ledger.Removing(t.Removed) != nil:
			c.report(dir, t.ID, "retention ("+ledger.Removing(t.Removed).Rule+") has begun to remove it", "the agent goes on with it by itself")
		case !t.State.Open():
			if c.copied && t.Verdict == ledger.VerdictGaveUp {
				if err := c.givenUp(&t, dir); err != nil {
					return err
				}
				continue
			}
			c.report(dir, t.ID, fmt.Sprintf("the transfer is %s, but its working folder is still here", t.State), "compare it with "+t.FilePath)
		}
	}
	return nil
}

// open looks for the files of transfers that are under way.
func (c *checker) open() error {
	var open []string
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { open, err = tx.Open(c.p.Name); return err })
	if err != nil {
		return err
	}
	return c.each(c.ctx, open, func(t *ledger.Transfer) error {
		if c.copied {
			if err := c.copiedTransfer(t); err != nil {
				return err
			}
			if c.offered[t.ID] {
				return nil // what is said of it now is true of the ledger as it was
			}
		}
		return errors.Join(c.attempts(t), c.files(t))
	})
}

// files looks for what lies in .work and in the evidence of a transfer under way.
func (c *checker) files(t *ledger.Transfer) error {
	switch t.State {
	case ledger.StateClaimed, ledger.StateSealed, ledger.StateSending, ledger.StateWaiting:
	default:
		return nil // between two places: recovery finishes it
	}
	dir := c.Outbox.work(t)
	if err := c.copiedFiles(t, dir); err != nil {
		return err
	}
	for _, m := range t.Members {
		same, err := c.sameFile(m, path.Join(dir, m.Name))
		if err != nil {
			return err
		}
		if !same {
			c.report(path.Join(dir, m.Name), t.ID, "the file is missing or not the one that was claimed", "find it in a backup and drop it again")
		}
	}
	if t.State == ledger.StateClaimed {
		return nil
	}
	for _, m := range t.Changed {
		file := path.Join(dir, changedDir, m.Name)
		info, err := c.p.Folder.Lstat(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || info.Size() != m.Size {
			c.report(file, t.ID, "the file that a hook made is missing or not the one that was sealed", "the message is sealed and goes on without it; the file is missing from what is filed")
		}
	}
	if ok, err := fsx.Exists(c.p.Folder, path.Join(dir, messageFile)); err != nil {
		return err
	} else if !ok {
		c.report(path.Join(dir, messageFile), t.ID, "the sealed message is missing", "drop the files again")
	}
	return c.evidenceOf(t, dir)
}

// attempts holds the attempts of a transfer under way against its state.
func (c *checker) attempts(t *ledger.Transfer) error {
	var attempts []ledger.Attempt
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(t.ID); return err })
	if err != nil {
		return err
	}
	want, allowed := ledger.Outcome(""), ledger.Outcome("")
	switch t.State {
	case ledger.StateSending:
		want = ledger.OutcomeOpen
	case ledger.StateWaiting:
		want = ledger.OutcomeWaiting
	case ledger.StateSettled:
		allowed = ledger.OutcomeOpen // the receipt came before the answer
	}
	found := false
	for _, a := range attempts {
		switch {
		case a.Outcome == want:
			found = true
		case a.Outcome != allowed && (a.Outcome == ledger.OutcomeOpen || a.Outcome == ledger.OutcomeWaiting):
			c.report("", t.ID, fmt.Sprintf("it is %s, and its attempt %d is %s", t.State, a.N, a.Outcome), "report it with the log")
		}
	}
	if want != "" && !found {
		c.report("", t.ID, fmt.Sprintf("it is %s, and none of its attempts is %s", t.State, want), "report it with the log")
	}
	return nil
}

// evidenceOf looks for what the evidence of a message that was sealed begins with: where it
// lies is said in the record of a folder, or there are the files of an earlier version.
func (c *checker) evidenceOf(t *ledger.Transfer, dir string) error {
	r, err := c.readRecord(dir)
	if err == nil && r.ID == t.ID && r.SealedWith != nil {
		return nil
	}
	for _, name := range []string{requestFile, certificatesFile} {
		there, eerr := fsx.Exists(c.p.Folder, path.Join(c.Outbox.evidence(t), name))
		if eerr != nil {
			return eerr
		}
		if !there {
			fact := "a part of the evidence is missing: it does not say what the message was sealed with"
			if err != nil {
				fact = "a part of the evidence is missing: " + err.Error()
			}
			c.report(path.Join(dir, transferFile), t.ID, fact, "find it in a backup")
			return nil
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

// settledLater reports whether a transfer had its verdict after the one that the ledger
// knows. At one moment a receipt comes after giving up: never the other way.
func settledLater(filed, known *ledger.Transfer) bool {
	return filed.Settled.After(known.Settled) ||
		filed.Settled.Equal(known.Settled) && known.Verdict == ledger.VerdictGaveUp && filed.Verdict != ledger.VerdictGaveUp
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
		return c.lostFiled(dir, filed, failed)
	case filed.Verdict != ledger.VerdictNone && filed.FilePath == dir && filed.Verdict.Sent() != failed &&
		(t.Verdict == ledger.VerdictNone || c.copied && settledLater(&filed, &t)):
		r, err := c.remainsOf(t.ID)
		if err != nil {
			return err
		}
		return c.forward(&t, filed, dir, r)
	case t.RefileFrom == dir:
		return nil // a late receipt: recovery moves it
	case t.FilePath != dir:
		c.report(dir, t.ID, fmt.Sprintf("the ledger has it in %q", t.FilePath), "")
	case t.Verdict == ledger.VerdictNone:
		c.report(dir, t.ID, "filed without a verdict", "")
	case isGone(&t, ledger.ThingSent), isGone(&t, ledger.ThingFailed) && failed:
		c.report(dir, t.ID, "retention removed this folder, and here it is again", "was a backup put back? nothing removes it any more: remove it by hand")
		return nil
	case t.Verdict.Sent() == failed:
		c.report(dir, t.ID, fmt.Sprintf("filed in the wrong place: the verdict is %s", t.Verdict), "")
	}
	if c.copied && t.State == ledger.StateFiled && t.Verdict == ledger.VerdictGaveUp {
		// A receipt may have come after the copy was made.
		r, err := c.remainsOf(t.ID)
		if err != nil {
			return err
		}
		if done, err := c.readReceipts(&t, r); err != nil || done {
			return err
		}
	}
	return c.filedEvidence(&t)
}

// isGone reports whether retention has removed a thing.
func isGone(t *ledger.Transfer, what ledger.Thing) bool {
	r := ledger.Gone(t.Removed, what)
	return r != nil && !r.Done.IsZero()
}

// filedEvidence looks for what a filed transfer is proven with, and for the message
// that retry needs.
func (c *checker) filedEvidence(t *ledger.Transfer) error {
	if t.State != ledger.StateFiled || len(t.Sealed) == 0 || ledger.Gone(t.Removed, ledger.ThingEvidence) != nil {
		return nil
	}
	dir := c.Outbox.evidence(t)
	exists := func(name string) bool {
		ok, err := fsx.Exists(c.p.Folder, path.Join(dir, name))
		return ok || err != nil // what cannot be looked at is reported by whoever needs it
	}
	if t.Verdict == ledger.VerdictGaveUp && !exists(messageFile) && ledger.Gone(t.Removed, ledger.ThingMessage) == nil {
		c.report(path.Join(dir, messageFile), t.ID, "the sealed message is missing, so it cannot be posted again under its Message-ID", "drop the files again")
	}
	if err := c.evidenceOf(t, dir); err != nil || len(t.Receipt) == 0 {
		return err
	}
	if name := receiptName(t.Receipt); !settledByAnswer(t) && !exists(name) {
		c.report(path.Join(dir, name), t.ID, "the receipt that the verdict rests on is missing from the evidence", "the filed folder has a copy: "+path.Join(t.FilePath, receiptFile))
	}
	return nil
}
