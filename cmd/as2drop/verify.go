package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/evidence"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

type verifyCmd struct {
	configFlag
	keyFlags
	What string `arg:"" help:"A transfer or received message: its identifier or the beginning of one, a key such as INV-1001, a Message-ID, or the path of an evidence folder."`
	JSON bool   `help:"As JSON."`
}

func (c *verifyCmd) Help() string {
	return `Proves from the evidence alone who signed what: opens the kept message again, computes its MIC, verifies the signatures, and holds the receipts against it. What the ledger says does not count; it is used to find the folder only. The digest of every file is shown, to be compared with a file at hand.

Exit codes: 0 proven; 1 it could not be read; 2 the command line or the config is wrong; 3 not proven.

Examples:
  as2drop verify INV-1001
  as2drop verify /backup/2026/.evidence/06fn2z --key old.key --certificate old.pem --json`
}

func (c *verifyCmd) Run(g *globals) error {
	k, folder, err := c.find(g)
	if err != nil {
		return err
	}
	temp, remove, err := temporary()
	if err != nil {
		return err
	}
	defer remove()
	k.At, k.Spool = g.now(), func() (cms.Spool, error) { return temp.next() }
	dir, err := fsx.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer dir.Close() // nothing was written
	proof, err := evidence.Prove(dir, ".", k, func() (evidence.TempFile, error) { return temp.next() })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, evidence.ErrNone) {
		return fmt.Errorf("%s: %w; evidence is complete once a transfer is filed or a message published", folder, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	if c.JSON {
		err = printJSON(g.out, proof)
	} else {
		printProof(g, folder, proof)
	}
	if err == nil && !proof.Proven {
		return exit{exitFindings, errSilent}
	}
	return err
}

// find says where the evidence is and what opens it.
func (c *verifyCmd) find(g *globals) (k inspection.Keys, folder string, err error) {
	if k.Identities, err = c.identities(g); err != nil {
		return k, "", exit{exitUsage, err}
	}
	isFolder := strings.ContainsRune(c.What, filepath.Separator)
	if isFolder && len(c.Key) > 0 {
		return k, c.What, nil // for evidence that outlived its config
	}
	cfg, err := c.load(g)
	if err != nil {
		return k, "", err
	}
	k.Identities = append(k.Identities, configKeys(cfg).Identities...)
	if isFolder {
		return k, c.What, nil
	}
	folder, err = evidenceFolder(cfg, c.What)
	return k, folder, err
}

// evidenceFolder finds the folder of a transfer or message: by what the ledger knows, or
// by the folders' own names where there is no ledger any more.
func evidenceFolder(cfg *config.Config, what string) (string, error) {
	ids, err := ledgerIDs(cfg, what)
	if err != nil {
		return "", err
	}
	var found []string
	for _, p := range cfg.Partners {
		dir := filepath.Join(p.Folder, ".evidence")
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, e := range entries {
			_, known := ids[e.Name()]
			if known || len(ids) == 0 && strings.HasPrefix(e.Name(), what) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, removed := range ids {
		if r := ledger.Gone(removed, ledger.ThingEvidence); r != nil && len(found) == 0 {
			return "", fmt.Errorf("the evidence of %q was %s; Message-ID, MICs and receipt are still in the ledger: as2drop show %s --json", what, views.Removal(*r), what)
		}
	}
	switch {
	case len(found) == 0:
		return "", fmt.Errorf("there is no evidence of %q; as2drop ls --all shows what there is", what)
	case len(found) > 1:
		return "", fmt.Errorf("%q names several transfers or messages, name one of their folders:\n  %s", what, strings.Join(found, "\n  "))
	}
	return found[0], nil
}

// ledgerIDs are the identifiers that the ledger knows for a name, each with what retention
// removed of it.
func ledgerIDs(cfg *config.Config, what string) (map[string][]ledger.Removal, error) {
	ids := map[string][]ledger.Removal{}
	path := agent.LedgerPath(cfg.DataDir)
	if _, err := os.Stat(path); err != nil {
		return ids, nil // the folders' names must do
	}
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	defer l.Close() // nothing was written
	err = l.View(context.Background(), func(tx *ledger.Tx) error {
		stories, err := views.Find(tx, what)
		for _, s := range stories {
			switch {
			case s.Transfer != nil:
				ids[s.Transfer.ID] = s.Transfer.Removed
			case s.Received != nil:
				ids[s.Received.ID] = s.Received.Removed
			case s.Refusal != nil:
				ids[s.Refusal.ID] = s.Refusal.Removed
			}
		}
		return err
	})
	return ids, err
}

func printProof(g *globals, folder string, p *evidence.Proof) {
	fmt.Fprintf(g.out, "Evidence of message %s, %s\n  %s\n\n", p.MessageID, p.Direction, folder)
	for _, s := range p.Steps {
		fmt.Fprintf(g.out, "  %-8s %s: %s\n", s.Outcome, s.What, s.Text)
	}
	if len(p.Files) > 0 {
		fmt.Fprintln(g.out, "\nFiles")
	}
	for _, f := range p.Files {
		fmt.Fprintf(g.out, "  %q, %d bytes\n    sha-256 %s\n", f.Name, f.Size, f.SHA256)
	}
	fmt.Fprintf(g.out, "\n%s\n", p.Conclusion)
}
