package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Repair makes the ledger what it must be, from what can still be read of it and from
// what the partners' folders tell: a damaged one is saved into a new file, a lost one is
// begun anew under the identity that the markers carry, and an older copy learns what the
// folders know beyond it. tell is called for each thing that was done.
//
// It refuses while an agent runs on the data folder. It may end anywhere and be repeated.
func Repair(ctx context.Context, cfg *config.Config, tell func(ledger.Finding)) (err error) {
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		if e := lost(cfg); e == nil {
			return nil // nothing was ever run here
		}
		if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
			return err
		}
	}
	lock, err := lockData(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	l, err := soundLedger(ctx, cfg, tell)
	if err != nil || l == nil {
		return err
	}
	r := &repairer{world: newWorld(cfg, l, slog.New(slog.DiscardHandler)), cfg: cfg, tell: tell}
	defer func() { err = errors.Join(err, l.Close()) }()
	return r.run(ctx)
}

type repairer struct {
	*world
	cfg  *config.Config
	tell func(ledger.Finding)
	i    *Inspector
}

// run repairs one partner after the other.
func (r *repairer) run(ctx context.Context) error {
	if err := r.adopt(ctx); err != nil {
		return err
	}
	r.i = &Inspector{world: r.world, copied: map[string]string{}}
	r.current.Store(r.newSetup(ctx, r.cfg, nil, r.i.lookAt))
	defer func() {
		for _, b := range r.setup().boxes {
			if b.folder != nil {
				b.folder.Close() // a handle on a folder: nothing can be lost
			}
		}
	}()
	for _, b := range r.setup().boxes {
		if b.fault != nil {
			continue // Check tells of it
		}
		if err := r.partner(ctx, b); err != nil {
			return err
		}
	}
	return r.strays(ctx)
}

// adopt gives the ledger the identity that the markers carry, if it has none, and the
// folders with that identity that it does not know. They may know more than it does.
func (r *repairer) adopt(ctx context.Context) error {
	err := r.ledger.View(ctx, func(tx *ledger.Tx) (err error) { r.agent, err = tx.Agent(); return err })
	if err != nil {
		return err
	}
	e := lost(r.cfg)
	if e == nil {
		return nil
	}
	if r.agent == "" {
		if len(e.agents) > 1 {
			return e
		}
		if err := r.ledger.Update(ctx, func(tx *ledger.Tx) (err error) { r.agent, err = tx.AgentID(e.agents[0]); return err }); err != nil {
			return err
		}
	}
	for _, p := range r.cfg.Partners {
		m, ok := markerOf(p)
		if !ok || m.Agent != r.agent {
			continue
		}
		err := r.ledger.Update(ctx, func(tx *ledger.Tx) error {
			known, err := tx.Folders()
			for _, f := range known {
				if f.Partner == p.Name || f.ID == m.Folder {
					return err
				}
			}
			return errors.Join(err, tx.InsertFolder(ledger.Folder{Partner: p.Name, ID: m.Folder, Created: r.now().UTC(), Generation: -1}))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// markerOf reads the marker of a partner, if there is one.
func markerOf(p *config.Partner) (m marker, ok bool) {
	dir, err := fsx.OpenRoot(p.Folder)
	if err != nil {
		return m, false
	}
	defer dir.Close() // it was only read
	m, err = readMarker(dir)
	return m, err == nil && m.Agent != ""
}

// partner reads back what one folder knows. One that the ledger is not known to be older
// than is looked at all the same: what is missing there proves that it is.
func (r *repairer) partner(ctx context.Context, b *box) error {
	name, why := b.partner.Name, r.i.copied[b.partner.Name]
	older := why != ""
	if err := prepareFolders(b.folder); err != nil {
		return folderError(r.cfg, b.partner, err.Error(), "")
	}
	err := r.setup().inbox.Repair(ctx, name, func(f ledger.Finding) { older = true; r.tell(f) })
	if err != nil {
		return err
	}
	found, err := b.outbox.Check(ctx)
	if err != nil {
		return err
	}
	if older || slices.ContainsFunc(found, func(f ledger.Finding) bool { return f.Repair != "" }) {
		if err := b.outbox.Repair(ctx, r.tell); err != nil {
			return err
		}
	}
	if why == "" {
		return nil
	}
	if err := r.goOn(ctx, b); err != nil {
		return err
	}
	r.tell(ledger.Finding{Partner: name, Path: markerFile, Fact: why, Repair: "everything that the folder knows is in the ledger now; the partner goes on"})
	return nil
}

// goOn records that ledger and folder know the same. It comes last: before, the partner is
// held.
func (r *repairer) goOn(ctx context.Context, b *box) error {
	m, err := readMarker(b.folder)
	if err != nil {
		return err
	}
	known := ledger.Folder{Partner: b.partner.Name, ID: m.Folder}
	err = r.ledger.Update(ctx, func(tx *ledger.Tx) error {
		if f, err := tx.Folder(b.partner.Name); err == nil {
			known = f
		} else if !errors.Is(err, ledger.ErrNotFound) {
			return err
		} else if err := tx.InsertFolder(known); err != nil {
			return err
		}
		now, err := tx.Generation()
		if err != nil {
			return err
		}
		now = max(now, m.Generation) + 1
		r.generation.Store(now)
		return errors.Join(tx.SetGeneration(now), tx.AddEvent(ledger.Event{At: r.now().UTC(), Level: ledger.Warning, Partner: b.partner.Name, Code: "repaired", Text: "the ledger was read back from the folder, and the partner goes on"}))
	})
	if err != nil {
		return err
	}
	return r.writeMarker(ctx, b.folder, known)
}

// strays gives up the receipts of partners that have left the config, once their time is
// over: nobody would ever post them.
func (r *repairer) strays(ctx context.Context) error {
	findings, err := r.i.strays(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Repair == "" {
			continue
		}
		now := r.now().UTC()
		err := r.ledger.Update(ctx, func(tx *ledger.Tx) error {
			owed, err := tx.OpenMDNs(f.Partner)
			for _, m := range overdue(owed, now) {
				m.Open, m.Outcome, m.Done, m.Reason = false, "gave up", now, "the partner had left the config, and the time for it was over"
				m.Posting = false
				err = errors.Join(err, closeLeft(tx, m.Received, now), tx.SaveOwedMDN(&m))
			}
			return errors.Join(err, tx.AddEvent(ledger.Event{At: now, Level: ledger.Alarm, Partner: f.Partner, Code: "receipt-gave-up", Text: fmt.Sprintf("%s; %s", f.Fact, f.Repair)}))
		})
		if err != nil {
			return err
		}
		r.tell(f)
	}
	return nil
}

// closeLeft closes an attempt to post a receipt that nobody is at any more.
func closeLeft(tx *ledger.Tx, id string, now time.Time) error {
	attempts, err := tx.Attempts(id)
	for _, a := range attempts {
		if a.Outcome == ledger.OutcomeOpen {
			a.Outcome, a.Closed, a.Text = ledger.OutcomeUnknown, now, "the agent ended while the receipt was being posted"
			err = errors.Join(err, tx.CloseAttempt(a))
		}
	}
	return err
}
