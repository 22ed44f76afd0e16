package agent

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// markerFile in a partner's folder says whose it is.
const markerFile = ".as2drop"

// marker is its content.
type marker struct {
	Agent      string `json:"agent"`
	Folder     string `json:"folder"`
	Generation int64  `json:"generation"`
}

// partnerFolder opens the folder of a partner. One that the ledger has never seen is
// made, with its marker; for any other the marker must be there and ours.
func (w *world) partnerFolder(ctx context.Context, cfg *config.Config, p *config.Partner) (fsx.FS, error) {
	var known ledger.Folder
	err := w.ledger.View(ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(p.Name); return err })
	first := errors.Is(err, ledger.ErrNotFound)
	if err != nil && !first {
		return nil, err
	}
	if first {
		if err := os.MkdirAll(p.Folder, 0o750); err != nil {
			return nil, folderError(cfg, p, "it cannot be made: "+err.Error(), "")
		}
	}
	dir, err := w.hands.open(p.Folder)
	if err != nil {
		hint := "is the volume mounted?"
		if outOfFiles(err) {
			hint = moreFiles
		}
		return nil, folderError(cfg, p, err.Error(), hint)
	}
	if first {
		err = w.newFolder(ctx, cfg, p, dir)
	} else {
		err = w.checkMarker(ctx, cfg, p, dir, known)
	}
	if err == nil {
		if ferr := prepareFolders(dir); ferr != nil {
			hint := "all folders of a partner must be on one volume; give the partner a folder of its own there with: folder"
			if outOfFiles(ferr) {
				hint = moreFiles
			}
			err = folderError(cfg, p, ferr.Error(), hint)
		}
	}
	if err == nil {
		err = share(cfg, p, dir)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

func folderError(cfg *config.Config, p *config.Partner, fact, hint string) error {
	return config.Error{File: cfg.Path, Line: p.FolderLine, Path: "partners." + p.Name + ".folder", Fact: p.Folder + ": " + fact, Hint: hint}
}

func (w *world) newFolder(ctx context.Context, cfg *config.Config, p *config.Partner, dir fsx.FS) error {
	m, err := readMarker(dir)
	if err == nil {
		lost, lerr := w.lostFolder(ctx, m, dir)
		switch {
		case lerr != nil:
			return lerr
		case m.Agent != w.agent:
			return folderError(cfg, p, "it belongs to another as2drop, or to an earlier ledger of this one", "two agents must not share a folder; if the other one is gone for good, remove "+markerFile+" there")
		case lost:
			return folderError(cfg, p, "the agent worked with it before, and the ledger does not know that: an older copy of the ledger was put back", readBackHint)
		}
	}
	id, err := ledger.NewID(w.now(), w.rand)
	if err != nil {
		return err
	}
	f := ledger.Folder{Partner: p.Name, ID: id, Created: w.now().UTC(), Generation: w.generation.Load()}
	if err := w.putMarker(p.Name, dir, f); err != nil {
		return folderError(cfg, p, err.Error(), "")
	}
	return w.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.InsertFolder(f) })
}

// readBackHint is what to do about a ledger that is older than a folder.
const readBackHint = "nothing is sent or received for it before: stop the agent, then as2drop check --repair reads back what the folder knows"

// lostFolder reports whether a marker of ours is in a folder that the ledger does not
// know under any partner's name and that was worked with.
func (w *world) lostFolder(ctx context.Context, m marker, dir fsx.FS) (bool, error) {
	var known []ledger.Folder
	err := w.ledger.View(ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folders(); return err })
	if err != nil || m.Agent != w.agent || slices.ContainsFunc(known, func(f ledger.Folder) bool { return f.ID == m.Folder }) {
		return false, err
	}
	// The marker is written before the ledger knows it: somebody may have been stopped there.
	for _, name := range []string{".work", ".incoming", ".evidence", "sent", "failed"} {
		entries, err := dir.ReadDir(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// readMarker reads the marker of a folder.
func readMarker(dir fsx.FS) (m marker, err error) {
	b, err := fsx.ReadFile(dir, markerFile, 1<<16)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// writeMarker writes the present generation into a folder, and before that into the
// ledger: a marker is never ahead of the ledger that wrote it.
func (w *world) writeMarker(ctx context.Context, dir fsx.FS, known ledger.Folder) error {
	known.Generation = w.generation.Load()
	if err := w.ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SaveFolder(known) }); err != nil {
		return err
	}
	return w.putMarker(known.Partner, dir, known)
}

func (w *world) putMarker(partner string, dir fsx.FS, f ledger.Folder) error {
	lock, _ := w.markers.LoadOrStore(partner, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	b, err := json.Marshal(marker{w.agent, f.ID, f.Generation})
	if err != nil {
		return err
	}
	return fsx.Rewrite(dir, markerFile, 0o640, append(b, '\n'))
}

// checkMarker makes sure that the folder is the one of the ledger, and the ledger no
// older than the folder.
func (w *world) checkMarker(ctx context.Context, cfg *config.Config, p *config.Partner, dir fsx.FS, known ledger.Folder) error {
	m, err := w.rightMarker(cfg, p, dir, known)
	if err != nil {
		return err
	}
	if m.Generation > known.Generation {
		return folderError(cfg, p, olderThan(m, known), readBackHint)
	}
	return w.writeMarker(ctx, dir, known)
}

// rightMarker reads the marker of a folder that the ledger knows.
func (w *world) rightMarker(cfg *config.Config, p *config.Partner, dir fsx.FS, known ledger.Folder) (marker, error) {
	m, err := readMarker(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, folderError(cfg, p, "the marker "+markerFile+" is missing", "is the volume mounted? nothing is created or moved until it is back")
	case err != nil:
		return m, folderError(cfg, p, "the marker "+markerFile+" cannot be read: "+err.Error(), "put it back from a backup")
	case m.Agent != w.agent || m.Folder != known.ID:
		return m, folderError(cfg, p, "it belongs to another as2drop, or to another partner", "two agents must not share a folder")
	}
	return m, nil
}

// olderThan says how a ledger is known to be older than a folder.
func olderThan(m marker, known ledger.Folder) string {
	if known.Generation < 0 {
		return "the ledger is not the one that worked with this folder last: the folder may know more"
	}
	return fmt.Sprintf("the folder has seen generation %d of the ledger, and the ledger knows of %d: an older copy of it was put back", m.Generation, known.Generation)
}

// prepareFolders makes what is missing and proves that files can be renamed between
// them.
func prepareFolders(dir fsx.FS) error {
	folders := append(outbox.Folders(), inbox.Folders()...)
	for _, f := range folders {
		if err := fsx.MkdirAll(dir, f, 0o750); err != nil {
			return err
		}
	}
	return errors.Join(fsx.ProveSameVolume(dir, "outbox", ".work", "sent", "failed", ".evidence"), fsx.ProveSameVolume(dir, ".incoming", "inbox"))
}

// ready reports why nothing of a partner may be touched now: its volume went away, does
// not answer, or was never there.
func (b *box) ready() error {
	if b.fault != nil {
		return b.fault
	}
	err := b.looks.ask(b.patience, b.look)
	if errors.Is(err, errHangs) {
		err = fmt.Errorf("%s: %w", b.partner.Folder, err)
	}
	return err
}

// look looks whether the folder is there, and the one that was opened.
func (b *box) look() error { return inPlace(b.partner.Folder, b.folder) }

// record keeps stations, certificates and the config in the ledger.
func (w *world) record(ctx context.Context, cfg *config.Config) error {
	now := w.now().UTC()
	return w.ledger.Update(ctx, func(tx *ledger.Tx) error {
		err := tx.SaveConfig(cfg.Hash, cfg.Text, now)
		save := func(owner string, certs ...*x509.Certificate) {
			for _, c := range certs {
				err = errors.Join(err, tx.SaveCertificate(ledger.Certificate{Owner: owner, Fingerprint: fingerprint(c), Subject: c.Subject.String(),
					NotBefore: c.NotBefore, NotAfter: c.NotAfter, Seen: now}))
			}
		}
		for _, s := range cfg.Stations {
			err = errors.Join(err, tx.SaveStation(ledger.Station{Name: s.Name, AS2: s.AS2ID, Seen: now}))
			for _, k := range s.Keys {
				save("station "+s.Name, k.Certificate)
			}
		}
		for _, p := range cfg.Partners {
			save("partner "+p.Name, p.AllCertificates()...)
		}
		return err
	})
}
