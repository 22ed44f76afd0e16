package agent

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// world is a config with everything that is open for it: what the agent runs on, and
// what commands look at.
type world struct {
	cfg        *config.Config
	ledger     *ledger.Ledger
	log        *slog.Logger
	now        func() time.Time
	rand       io.Reader
	agent      string // identifies this ledger
	process    string // identifies this run
	generation int64  // of this run
	previous   int64  // of the ledger as it was found
	userAgent  string

	boxes []*box
	inbox *inbox.Inbox

	transfers, incoming wakers // while the agent runs: who sees to a partner's transfers, and to what came in
}

// wakers are functions by the name of a partner. They may be called before anybody
// has put one in: who begins looks at everything anyway.
type wakers struct{ byPartner sync.Map }

func (w *wakers) Store(partner string, wake func()) { w.byPartner.Store(partner, wake) }

func (w *wakers) wake(partner string) {
	if f, ok := w.byPartner.Load(partner); ok {
		f.(func())()
	}
}

// box is one partner with what is open for it.
type box struct {
	partner *config.Partner
	folder  fsx.FS
	outbox  *outbox.Outbox
	fault   error // why the partner is out of order; folder and outbox are nil then
}

const ledgerName = "ledger.db"

// LedgerPath is where the ledger of a data folder is.
func LedgerPath(dataDir string) string { return filepath.Join(dataDir, ledgerName) }

func fingerprint(c *x509.Certificate) string { return keys.Fingerprint(c) }

// openWorld opens the ledger and the partners' folders for running. A partner whose
// folder is not in order is left out with its fault; the others go on.
func openWorld(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*world, error) {
	l, err := ledger.Open(LedgerPath(cfg.DataDir), ledger.Options{})
	if err != nil {
		return nil, err
	}
	w := &world{cfg: cfg, ledger: l, log: log, now: time.Now, rand: rand.Reader, userAgent: "as2drop/" + version}
	if err := w.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	w.openPartners(ctx, w.partnerFolder)
	return w, nil
}

// begin counts the generation up and records what this run begins with.
func (w *world) begin(ctx context.Context) error {
	id, err := ledger.NewID(w.now(), w.rand)
	if err != nil {
		return err
	}
	w.process = id
	err = w.ledger.Update(ctx, func(tx *ledger.Tx) (err error) {
		if w.agent, err = tx.AgentID(id); err != nil {
			return err
		}
		if w.previous, err = tx.Generation(); err != nil {
			return err
		}
		w.generation = w.previous + 1
		return tx.SetGeneration(w.generation)
	})
	if err != nil {
		return err
	}
	return w.record(ctx)
}

func (w *world) openPartners(ctx context.Context, open func(context.Context, *config.Partner) (fsx.FS, error)) {
	var receivers []inbox.Partner
	for _, p := range w.cfg.Partners {
		b := &box{partner: p}
		w.boxes = append(w.boxes, b)
		dir, err := open(ctx, p)
		if err != nil {
			b.fault = err
			continue
		}
		b.folder = dir
		b.outbox = outbox.New(outbox.Deps{Ledger: w.ledger, Now: w.now, Rand: w.rand, Post: client(p), Process: w.process, Config: w.cfg.Hash, UserAgent: w.userAgent}, w.outboxPartner(p, dir))
		receivers = append(receivers, w.inboxPartner(p, dir))
	}
	w.inbox = inbox.New(inbox.Deps{Ledger: w.ledger, Now: w.now, Rand: w.rand, Log: w.log, Wake: w.incoming.wake, Process: w.process, Config: w.cfg.Hash, UserAgent: w.userAgent}, receivers)
}

func (w *world) close() error {
	var errs []error
	for _, b := range w.boxes {
		if b.folder != nil {
			errs = append(errs, b.folder.Close())
		}
	}
	return errors.Join(append(errs, w.ledger.Close())...)
}

// Inspector looks at a data folder, also while an agent runs on it, and changes
// nothing but wishes.
type Inspector struct {
	*world
}

// Inspect opens what a config names, without making or changing anything.
func Inspect(ctx context.Context, cfg *config.Config) (*Inspector, error) {
	path := LedgerPath(cfg.DataDir)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("there is no ledger yet at %s; as2drop run makes it", path)
	}
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	w := &world{cfg: cfg, ledger: l, log: slog.New(slog.DiscardHandler), now: time.Now, rand: rand.Reader}
	w.openPartners(ctx, func(_ context.Context, p *config.Partner) (fsx.FS, error) {
		if _, err := os.Stat(filepath.Join(p.Folder, markerFile)); err != nil {
			return nil, w.folderError(p, "the marker "+markerFile+" is missing", "is the volume mounted?")
		}
		return fsx.OpenRoot(p.Folder)
	})
	return &Inspector{w}, nil
}

// Close closes everything.
func (i *Inspector) Close() error { return i.close() }

// Ledger is the ledger itself.
func (i *Inspector) Ledger() *ledger.Ledger { return i.ledger }

// Outboxes calls f for every partner; the outbox is nil and err says why where the
// partner's folder is not in order.
func (i *Inspector) Outboxes(f func(p *config.Partner, o *outbox.Outbox, err error) error) error {
	for _, b := range i.boxes {
		if err := f(b.partner, b.outbox, b.fault); err != nil {
			return err
		}
	}
	return nil
}

// Check compares the ledger with the folders of all partners.
func (i *Inspector) Check(ctx context.Context) ([]ledger.Finding, error) {
	var findings []ledger.Finding
	faults, err := i.ledger.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		findings = append(findings, ledger.Finding{Path: ledgerName, Fact: "the database is damaged: " + f, Hint: "stop the agent and put back the newest copy"})
	}
	for _, b := range i.boxes {
		if b.fault != nil {
			findings = append(findings, ledger.Finding{Partner: b.partner.Name, Fact: b.fault.Error()})
			continue
		}
		found, err := b.outbox.Check(ctx)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	found, err := i.inbox.Check(ctx)
	return append(findings, found...), err
}
