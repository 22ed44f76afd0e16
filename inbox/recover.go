package inbox

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Recover is called once before the first message of a process: it publishes what was
// received, and removes what a crash left in .incoming.
func (in *Inbox) Recover(ctx context.Context) error {
	for name := range in.names {
		if err := in.RecoverPartner(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// RecoverPartner is Recover for one partner, whose folder may have come back while the
// process runs. A partner whose folder is not ready is left alone.
func (in *Inbox) RecoverPartner(ctx context.Context, partner string) error {
	p := in.names[partner]
	if p == nil || p.ready() != nil {
		return nil // its volume is not there; nothing of it may be touched
	}
	if err := in.recoverPartner(ctx, p); err != nil {
		return fmt.Errorf("inbox: %s: %w", p.Name, err)
	}
	return nil
}

func (in *Inbox) recoverPartner(ctx context.Context, p *Partner) error {
	var rows []ledger.Received
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.Unpublished(p.Name); return err })
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].State != ledger.ReceivedReceived || rows[i].Hold != "" {
			continue
		}
		if err := in.publish(ctx, p, &rows[i], false); err != nil {
			return err
		}
	}
	entries, err := p.Folder.ReadDir(incomingDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if in.isStaged(e.Name()) {
			continue
		}
		if err := in.recoverStaging(ctx, p, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// recoverStaging finishes or removes one folder in .incoming.
func (in *Inbox) recoverStaging(ctx context.Context, p *Partner, id string) error {
	f, err := in.fate(ctx, id)
	switch {
	case err != nil:
		return err
	case f.received != nil && f.received.State == ledger.ReceivedPublished:
		return in.keepAccepted(p, f.received)
	case f.received != nil:
		return nil // it is to be published, or held: somebody has to look
	case f.refused != nil:
		return in.keepRefused(p, f.refused)
	case f.stored != nil && f.stored.Open:
		return nil // Work opens it
	}
	return removeRemnant(p.Folder, incoming(id))
}

// removeRemnant removes a folder of .incoming that no row knows, its record first: a
// record without its files means that they were delivered.
func removeRemnant(fsys fsx.FS, base string) error {
	record := path.Join(base, recordFile)
	there, err := fsx.Exists(fsys, record)
	if err == nil && there {
		err = fsx.RemoveAll(fsys, record)
	}
	if err != nil {
		return err
	}
	return fsx.RemoveAll(fsys, base)
}

// fate is what the ledger says of a folder in .incoming; all nil = nothing.
type fate struct {
	received *ledger.Received
	refused  *ledger.Refusal
	stored   *ledger.Stored
}

func (in *Inbox) fate(ctx context.Context, id string) (f fate, err error) {
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		received, err1 := tx.Received(id)
		refused, err2 := tx.Refusal(id)
		stored, err3 := tx.Stored(id)
		if err1 == nil {
			f.received = &received
		}
		if err2 == nil {
			f.refused = &refused
		}
		if err3 == nil {
			f.stored = &stored
		}
		for _, err := range []error{err1, err2, err3} {
			if err != nil && !errors.Is(err, ledger.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	return f, err
}
