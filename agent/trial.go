package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// Test messages have a folder of their own in the data folder: trials/<partner> holds their
// evidence, trials/.waiting the receipts that come on a connection of their own. A file there
// named by the Message-ID says that somebody waits; the agent puts the receipt beside it.
const (
	trialsDir  = "trials"
	waitingDir = "trials/.waiting"
	receiptExt = ".http"
)

// Trials are what as2drop partner test works with, beside a running agent.
type Trials struct {
	Client *as2.Client // that posts to the partner

	cfg     *config.Config
	partner *config.Partner
	agent   string // user agent
	now     func() time.Time
	data    fsx.FS // the data folder
	folder  fsx.FS
	like    os.FileInfo // of the data folder
}

// OpenTrials opens the folder for test messages to a partner.
func OpenTrials(cfg *config.Config, p *config.Partner, version string, now func() time.Time) (*Trials, error) {
	t := &Trials{Client: client(p), cfg: cfg, partner: p, agent: "as2drop/" + version, now: now}
	if err := access.MkdirAll(cfg.DataDir); err != nil {
		return nil, err
	}
	like, err := os.Stat(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if t.data, err = fsx.OpenRoot(cfg.DataDir); err != nil {
		return nil, err
	}
	dir := trialsDir + "/" + p.Name
	for _, d := range []string{trialsDir, dir, waitingDir} {
		err := fsx.MkdirAll(t.data, d, 0o750)
		if err == nil { // whoever tests may be root, and the agent is not
			err = access.Like(filepath.Join(cfg.DataDir, filepath.FromSlash(d)), like)
		}
		if err != nil {
			return nil, errors.Join(err, t.data.Close())
		}
	}
	if t.folder, err = fsx.OpenRoot(filepath.Join(cfg.DataDir, filepath.FromSlash(dir))); err != nil {
		return nil, errors.Join(err, t.data.Close())
	}
	t.like = like
	if err := errors.Join(outbox.SweepTrials(t.folder, now()), t.sweepWaiting()); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// sweepWaiting removes what tests left behind that were killed while they waited for a
// receipt, so that the agent does not keep receipts for nobody.
func (t *Trials) sweepWaiting() error {
	entries, err := t.data.ReadDir(waitingDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && t.now().Sub(info.ModTime()) < outbox.TrialsEnd {
			continue
		}
		if err := errors.Join(err, fsx.RemoveAll(t.data, waitingDir+"/"+e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the folders. What whoever tests made in them, who may be root, is the agent's.
func (t *Trials) Close() error {
	err := errors.Join(t.folder.Close(), t.data.Close())
	for _, d := range []string{trialsDir + "/" + t.partner.Name, waitingDir} {
		err = errors.Join(err, access.GiveTree(filepath.Join(t.cfg.DataDir, filepath.FromSlash(d)), t.like))
	}
	return err
}

// New seals a test message as a document to the partner is sealed.
func (t *Trials) New(name, subject, text string) (*outbox.Trial, error) {
	d := outbox.Deps{Now: t.now, Rand: rand.Reader, Post: t.Client, Config: t.cfg.Hash, UserAgent: t.agent}
	trial, err := outbox.NewTrial(d, outboxPartner(t.cfg, t.partner, t.folder), name, subject, text)
	if err == nil && trial.Sealed.Receipt.Async != "" {
		err = fsx.Rewrite(t.data, waitingName(trial.MessageID), 0o640, []byte(trial.ID+"\n"))
	}
	return trial, err
}

// Await waits for a receipt on a connection of its own, which the running agent takes.
func (t *Trials) Await(ctx context.Context, trial *outbox.Trial) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	began := t.now()
	for {
		raw, err := fsx.ReadFile(t.data, waitingName(trial.MessageID)+receiptExt, 2*maxReceipt)
		if err == nil {
			header, body, err := outbox.ReadReceipt(raw)
			if err != nil {
				return err
			}
			return trial.Receive(header, body)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no receipt came within %v", t.now().Sub(began).Round(time.Second))
		}
	}
}

// Keep completes the evidence of a test message, and returns its folder.
func (t *Trials) Keep(trial *outbox.Trial) (dir string, err error) {
	for _, name := range []string{waitingName(trial.MessageID), waitingName(trial.MessageID) + receiptExt} {
		if there, _ := fsx.Exists(t.data, name); there { // what cannot be looked at cannot be removed either
			err = errors.Join(err, fsx.RemoveAll(t.data, name))
		}
	}
	at, kerr := trial.Keep()
	return filepath.Join(t.cfg.DataDir, trialsDir, t.partner.Name, filepath.FromSlash(at)), errors.Join(err, kerr)
}

// Record leaves an event of a test, if there is a ledger.
func (t *Trials) Record(ctx context.Context, passed bool, text, hint string) (err error) {
	there, err := ledger.Exists(LedgerPath(t.cfg.DataDir))
	if err != nil || !there {
		return err
	}
	l, err := ledger.Open(LedgerPath(t.cfg.DataDir), ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	e := ledger.Event{At: t.now().UTC(), Level: ledger.Info, Partner: t.partner.Name, Code: "partner-test", Text: text, Hint: hint}
	if !passed {
		e.Level = ledger.Warning
	}
	return l.Update(ctx, func(tx *ledger.Tx) error { return tx.AddEvent(e) })
}

// waitingName is the file that says that a test waits for its receipt. A Message-ID that
// comes from outside never becomes a name.
func waitingName(messageID string) string {
	sum := sha256.Sum256([]byte(as2.StripID(messageID)))
	return waitingDir + "/" + hex.EncodeToString(sum[:16])
}

// forTrial keeps a receipt for a test message that somebody waits for, and reports whether
// there is one.
func (w *world) forTrial(messageID string, header http.Header, body []byte) (is bool, err error) {
	data, err := fsx.OpenRoot(w.dataDir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	name := waitingName(messageID)
	if there, err := fsx.Exists(data, name); err != nil || !there {
		return false, err
	}
	return true, fsx.Rewrite(data, name+receiptExt, 0o640, outbox.RawReceipt(header, body))
}
