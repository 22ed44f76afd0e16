package inbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Check compares the ledger with the folders and changes nothing. copied names partners
// that the ledger is a copy for: their folders may know more than it does.
func (in *Inbox) Check(ctx context.Context, copied ...string) ([]ledger.Finding, error) {
	var findings []ledger.Finding
	for _, p := range in.partners {
		if p.ready() != nil {
			continue // whoever opened the folder tells of it
		}
		c := &checker{Inbox: in, ctx: ctx, p: p, copied: slices.Contains(copied, p.Name)}
		if err := c.all(); err != nil {
			return nil, err
		}
		findings = append(findings, c.findings...)
	}
	return findings, nil
}

type checker struct {
	*Inbox
	ctx      context.Context
	p        *Partner
	copied   bool
	tell     func(ledger.Finding) // not nil: mend what can be mended, and tell
	findings []ledger.Finding
}

func (c *checker) all() error {
	if c.copied {
		// First, so that the rest finds the ledger as it ought to be.
		if err := errors.Join(c.evidence(), c.leftOpen()); err != nil {
			return err
		}
	}
	return errors.Join(c.folders(), c.unpublished(), c.stored(), c.owed())
}

func (c *checker) report(path, subject, fact, hint string) {
	c.findings = append(c.findings, ledger.Finding{Partner: c.p.Name, Path: path, Subject: subject, Fact: fact, Hint: hint})
}

// folders looks at what lies in .incoming.
func (c *checker) folders() error {
	entries, err := c.p.Folder.ReadDir(incomingDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join(incomingDir, e.Name())
		f, err := c.fate(c.ctx, e.Name())
		if err != nil {
			return err
		}
		if c.copied && f.refused == nil && (f.received == nil || f.received.State != ledger.ReceivedPublished) {
			if further, err := c.further(dir, e.Name(), f); err != nil {
				return err
			} else if further {
				continue
			}
		}
		switch {
		case f.stored != nil && f.stored.Open:
			if err := c.storedFolder(dir, f.stored); err != nil {
				return err
			}
		case f.received != nil && f.received.State != ledger.ReceivedPublished:
			// unpublished tells of it
		case f.received != nil, f.refused != nil:
			c.report(dir, e.Name(), "the message is done with, and its evidence is not in "+evidenceDir+" yet", "the agent moves it at its next start")
		default:
			c.report(dir, e.Name(), "the ledger does not know this message", "a message that is arriving now, or the remnant of a crash; the agent removes it at its next start")
		}
	}
	return nil
}

// storedFolder looks at a message that nobody has opened yet.
func (c *checker) storedFolder(dir string, s *ledger.Stored) error {
	for _, name := range []string{headerFile, rawFile} {
		there, err := fsx.Exists(c.p.Folder, path.Join(dir, name))
		if err != nil {
			return err
		}
		if !there {
			c.report(path.Join(dir, name), s.ID, "the file of a stored message is missing", "the partner was told that we have it: let him send message "+s.MessageID+" again")
		}
	}
	entries, err := c.p.Folder.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if openedName(e.Name()) {
			c.report(path.Join(dir, e.Name()), s.ID, "what was in a stored message lies here unverified", "the message is being opened now, or that was interrupted; the agent removes it when it opens the message again")
		}
	}
	return nil
}

func (c *checker) unpublished() error {
	var rows []ledger.Received
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.Unpublished(c.p.Name); return err })
	for _, row := range rows {
		if row.Hold != "" {
			c.report(incoming(row.ID), row.ID, "held: "+row.Hold, "deliver it by hand from this folder")
		} else {
			c.report(incoming(row.ID), row.ID, "received at "+row.At.Format(time.DateTime)+" UTC and not yet in the inbox", "the agent publishes it by itself")
		}
	}
	return err
}

func (c *checker) stored() error {
	var rows []ledger.Stored
	err := c.Ledger.View(c.ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.OpenStored(c.p.Name); return err })
	if err != nil {
		return err
	}
	for _, s := range rows {
		there, err := fsx.Exists(c.p.Folder, incoming(s.ID))
		switch {
		case err != nil:
			return err
		case !there:
			c.report(incoming(s.ID), s.ID, "the folder of a stored message is missing", "the partner was told that we have it: let him send message "+s.MessageID+" again")
		case s.Hold != "":
			c.report(incoming(s.ID), s.ID, "stored, and held: "+s.Hold, "the raw message is in this folder; as2drop release "+s.ID+" has it opened again")
		default:
			c.report(incoming(s.ID), s.ID, "stored at "+s.At.Format(time.DateTime)+" UTC and not yet opened", "the agent opens it by itself")
		}
	}
	return nil
}

// owed looks at the receipts that are still to be posted.
func (c *checker) owed() error {
	return c.Ledger.View(c.ctx, func(tx *ledger.Tx) error {
		ms, err := tx.OpenMDNs(c.p.Name)
		if err != nil {
			return err
		}
		for _, m := range ms {
			received, refused, err := tx.Exists(m.Received)
			if err != nil {
				return err
			}
			attempts, err := tx.Attempts(m.Received)
			if err != nil {
				return err
			}
			posted, open := m.Posts, false // with none on record: retention removed them
			if len(attempts) > 0 {
				last := attempts[len(attempts)-1]
				posted, open = last.N, last.Outcome == ledger.OutcomeOpen
			} else if !historyGone(tx, m.Received) {
				posted = 0
			}
			switch {
			case !received && !refused:
				c.report("", m.Received, "a receipt is owed for a message that is not in the ledger", "report it with the log")
			case m.Posting != open || m.Posts != posted:
				c.report("", m.Received, fmt.Sprintf("of the receipt that is owed %d posts are counted, and %d attempts are on record", m.Posts, posted), "report it with the log")
			case m.Attempts > 0:
				c.report("", m.Received, fmt.Sprintf("the receipt could not be posted to %s in %d attempts: %s", m.URL, m.Attempts, m.Reason), "it is posted again by itself at "+m.Due.Format(time.DateTime)+" UTC")
			}
		}
		return nil
	})
}

// historyGone reports whether retention removed the attempts of a receipt. A message that
// is not there has lost nothing to it.
func historyGone(tx *ledger.Tx, id string) bool {
	r, err := tx.Received(id)
	return err == nil && ledger.Gone(r.Removed, ledger.ThingHistory) != nil
}
