package main

import (
	"context"
	"fmt"
	"os"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/ledger"
)

type checkCmd struct {
	configFlag
	JSON bool `help:"As JSON."`
}

func (c *checkCmd) Help() string {
	return `Reads the config with everything it names, and compares the ledger with the folders. It changes nothing (but create_keys makes missing keys) and may be used while the agent runs; what is on its way just then can show as a finding that is gone the next time.

Exit codes: 0 all is well; 2 the config is wrong; 3 there are findings.

Example:
  as2drop check -c /etc/as2drop/config.yaml --json`
}

func (c *checkCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	findings := []ledger.Finding{}
	state := "the ledger and the folders agree"
	if _, err := os.Stat(agent.LedgerPath(cfg.DataDir)); err != nil {
		state = "there is no ledger yet; as2drop run makes it"
	} else {
		i, err := agent.Inspect(context.Background(), cfg)
		if err != nil {
			return err
		}
		defer i.Close() // nothing was written
		found, err := i.Check(context.Background())
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	if c.JSON {
		if err := printJSON(g.out, findings); err != nil {
			return err
		}
	} else {
		for _, w := range cfg.Warnings {
			fmt.Fprintf(g.out, "warning: %v\n", w)
		}
		for _, p := range cfg.Partners {
			fmt.Fprintf(g.out, "partner %s: %s\n", p.Name, p.Summary())
		}
		fmt.Fprintf(g.out, "config: %d stations, %d partners: in order\n", len(cfg.Stations), len(cfg.Partners))
		for _, f := range findings {
			fmt.Fprintf(g.out, "finding: %s %s: %s\n", f.Partner, f.Path, f.Fact)
			if f.Hint != "" {
				fmt.Fprintf(g.out, "         %s\n", f.Hint)
			}
		}
		if len(findings) == 0 {
			fmt.Fprintln(g.out, state)
		}
	}
	if len(findings) > 0 {
		return exit{exitFindings, errSilent}
	}
	return nil
}
