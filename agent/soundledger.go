package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

const (
	// rescued is the new ledger of a repair until it takes the place of the old one. Under
	// this name it is complete.
	rescued = ledgerName + ".rescued"
	// rescuing is the same while it is being made.
	rescuing = rescued + ".part"
)

// soundLedger opens a ledger that can be worked with: the present one if it is sound, one
// with what could be saved of it, or a new one if the folders of partners tell that there
// was one. nil = there was none.
func soundLedger(ctx context.Context, cfg *config.Config, tell func(ledger.Finding)) (*ledger.Ledger, error) {
	dir, err := fsx.OpenRoot(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close() // a handle on a folder: nothing can be lost
	s := &sound{ctx: ctx, cfg: cfg, dir: dir, path: LedgerPath(cfg.DataDir), tell: tell}
	if there, err := ledger.Exists(s.path); err != nil {
		return nil, err
	} else if !there {
		return s.lost()
	}
	l, f, err := s.open()
	if err != nil || f == nil {
		return l, err
	}
	if f.Kind == ledger.FaultForeignLog {
		return s.withoutLog(f)
	}
	return s.save(f)
}

type sound struct {
	ctx  context.Context
	cfg  *config.Config
	dir  fsx.FS
	path string
	tell func(ledger.Finding)
}

// open opens the ledger and looks at all of it. f is what can be mended.
func (s *sound) open() (l *ledger.Ledger, f *ledger.Fault, err error) {
	l, err = ledger.Open(s.path, ledger.Options{})
	if err == nil {
		var faults []string
		if faults, err = l.CheckThoroughly(s.ctx); err == nil && len(faults) == 0 {
			return l, nil, nil
		}
		if err == nil {
			err = &ledger.Fault{File: s.path, Kind: ledger.FaultDamaged, Fact: "it is damaged: " + faults[0]}
		}
		err = errors.Join(err, l.Close())
	}
	if f := ledger.FaultOf(err); f != nil && (f.Mendable() || f.Kind == ledger.FaultForeignLog) {
		return nil, f, nil
	}
	return nil, nil, err
}

// aside is the name under which what is damaged is kept.
func (s *sound) aside(name string) (string, error) {
	stamp := ".damaged-" + time.Now().UTC().Format("20060102-150405")
	base, suffix := ledgerName, strings.TrimPrefix(name, ledgerName)
	for n := 1; ; n++ {
		target := base + stamp + suffix
		if n > 1 {
			target = fmt.Sprintf("%s%s-%d%s", base, stamp, n, suffix)
		}
		if there, err := fsx.Exists(s.dir, target); err != nil || !there {
			return target, err
		}
	}
}

// putAside renames files of the ledger. Nothing is ever deleted of it.
func (s *sound) putAside(names ...string) (kept string, err error) {
	for _, name := range names {
		there, err := fsx.Exists(s.dir, name)
		if err != nil {
			return "", err
		}
		if !there {
			continue
		}
		target, err := s.aside(name)
		if err == nil {
			err = fsx.Move(s.dir, name, target)
		}
		if err != nil {
			return "", err
		}
		kept = target
	}
	return kept, nil
}

// withoutLog puts the log aside that does not belong to the copy.
func (s *sound) withoutLog(f *ledger.Fault) (*ledger.Ledger, error) {
	kept, err := s.putAside(ledgerName+"-shm", ledgerName+"-wal")
	if err != nil {
		return nil, err
	}
	s.tell(ledger.Finding{Path: ledgerName, Fact: f.Fact, Repair: "the log is kept as " + kept})
	l, f, err := s.open()
	if err == nil && f != nil {
		err = f
	}
	return l, err
}

// save saves what can be read of a damaged ledger into a new one.
func (s *sound) save(f *ledger.Fault) (*ledger.Ledger, error) {
	complete, err := fsx.Exists(s.dir, rescued) // a repair was stopped when it was almost done
	if err != nil {
		return nil, err
	}
	text := "a new ledger takes its place"
	if !complete {
		if err := s.clear(); err != nil {
			return nil, err
		}
		report, err := ledger.Salvage(s.ctx, s.path, filepath.Join(s.cfg.DataDir, rescuing))
		if err != nil {
			return nil, err
		}
		if err := s.finish(); err != nil {
			return nil, err
		}
		text = saved(report)
	}
	kept, err := s.putAside(ledgerName+"-shm", ledgerName+"-wal", ledgerName)
	if err != nil {
		return nil, err
	}
	fact := f.Fact
	if f.Cause != nil {
		fact += ": " + f.Cause.Error()
	}
	s.tell(ledger.Finding{Path: ledgerName, Fact: fact, Repair: text + "; the damaged one is kept as " + kept})
	return s.take()
}

// saved says what could be read.
func saved(report []ledger.Salvaged) string {
	var read, partly []string
	for _, r := range report {
		switch {
		case r.Fault != "":
			partly = append(partly, fmt.Sprintf("%s (%d rows)", r.Table, r.Rows))
		case r.Rows > 0:
			read = append(read, r.Table)
		}
	}
	text := "a new ledger has what could be read"
	if len(read) > 0 {
		text += "; whole: " + strings.Join(read, ", ")
	}
	if len(partly) > 0 {
		text += "; not whole: " + strings.Join(partly, ", ")
	}
	return text
}

// clear removes the beginning of a new ledger that an earlier repair left.
func (s *sound) clear() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		there, err := fsx.Exists(s.dir, rescuing+suffix)
		if err == nil && there {
			err = fsx.RemoveAll(s.dir, rescuing+suffix)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish gives the new ledger the name under which it is complete.
func (s *sound) finish() error {
	for _, suffix := range []string{"-wal", "-shm"} { // empty: it was closed
		if there, err := fsx.Exists(s.dir, rescuing+suffix); err != nil {
			return err
		} else if there {
			if err := fsx.RemoveAll(s.dir, rescuing+suffix); err != nil {
				return err
			}
		}
	}
	if err := fsx.SyncFile(s.dir, rescuing); err != nil {
		return err
	}
	return fsx.Move(s.dir, rescuing, rescued)
}

// take puts the new ledger in its place and opens it.
func (s *sound) take() (*ledger.Ledger, error) {
	// An empty file is no ledger; SQLite makes it before anything is committed.
	if there, err := ledger.Exists(s.path); err == nil && !there {
		if err := fsx.RemoveAll(s.dir, ledgerName); err != nil {
			return nil, err
		}
	}
	if err := fsx.Move(s.dir, rescued, ledgerName); err != nil {
		return nil, err
	}
	return ledger.Open(s.path, ledger.Options{})
}

// lost begins a new ledger where the folders tell that there was one.
func (s *sound) lost() (*ledger.Ledger, error) {
	if complete, err := fsx.Exists(s.dir, rescued); err != nil || complete {
		if err != nil {
			return nil, err
		}
		s.tell(ledger.Finding{Path: ledgerName, Fact: "a repair was stopped before its end", Repair: "the new ledger takes its place"})
		return s.take()
	}
	e := lost(s.cfg)
	if e == nil {
		return nil, nil
	}
	if len(e.agents) > 1 {
		return nil, e
	}
	if err := s.clear(); err != nil {
		return nil, err
	}
	if _, err := s.putAside(ledgerName+"-shm", ledgerName+"-wal"); err != nil {
		return nil, err
	}
	l, err := ledger.Open(filepath.Join(s.cfg.DataDir, rescuing), ledger.Options{})
	if err != nil {
		return nil, err
	}
	err = l.Update(s.ctx, func(tx *ledger.Tx) error { _, err := tx.AgentID(e.agents[0]); return err })
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	if err := s.finish(); err != nil {
		return nil, err
	}
	s.tell(ledger.Finding{Path: ledgerName, Fact: "it is gone, and the folders of " + e.names() + " were worked with before", Repair: "a new one is made under the identity that their markers carry"})
	return s.take()
}
