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
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
	"github.com/as2drop/as2drop/web/metrics"
)

// world is a ledger with what is configured for it: what the agent runs on, and what
// commands look at.
type world struct {
	ledger     *ledger.Ledger
	counts     *metrics.Metrics // of a running agent; nil for those who only look
	log        *slog.Logger
	now        func() time.Time
	rand       io.Reader
	agent      string       // identifies this ledger
	process    string       // identifies this run
	generation atomic.Int64 // counted on while the agent runs
	userAgent  string
	dataDir    string

	current atomic.Pointer[setup]

	mu       sync.Mutex
	outboxes map[string]*outbox.Outbox // the last one of each partner: what is under way in it does not end with it

	hands   hands
	markers sync.Map // by partner: the lock of who writes its marker
	turns   sync.Map // by partner: a chan struct{} for who opens or recovers its folder

	shared  *turns  // at processor and disk
	flights flights // what is being posted

	collects collector

	transfers, incoming, hooked wakers // while the agent runs: who sees to a partner's transfers, to what came in, and to the hooks that are owed
}

// setup is what is configured at the moment.
func (w *world) setup() *setup { return w.current.Load() }

// wakers are functions by the name of a partner. They may be called before anybody
// has put one in: who begins looks at everything anyway.
type wakers struct{ byPartner sync.Map }

func (w *wakers) Store(partner string, wake func()) { w.byPartner.Store(partner, wake) }

func (w *wakers) forget(partner string) { w.byPartner.Delete(partner) }

func (w *wakers) wake(partner string) {
	if f, ok := w.byPartner.Load(partner); ok {
		f.(func())()
	}
}

const ledgerName = "ledger.db"

// LedgerPath is where the ledger of a data folder is.
func LedgerPath(dataDir string) string { return filepath.Join(dataDir, ledgerName) }

func fingerprint(c *x509.Certificate) string { return keys.Fingerprint(c) }

// openWorld opens the ledger and the partners' folders for running. A partner whose
// folder is not in order is left out with its fault; the others go on.
func openWorld(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*world, error) {
	return openWorldWith(ctx, cfg, log, version, realHands)
}

func openWorldWith(ctx context.Context, cfg *config.Config, log *slog.Logger, version string, hands hands) (*world, error) {
	if err := refuseLost(cfg); err != nil {
		return nil, err
	}
	counts := metrics.New(metrics.Options{Version: version, Log: log, Now: time.Now})
	l, err := ledger.Open(LedgerPath(cfg.DataDir), ledger.Options{Observe: counts.Commit})
	if err != nil {
		return nil, err
	}
	w := newWorld(cfg, l, log)
	w.counts = counts
	w.userAgent, w.hands = "as2drop/"+version, hands
	if err := w.begin(ctx, cfg); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	w.current.Store(w.newSetup(ctx, cfg, nil, w.partnerFolder))
	return w, nil
}

func newWorld(cfg *config.Config, l *ledger.Ledger, log *slog.Logger) *world {
	return &world{ledger: l, log: log, now: time.Now, rand: rand.Reader, hands: realHands, shared: newTurns(runtime.GOMAXPROCS(0), turnPatience), dataDir: cfg.DataDir, outboxes: map[string]*outbox.Outbox{}}
}

// begin counts the generation up and records what this run begins with.
func (w *world) begin(ctx context.Context, cfg *config.Config) error {
	id, err := ledger.NewID(w.now(), w.rand)
	if err != nil {
		return err
	}
	w.process = id
	err = w.ledger.Update(ctx, func(tx *ledger.Tx) (err error) {
		if w.agent, err = tx.AgentID(id); err != nil {
			return err
		}
		former, err := tx.Generation()
		if err != nil {
			return err
		}
		w.generation.Store(former + 1)
		return tx.SetGeneration(former + 1)
	})
	if err != nil {
		return err
	}
	return w.record(ctx, cfg)
}

func (w *world) close() error {
	var errs []error
	for _, b := range w.setup().boxes {
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
	copied map[string]string        // partners whose folders may know more than the ledger, and why
	known  map[string]ledger.Folder // as the ledger knew the folders before they were opened
}

// Inspect opens what a config names, without making or changing anything.
func Inspect(ctx context.Context, cfg *config.Config) (*Inspector, error) {
	path := LedgerPath(cfg.DataDir)
	if there, err := ledger.Exists(path); err != nil {
		return nil, err
	} else if !there {
		if err := refuseLost(cfg); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("there is no ledger yet at %s; as2drop run makes it", path)
	}
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	w := newWorld(cfg, l, slog.New(slog.DiscardHandler))
	i := &Inspector{world: w, copied: map[string]string{}, known: map[string]ledger.Folder{}}
	err = l.View(ctx, func(tx *ledger.Tx) (err error) {
		if w.agent, err = tx.Agent(); err != nil {
			return err
		}
		folders, err := tx.Folders()
		for _, f := range folders {
			i.known[f.Partner] = f
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	w.current.Store(w.newSetup(ctx, cfg, nil, i.lookAt))
	return i, nil
}

// lookAt opens the folder of a partner, to look at it.
func (i *Inspector) lookAt(ctx context.Context, cfg *config.Config, p *config.Partner) (fsx.FS, error) {
	if _, err := os.Stat(filepath.Join(p.Folder, markerFile)); err != nil {
		return nil, folderError(cfg, p, "the marker "+markerFile+" is missing", "is the volume mounted?")
	}
	dir, err := i.hands.open(p.Folder)
	if err != nil {
		return nil, folderError(cfg, p, err.Error(), "is the volume mounted?")
	}
	why, err := i.older(ctx, cfg, p, dir)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if why != "" {
		i.mu.Lock() // folders are opened several at a time
		defer i.mu.Unlock()
		i.copied[p.Name] = why
	}
	return dir, nil
}

// older says why the folder of a partner may know more than the ledger; empty = it does
// not. An error means that it is not the folder of this ledger at all.
func (i *Inspector) older(ctx context.Context, cfg *config.Config, p *config.Partner, dir fsx.FS) (why string, err error) {
	if known, ok := i.known[p.Name]; ok {
		if m, err := i.rightMarker(cfg, p, dir, known); err == nil && m.Generation <= known.Generation {
			return "", nil
		}
		// An agent that runs may have written into both since.
	}
	var known ledger.Folder
	err = i.ledger.View(ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(p.Name); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		m, err := readMarker(dir)
		if err != nil || m.Agent != i.agent {
			return "", folderError(cfg, p, "it belongs to another as2drop, or to an earlier ledger of this one", "two agents must not share a folder")
		}
		if lost, err := i.lostFolder(ctx, m, dir); err != nil || !lost {
			return "", err
		}
		return "the ledger does not know that the agent worked with it", nil
	}
	if err != nil {
		return "", err
	}
	m, err := i.rightMarker(cfg, p, dir, known)
	if err != nil || m.Generation <= known.Generation {
		return "", err
	}
	return olderThan(m, known), nil
}

// Close closes everything.
func (i *Inspector) Close() error { return i.close() }

// Load is how much of a partner is under way.
func (i *Inspector) Load(ctx context.Context, partner string) (l ledger.Load, err error) {
	err = i.ledger.View(ctx, func(tx *ledger.Tx) (err error) { l, err = tx.Load(partner); return err })
	return l, err
}

// Ledger is the ledger itself.
func (i *Inspector) Ledger() *ledger.Ledger { return i.ledger }
