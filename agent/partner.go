package agent

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
func (w *world) partnerFolder(ctx context.Context, p *config.Partner) (fsx.FS, error) {
	var known ledger.Folder
	err := w.ledger.View(ctx, func(tx *ledger.Tx) (err error) { known, err = tx.Folder(p.Name); return err })
	first := errors.Is(err, ledger.ErrNotFound)
	if err != nil && !first {
		return nil, err
	}
	if first {
		if err := os.MkdirAll(p.Folder, 0o750); err != nil {
			return nil, w.folderError(p, "it cannot be made: "+err.Error(), "")
		}
	}
	dir, err := fsx.OpenRoot(p.Folder)
	if err != nil {
		return nil, w.folderError(p, err.Error(), "is the volume mounted?")
	}
	if first {
		err = w.newFolder(ctx, p, dir)
	} else {
		err = w.checkMarker(p, dir, known)
	}
	if err == nil {
		if ferr := prepareFolders(dir); ferr != nil {
			err = w.folderError(p, ferr.Error(), "all folders of a partner must be on one volume; give the partner a folder of its own there with: folder")
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

func (w *world) folderError(p *config.Partner, fact, hint string) error {
	return config.Error{File: w.cfg.Path, Line: p.FolderLine, Path: "partners." + p.Name + ".folder", Fact: p.Folder + ": " + fact, Hint: hint}
}

func (w *world) newFolder(ctx context.Context, p *config.Partner, dir fsx.FS) error {
	if b, err := fsx.ReadFile(dir, markerFile, 1<<16); err == nil {
		var m marker
		if json.Unmarshal(b, &m) == nil && m.Agent != w.agent {
			return w.folderError(p, "it belongs to another as2drop, or to an earlier ledger of this one", "two agents must not share a folder; if the other one is gone for good, remove "+markerFile+" there")
		}
	}
	id, err := ledger.NewID(w.now(), w.rand)
	if err != nil {
		return err
	}
	if err := w.writeMarker(dir, id); err != nil {
		return w.folderError(p, err.Error(), "")
	}
	return w.ledger.Update(ctx, func(tx *ledger.Tx) error {
		return tx.InsertFolder(ledger.Folder{Partner: p.Name, ID: id, Created: w.now().UTC()})
	})
}

func (w *world) writeMarker(dir fsx.FS, folder string) error {
	b, err := json.Marshal(marker{w.agent, folder, w.generation})
	if err != nil {
		return err
	}
	return fsx.Rewrite(dir, markerFile, 0o640, append(b, '\n'))
}

// checkMarker makes sure that the folder is the one of the ledger, and the ledger no
// older than the folder.
func (w *world) checkMarker(p *config.Partner, dir fsx.FS, known ledger.Folder) error {
	b, err := fsx.ReadFile(dir, markerFile, 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return w.folderError(p, "the marker "+markerFile+" is missing", "is the volume mounted? nothing is created or moved until it is back")
	}
	var m marker
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	switch {
	case err != nil:
		return w.folderError(p, "the marker "+markerFile+" cannot be read: "+err.Error(), "")
	case m.Agent != w.agent || m.Folder != known.ID:
		return w.folderError(p, "it belongs to another as2drop, or to another partner", "two agents must not share a folder")
	case m.Generation > w.previous:
		return w.folderError(p, fmt.Sprintf("the folder has seen generation %d of the ledger, this one is at %d: an older copy of the ledger was put back", m.Generation, w.previous),
			"sending on would send twice; put the newest ledger back")
	}
	return w.writeMarker(dir, known.ID)
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
	for _, pair := range [][2]string{{"outbox", ".work"}, {".work", "sent"}, {".work", "failed"}, {".incoming", "inbox"}, {".work", ".evidence"}} {
		if err := fsx.ProveSameVolume(dir, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// ready reports why nothing of a partner may be touched now: its volume went away.
func ready(p *config.Partner, dir fsx.FS) error {
	if _, err := os.Stat(filepath.Join(p.Folder, markerFile)); err != nil {
		return fmt.Errorf("%s: the marker %s is gone; is the volume mounted? %w", p.Folder, markerFile, err)
	}
	if ok, err := fsx.Exists(dir, markerFile); err != nil || !ok {
		return fmt.Errorf("%s was replaced while the agent ran; restart it: %w", p.Folder, errors.Join(err, fs.ErrNotExist))
	}
	return nil
}

// record keeps stations, certificates and the config in the ledger.
func (w *world) record(ctx context.Context) error {
	now := w.now().UTC()
	return w.ledger.Update(ctx, func(tx *ledger.Tx) error {
		err := tx.SaveConfig(w.cfg.Hash, w.cfg.Text, now)
		save := func(owner string, certs ...*x509.Certificate) {
			for _, c := range certs {
				err = errors.Join(err, tx.SaveCertificate(ledger.Certificate{Owner: owner, Fingerprint: fingerprint(c), Subject: c.Subject.String(),
					NotBefore: c.NotBefore, NotAfter: c.NotAfter, Seen: now}))
			}
		}
		for _, s := range w.cfg.Stations {
			err = errors.Join(err, tx.SaveStation(ledger.Station{Name: s.Name, AS2: s.AS2ID, Seen: now}))
			for _, k := range s.Keys {
				save("station "+s.Name, k.Certificate)
			}
		}
		for _, p := range w.cfg.Partners {
			save("partner "+p.Name, p.AllCertificates()...)
		}
		return err
	})
}
