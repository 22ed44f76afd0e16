package main

import (
	"context"
	"fmt"

	"github.com/as2drop/as2drop/agent"
)

type backupCmd struct {
	configFlag
	Target string `arg:"" help:"The folder in which a new one is made for this backup, best on another disk." placeholder:"FOLDER"`
}

func (c *backupCmd) Help() string {
	return `Makes a copy of the ledger as it is at one moment, in a new folder as2drop-DATE-TIMEZ, also while the agent runs. It is said to be done only when the copy was checked and is on disk; nothing is overwritten or removed.

With it go the text of the config and manifest.json. Not with it go keys, secrets and the partners' folders, which the manifest names: save those with your own means, the partners' folders after this. docs/backup.md says what to do in which order, and how to restore.

Examples:
  as2drop backup /mnt/backup/as2drop
  as2drop backup -c C:\ProgramData\as2drop\config.yaml \\nas\backup\as2drop`
}

func (c *backupCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	path, m, err := agent.Backup(context.Background(), cfg, c.Target, version, g.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "saved and checked: %s\n", path)
	fmt.Fprintf(g.out, "  %d transfers (%d under way), %d received messages, %d bytes\n", m.Ledger.Transfers, m.Ledger.Open, m.Ledger.Received, m.Files[0].Size)
	fmt.Fprintf(g.out, "  not in it: %d files that the config names (keys, secrets), %d partner folders; %s lists them\n", len(m.Named), len(m.Folders), "manifest.json")
	return nil
}
