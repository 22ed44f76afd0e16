package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// repairProcess is the process of attempts that were read back.
const repairProcess = "repair"

// Repair reads back into the ledger what it lacks and the folders of a partner tell:
// accepted messages with their receipts, so that a repeat gets the same one and is not
// delivered again, refusals, stored messages that nobody has opened, and receipts that
// are owed. tell is called for each thing that was done, when it is committed; each is an
// event too. What contradicts itself is left to Check.
//
// Nobody else may be at work on the partner. It may end anywhere and be repeated; a second
// time there is nothing to do.
func (in *Inbox) Repair(ctx context.Context, partner string, tell func(ledger.Finding)) error {
	p := in.names[partner]
	if p == nil || p.ready() != nil {
		return fmt.Errorf("inbox: %s: repair: its folder is not in order", partner)
	}
	c := &checker{Inbox: in, ctx: ctx, p: p, copied: true, tell: tell}
	if err := c.all(); err != nil {
		return fmt.Errorf("inbox: %s: repair: %w", partner, err)
	}
	return nil
}

// offer reports what repairing can mend, or mends it: all that f commits is one commit,
// with an event.
func (c *checker) offer(f ledger.Finding, mend func(*ledger.Tx) error) error {
	f.Partner = c.p.Name
	if c.tell == nil {
		c.findings = append(c.findings, f)
		return nil
	}
	err := c.Ledger.Update(context.WithoutCancel(c.ctx), func(tx *ledger.Tx) error {
		if err := mend(tx); err != nil {
			return err
		}
		return tx.AddEvent(ledger.Event{At: c.Now().UTC(), Level: ledger.Warning, Partner: c.p.Name, Subject: f.Subject, Code: "repaired", Text: f.Fact + "; " + f.Repair})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", f.Subject, err)
	}
	c.tell(f)
	return nil
}

// evidence looks for messages that the evidence knows and the ledger does not, or knows
// in an earlier state.
func (c *checker) evidence() error {
	entries, err := c.p.Folder.ReadDir(evidenceDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join(evidenceDir, e.Name())
		ours, err := fsx.Exists(c.p.Folder, path.Join(dir, recordFile))
		if err == nil && ours {
			err = c.record(dir, e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// record holds one message.json against the ledger.
func (c *checker) record(dir, id string) error {
	r, err := c.p.remainsOf(dir)
	if err != nil {
		c.report(dir, id, "its record cannot be read: "+err.Error(), "find it in a backup")
		return nil
	}
	f, err := c.fate(c.ctx, id)
	switch {
	case err != nil:
		return err
	case r.received != nil && r.received.ID == id && r.received.Partner == c.p.Name:
		return c.accepted(dir, r, f)
	case r.refused != nil && r.refused.ID == id && r.refused.Partner == c.p.Name:
		return c.refused(dir, r, f)
	}
	c.report(dir, id, "its record is that of another message or partner", "find out who moved it, and put it back where it came from")
	return nil
}

// accepted holds the record of an accepted message against the ledger. In the evidence it
// was published; in .incoming it may be on its way to the inbox, and publishing it goes on
// from wherever it came to.
func (c *checker) accepted(dir string, r remains, f fate) error {
	row := *r.received
	row.SignedBy, row.ReceiptBy = nil, nil // they stay in the record
	what := fmt.Sprintf("message %s, %s", row.MessageID, row.Key)
	published := path.Dir(dir) == evidenceDir
	if f.received != nil && (f.received.State == ledger.ReceivedPublished || !published && sameNames(f.received, &row)) {
		return c.receiptOf(dir, row.ID, what, f.received.Receipt, row.At, r)
	}
	if row.Receipt = r.receipt; row.Receipt == nil {
		c.report(dir, row.ID, what+": the ledger does not know it, and its receipt is missing here", "find "+path.Join(dir, receiptFile)+" in a backup, then: as2drop check --repair")
		return nil
	}
	finding := ledger.Finding{Path: dir, Subject: row.ID, Fact: what + ": the ledger does not know it", Repair: "it is taken in with its receipt: a repeat gets the same one and is not delivered again"}
	if published {
		row.State = ledger.ReceivedPublished
	} else {
		row.State = ledger.ReceivedReceived
		finding.Repair = "it is taken in with its receipt, and publishing it goes on"
	}
	if f.received != nil {
		finding.Fact, row.Version = what+": the ledger says "+string(f.received.State)+", its record is further", f.received.Version
		row.Repeats = max(row.Repeats, f.received.Repeats)
	} else if other, err := c.sameMessage(&row); err != nil || other != nil {
		if err == nil {
			c.report(dir, row.ID, what+": the ledger has it as "+other.ID+", so it may have been delivered twice", "ask those who read the inbox about "+row.At.Format(time.DateTime)+" UTC and "+other.At.Format(time.DateTime)+" UTC")
		}
		return err
	}
	err := c.offer(finding, func(tx *ledger.Tx) error {
		put := tx.InsertReceived
		if f.received != nil {
			put = tx.SaveReceived
		}
		return errors.Join(put(&row, c.p.fold), c.closeStored(tx, f, "accepted"))
	})
	if errors.Is(err, ledger.ErrExists) {
		c.report(dir, row.ID, what+": the ledger does not know it, and another message is about to take its file names", "let the agent publish that one, then: as2drop check --repair")
		return nil
	}
	if err != nil {
		return err
	}
	return c.receiptOf(dir, row.ID, what, row.Receipt, row.At, r)
}

// sameMessage is the row that the ledger has for a message; nil = none.
func (c *checker) sameMessage(row *ledger.Received) (*ledger.Received, error) {
	var other ledger.Received
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) {
		other, err = tx.ReceivedByMessage(row.From, row.To, row.MessageID)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return &other, err
}

// refused holds the record of a refusal against the ledger.
func (c *checker) refused(dir string, r remains, f fate) error {
	row := *r.refused
	what := "refused message " + row.MessageID
	if f.refused == nil {
		row.Receipt = r.receipt
		finding := ledger.Finding{Path: dir, Subject: row.ID, Fact: what + ": the ledger does not know it", Repair: "the refusal is taken in"}
		err := c.offer(finding, func(tx *ledger.Tx) error {
			return errors.Join(tx.AddRefusal(row), c.closeStored(tx, f, "refused"))
		})
		if err != nil {
			return err
		}
	}
	return c.receiptOf(dir, row.ID, what, r.receipt, row.At, r)
}

// closeStored ends a stored message whose end the evidence tells.
func (c *checker) closeStored(tx *ledger.Tx, f fate, outcome string) error {
	if f.stored == nil || !f.stored.Open {
		return nil
	}
	s := *f.stored
	s.Open, s.Due, s.Hold, s.Outcome = false, time.Time{}, "", outcome
	return tx.SaveStored(&s)
}

// receiptOf holds the receipt that is owed for a message against the answers to it.
func (c *checker) receiptOf(dir, id, what string, receipt json.RawMessage, at time.Time, r remains) error {
	if !r.async() || len(receipt) == 0 {
		return nil
	}
	m, attempts := r.owed(c.p, id, receipt, at, c.Now().UTC())
	var known ledger.OwedMDN
	var before []ledger.Attempt
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) {
		if before, err = tx.Attempts(id); err == nil {
			known, err = tx.OwedMDN(id)
		}
		return err
	})
	first := errors.Is(err, ledger.ErrNotFound)
	if err != nil && !first {
		return err
	}
	if !first && known.Posts >= m.Posts && !(known.Posting && known.Posts == m.Posts) {
		return nil
	}
	finding := ledger.Finding{Path: dir, Subject: id, Fact: what + ": the ledger does not know that its receipt is owed", Repair: "it is posted"}
	switch {
	case !m.Open && m.Outcome == delivered:
		finding.Fact, finding.Repair = what+": the ledger does not know that its receipt was posted", "that is noted"
	case !m.Open:
		finding.Repair = "it is noted as given up: its time is over, the partner gets it when he sends the message again"
	}
	if !first {
		m.Version, m.Asked, m.Deadline, m.URL = known.Version, known.Asked, known.Deadline, known.URL
	}
	return c.offer(finding, func(tx *ledger.Tx) error {
		err := c.addAttempts(tx, before, attempts)
		if first {
			return errors.Join(err, tx.OweMDN(&m))
		}
		return errors.Join(err, tx.SaveOwedMDN(&m))
	})
}

// addAttempts records those that the ledger lacks, and closes one that it has open.
func (c *checker) addAttempts(tx *ledger.Tx, before, attempts []ledger.Attempt) (err error) {
	there := map[int]bool{}
	for _, a := range before {
		there[a.N] = true
		if a.Outcome != ledger.OutcomeOpen {
			continue
		}
		a.Outcome, a.Closed, a.Counted, a.Text = ledger.OutcomeUnknown, c.Now().UTC(), true, "read back: what came of it is not known"
		if a.N <= len(attempts) {
			back := attempts[a.N-1]
			a.Outcome, a.Status, a.Text = back.Outcome, back.Status, back.Text
		}
		err = errors.Join(err, tx.CloseAttempt(a))
	}
	for _, a := range attempts {
		if !there[a.N] {
			err = errors.Join(err, tx.AddAttempt(a))
		}
	}
	return err
}

// leftOpen ends stored messages whose folder is gone because they were repeats.
func (c *checker) leftOpen() error {
	var rows []ledger.Stored
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.OpenStored(c.p.Name); return err })
	if err != nil {
		return err
	}
	for _, s := range rows {
		if there, err := fsx.Exists(c.p.Folder, incoming(s.ID)); err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		same, err := c.sameMessage(&ledger.Received{From: s.From, To: s.To, MessageID: s.MessageID})
		if err != nil {
			return err
		}
		if same == nil {
			continue // stored tells of it
		}
		f := ledger.Finding{Path: incoming(s.ID), Subject: s.ID, Fact: "stored message " + s.MessageID + ": its folder is gone, and the message was accepted as " + same.ID, Repair: "it counts as a repeat of that"}
		err = c.offer(f, func(tx *ledger.Tx) error { return c.closeStored(tx, fate{stored: &s}, "repeat of "+same.ID) })
		if err != nil {
			return err
		}
	}
	return nil
}

// further looks at a folder in .incoming that may be further than a copy of the ledger
// knows. No file of a message is in the inbox before its record and its receipt are durable.
func (c *checker) further(dir, id string, f fate) (further bool, err error) {
	recorded, err := c.complete(dir)
	if err != nil {
		return false, err
	}
	if recorded {
		return true, c.record(dir, id)
	}
	if f.received != nil || f.stored != nil {
		return false, nil
	}
	r, err := c.p.remainsOf(dir)
	if err != nil {
		return false, err
	}
	whole, err := c.wholeBody(dir)
	if err != nil {
		return false, err
	}
	if !r.async() || !whole {
		c.report(dir, id, "the ledger does not know this message, and its sender was not told that we have it", "a remnant: the agent removes it at its next start, and the partner sends it again")
		return true, nil
	}
	s := r.storedRow(c.p, id, c.Now().UTC())
	finding := ledger.Finding{Path: dir, Subject: id, Fact: "stored message " + s.MessageID + ": the ledger does not know it", Repair: "it is taken in and opened"}
	return true, c.offer(finding, func(tx *ledger.Tx) error { return tx.InsertStored(&s) })
}

// complete reports whether the record in a folder of .incoming counts. That of an accepted
// message is there after all that it names; one of a refusal, or of earlier versions, that is
// alone is what a power cut left of what was never committed: its receipt was written with it.
func (c *checker) complete(dir string) (bool, error) {
	b, err := fsx.ReadFile(c.p.Folder, path.Join(dir, recordFile), maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	record, err := ParseRecord(b)
	if err != nil || len(record.Receipt) > 0 {
		return true, nil // whoever reads it tells of what is wrong with it
	}
	return fsx.Exists(c.p.Folder, path.Join(dir, receiptFile))
}

// wholeBody reports whether the body of a message in .incoming is all there, as far as
// its header tells.
func (c *checker) wholeBody(dir string) (bool, error) {
	raw := path.Join(dir, rawFile)
	there, err := fsx.Exists(c.p.Folder, raw)
	if err != nil || !there {
		return false, err
	}
	info, err := c.p.Folder.Lstat(raw)
	if err != nil {
		return false, err
	}
	header, err := readHeader(c.p.Folder, path.Base(dir))
	if err != nil {
		return false, nil
	}
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	return err != nil || length == info.Size(), nil
}
