package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Manifest says what a backup is: manifest.json in it.
type Manifest struct {
	Made    time.Time       `json:"made"`
	Version string          `json:"version"` // of as2drop
	Config  string          `json:"config"`  // where it was
	Data    string          `json:"data_dir"`
	Ledger  ledger.Contents `json:"ledger"`
	Files   []BackupFile    `json:"files"`
	// What else belongs to the site, and has to be saved in another way.
	Folders []BackupFolder `json:"partner_folders"`
	Named   []string       `json:"files_named_by_the_config"` // keys and secrets among them
}

// BackupFile is one file of a backup.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// BackupFolder is the folder of a partner.
type BackupFolder struct {
	Partner string `json:"partner"`
	Folder  string `json:"folder"`
}

const (
	manifestName = "manifest.json"
	configName   = "config.yaml"
)

// Backup makes a copy of the ledger as it is at one moment, also while the agent runs, in
// a new folder in target, and returns its path. Beside it are the text of the config, and
// a manifest. The folder has its name only when everything in it is checked and synced;
// nothing is ever overwritten.
//
// Keys, secrets and the partners' folders are not in it: the manifest names them.
func Backup(ctx context.Context, cfg *config.Config, target, version string, now time.Time) (string, *Manifest, error) {
	path := LedgerPath(cfg.DataDir)
	if there, err := ledger.Exists(path); err != nil || !there {
		return "", nil, errors.Join(fmt.Errorf("there is no ledger at %s that could be saved", path), err, refuseLost(cfg))
	}
	if err := outside(cfg, target); err != nil {
		return "", nil, err
	}
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		return "", nil, err
	}
	defer l.Close() // it only read
	if err := access.MkdirAll(target); err != nil {
		return "", nil, err
	}
	root, err := fsx.OpenRoot(target)
	if err != nil {
		return "", nil, err
	}
	defer root.Close() // a handle on a folder: nothing can be lost
	if err := roomFor(ctx, l, root, target, int64(len(cfg.Text))); err != nil {
		return "", nil, err
	}
	name := "as2drop-" + now.UTC().Format("20060102-150405Z")
	if there, err := fsx.Exists(root, name); err != nil || there {
		return "", nil, errors.Join(fmt.Errorf("%s is there already", filepath.Join(target, name)), err)
	}
	b := &backup{cfg: cfg, root: root, target: target, dir: name + ".part"}
	m, err := b.make(ctx, l, version, now)
	if err == nil {
		err = fsx.Move(root, b.dir, name)
	}
	if err != nil {
		// What is not complete must not look like a backup.
		return "", nil, errors.Join(err, fsx.RemoveAll(root, b.dir))
	}
	return filepath.Join(target, name), m, nil
}

// outside refuses a target in a partner's folder: what lies there may be sent, and is lost
// with the folder.
func outside(cfg *config.Config, target string) error {
	for _, p := range cfg.Partners {
		rel, err := filepath.Rel(absolute(p.Folder), absolute(target))
		if err == nil && filepath.IsLocal(rel) {
			return fmt.Errorf("%s is in the folder of partner %s; choose one outside, best on another disk", target, p.Name)
		}
	}
	return nil
}

// roomFor refuses before anything is written.
func roomFor(ctx context.Context, l *ledger.Ledger, root fsx.FS, target string, more int64) error {
	size, err := l.BackupSize(ctx)
	if err != nil {
		return err
	}
	free, err := root.Free()
	if err != nil {
		return err
	}
	if need := uint64(size + more + 1<<20); free < need {
		return fmt.Errorf("%s: %d bytes are free, the copy may need %d; make room, or choose another folder", target, free, need)
	}
	return nil
}

type backup struct {
	cfg    *config.Config
	root   fsx.FS
	target string
	dir    string // in root, until it is complete
}

func (b *backup) make(ctx context.Context, l *ledger.Ledger, version string, now time.Time) (*Manifest, error) {
	if err := fsx.RemoveAll(b.root, b.dir); err != nil { // of one that was stopped
		return nil, err
	}
	if err := access.MkdirAll(filepath.Join(b.target, b.dir)); err != nil {
		return nil, err
	}
	contents, err := l.Backup(ctx, filepath.Join(b.target, b.dir, ledgerName))
	if err != nil {
		return nil, err
	}
	if err := fsx.SyncFile(b.root, b.dir+"/"+ledgerName); err != nil {
		return nil, err
	}
	if err := b.write(configName, []byte(b.cfg.Text)); err != nil {
		return nil, err
	}
	m := &Manifest{Made: now.UTC(), Version: version, Config: absolute(b.cfg.Path), Data: absolute(b.cfg.DataDir), Ledger: contents}
	for _, name := range []string{ledgerName, configName} {
		f, err := b.digest(name)
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, f)
	}
	for _, p := range b.cfg.Partners {
		m.Folders = append(m.Folders, BackupFolder{p.Name, absolute(p.Folder)})
	}
	for f := range b.cfg.Files {
		if f != b.cfg.Path {
			m.Named = append(m.Named, absolute(f))
		}
	}
	slices.Sort(m.Named)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, b.write(manifestName, append(text, '\n'))
}

func (b *backup) write(name string, content []byte) error {
	return fsx.Publish(b.root, b.dir+"/"+name, 0o600, func(w io.Writer) error { _, err := w.Write(content); return err })
}

// digest reads a file of the backup as it is on disk now.
func (b *backup) digest(name string) (f BackupFile, err error) {
	file, err := b.root.OpenFile(b.dir+"/"+name, fsx.ReadOnly, 0)
	if err != nil {
		return f, err
	}
	defer file.Close() // opened for reading: nothing can be lost
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	return BackupFile{name, n, hex.EncodeToString(sum.Sum(nil))}, err
}

// absolute is a path as it is understood from everywhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
