package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// repairProcess is the process of attempts that were read back.
const repairProcess = "repair"

// CheckCopy is Check where the ledger is a copy: the folders may know more than it does.
func (o *Outbox) CheckCopy(ctx context.Context) ([]ledger.Finding, error) {
	c := &checker{Outbox: o, ctx: ctx, offered: map[string]bool{}, copied: true}
	err := errors.Join(c.all(), c.evidenceAlone(), c.droppedBefore())
	return c.findings, err
}

// Repair reads back into the ledger what it lacks and the folders tell: transfers that it
// does not know, or knows in an earlier state, with their Message-IDs, receipts and
// attempts. A message that may have been posted since the copy was made gets an attempt of
// unknown outcome. tell is called for each thing that was done, when it is committed; each
// is an event too. Nothing is guessed: what contradicts itself is left to Check.
//
// Nobody else may be at work on the partner. It may end anywhere and be repeated; a second
// time there is nothing to do.
func (o *Outbox) Repair(ctx context.Context, tell func(ledger.Finding)) error {
	c := &checker{Outbox: o, ctx: ctx, offered: map[string]bool{}, copied: true, tell: tell}
	err := errors.Join(c.all(), c.evidenceAlone(), c.liftBlocks())
	if err == nil {
		err = c.droppedBefore()
	}
	if err != nil {
		return fmt.Errorf("outbox: %s: repair: %w", o.p.Name, err)
	}
	return nil
}

// offer reports what repairing can mend, the first thing of each transfer, or mends it and
// goes on with what follows from that.
func (c *checker) offer(f ledger.Finding, mend func() error, then ...func() error) error {
	f.Partner = c.p.Name
	again := c.offered[f.Subject]
	c.offered[f.Subject] = true
	if c.tell == nil {
		if !again {
			c.findings = append(c.findings, f)
		}
		return nil
	}
	if err := mend(); err != nil {
		return fmt.Errorf("%s: %w", f.Subject, err)
	}
	c.tell(f)
	for _, next := range then {
		if err := next(); err != nil {
			return err
		}
	}
	return nil
}

// repaired is the event of a repair.
func (c *checker) repaired(t *ledger.Transfer, f ledger.Finding) func(*ledger.Tx) error {
	return c.event(t, ledger.Warning, "repaired", "", "%s: %s; %s", t.Document, f.Fact, f.Repair)
}

// attemptsUpTo completes the attempts of a transfer up to its Posts and, where end is
// set, closes those that are open or wait.
func (c *checker) attemptsUpTo(t *ledger.Transfer, r remains, end bool) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		known, err := tx.Attempts(t.ID)
		if err != nil {
			return err
		}
		there := map[int]bool{}
		for _, a := range known {
			there[a.N] = true
			if end && (a.Outcome == ledger.OutcomeOpen || a.Outcome == ledger.OutcomeWaiting) {
				back := r.attempt(t, a.N)
				a.Outcome, a.Status, a.Closed, a.Text, a.Counted = back.Outcome, back.Status, c.Now().UTC(), back.Text, true
				if err := tx.CloseAttempt(a); err != nil {
					return err
				}
			}
		}
		for n := 1; n <= t.Posts; n++ {
			if there[n] {
				continue
			}
			if err := tx.AddAttempt(r.attempt(t, n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// put writes a transfer that was read back: a new row, or a later state of one.
func (c *checker) put(t *ledger.Transfer, known bool, r remains, f ledger.Finding) error {
	event, attempts := c.repaired(t, f), c.attemptsUpTo(t, r, t.State != ledger.StateWaiting)
	t.DueSet = c.Now().UTC()
	return c.Ledger.Update(context.WithoutCancel(c.ctx), func(tx *ledger.Tx) error {
		var err error
		if known {
			err = tx.SaveTransfer(t)
		} else {
			err = tx.InsertTransfer(t)
		}
		return firstError(err, attempts, event, tx)
	})
}

func firstError(err error, attempts, event func(*ledger.Tx) error, tx *ledger.Tx) error {
	if err == nil {
		err = attempts(tx)
	}
	if err == nil {
		err = event(tx)
	}
	return err
}

const (
	byHand        = "compare the files with what the partner has, then move them back into the outbox by hand, or away"
	unlessReceipt = "the partner may have it: unless its receipt is in the evidence, the same message is posted again under the same Message-ID"
)

// later gives a transfer the time again that the ledger was away.
func (c *checker) later(deadline time.Time) time.Time {
	if again := c.p.Policy.later(c.Now(), c.p.Policy.GiveUpAfter).UTC(); again.After(deadline) {
		return again
	}
	return deadline
}

// lostFiled looks at a folder in sent or failed that the ledger does not know.
func (c *checker) lostFiled(dir string, filed ledger.Transfer, failed bool) error {
	fact := filed.Document + ": the ledger does not know this transfer"
	switch {
	case filed.Partner != c.p.Name:
		c.report(dir, filed.ID, fmt.Sprintf("%s; it is one of partner %q", fact, filed.Partner), "find out who moved it, and put it back where it came from")
		return nil
	case filed.Verdict == ledger.VerdictNone || filed.Verdict.Sent() == failed:
		c.report(dir, filed.ID, fmt.Sprintf("%s, and its verdict, %q, does not belong here", fact, filed.Verdict), "find out who moved it; "+byHand)
		return nil
	case !strings.HasSuffix(dir, "."+filed.ID) || path.Dir(dir) != path.Dir(filed.FilePath):
		c.report(dir, filed.ID, fmt.Sprintf("%s, and it was filed in %q", fact, filed.FilePath), "put it back there, then: as2drop check --repair")
		return nil
	}
	r, err := c.remainsOf(filed.ID)
	if err != nil {
		return err
	}
	filed.State, filed.FilePath, filed.RefileFrom, filed.Filed = ledger.StateFiled, dir, "", filed.Settled
	f := ledger.Finding{Path: dir, Subject: filed.ID, Fact: fact, Repair: fmt.Sprintf("it is taken in with its verdict, %s", filed.Verdict)}
	return c.offer(f, func() error { return c.put(&filed, false, r, f) }, func() error {
		_, err := c.readReceipts(&filed, r)
		return err
	})
}

// readReceipts settles a transfer by an answer or receipt in its evidence.
func (c *checker) readReceipts(t *ledger.Transfer, r remains) (done bool, err error) {
	does, e, n, err := c.concluded(t, r)
	if err != nil || does == ignored {
		return false, err
	}
	f := ledger.Finding{Path: path.Join(c.Outbox.evidence(t)), Subject: t.ID, Fact: fmt.Sprintf("%s: the ledger says %s, and its evidence holds what settles it", t.Document, t.State),
		Repair: string(e.verdict) + ": " + e.reason}
	if does == holds {
		f.Repair = "it is held: " + e.reason
	}
	return true, c.offer(f, func() error {
		if n > 0 {
			t.Posts = n // the file of the answer goes by it
		}
		more := append(c.notes(t, e), c.attemptsUpTo(t, r, true), c.repaired(t, f))
		if t.Verdict == ledger.VerdictNone {
			t.State = ledger.StateSealed
		}
		e.hint = commands(t, e.hint)
		switch does {
		case holds:
			return c.holdBy(c.ctx, t, e, more)
		case supersedes:
			t.RefileFrom = t.FilePath
		}
		return c.settleBy(c.ctx, t, e, more)
	})
}

// evidenceAlone looks for transfers of which nothing but the evidence is left.
func (c *checker) evidenceAlone() error {
	entries, err := c.p.Folder.ReadDir(evidenceDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id := e.Name()
		_, known, err := c.transfer(id)
		sent := false
		for _, name := range []string{transferFile, requestFile} {
			if err == nil && !known && !sent {
				sent, err = fsx.Exists(c.p.Folder, path.Join(evidenceDir, id, name))
			}
		}
		if err == nil && sent {
			err = c.onlyEvidence(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyEvidence looks at the evidence of a transfer that the ledger does not know.
func (c *checker) onlyEvidence(id string) error {
	if there, err := fsx.Exists(c.p.Folder, path.Join(workDir, id)); err != nil || there {
		return err // lostWork has looked at it
	}
	r, err := c.remainsOf(id)
	if err != nil {
		return err
	}
	dir := path.Join(evidenceDir, id)
	t := r.filed
	if t == nil {
		c.report(dir, id, "a message was made for a transfer that the ledger does not know, and its files are gone",
			"the partner may have it: look for its Message-ID in "+dir)
		return nil
	}
	if there, err := fsx.Exists(c.p.Folder, t.FilePath); err != nil || there {
		return err // so has lostFiled
	}
	t.State, t.RefileFrom, t.Filed = ledger.StateFiled, "", t.Settled
	f := ledger.Finding{Path: dir, Subject: id, Fact: t.Document + ": the ledger does not know this transfer, and its folder is not in " + path.Dir(t.FilePath) + " any more",
		Repair: fmt.Sprintf("it is taken in from its evidence with its verdict, %s", t.Verdict)}
	return c.offer(f, func() error { return c.put(t, false, r, f) })
}

// recentEnough is how many of the latest transfers are asked whether the line went on.
const recentEnough = 100

// liftBlocks lets the line go on where it did before: a failed transfer that held it up
// had been released, or replaced, if a later one left after it had failed.
func (c *checker) liftBlocks() error {
	for {
		var head ledger.Transfer
		var recent []ledger.Transfer
		err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) {
			if head, err = tx.Head(c.p.Name); err == nil {
				recent, err = tx.RecentTransfers(c.p.Name, time.Time{}, recentEnough)
			}
			return err
		})
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		passed := slices.IndexFunc(recent, func(t ledger.Transfer) bool {
			return t.ID != head.ID && t.Turn >= head.Turn && t.Posts > 0 && t.Settled.After(head.Settled)
		})
		if !head.Blocks || passed < 0 {
			return nil
		}
		head.Blocks = false
		f := ledger.Finding{Path: head.FilePath, Subject: head.ID, Fact: fmt.Sprintf("%s: it failed and held up the others, and %s left after it", head.Document, recent[passed].Document), Repair: "it holds nothing up any more"}
		err = c.offer(f, func() error { return c.put(&head, true, remains{}, f) })
		if err != nil {
			return err
		}
	}
}
