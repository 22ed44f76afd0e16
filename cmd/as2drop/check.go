package main

import (
	"context"
	"fmt"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

type checkCmd struct {
	configFlag
	JSON   bool `help:"As JSON."`
	Repair bool `help:"Read back into the ledger what it lacks, and then check. Refuses while the agent runs."`
}

func (c *checkCmd) Help() string {
	return `Reads the config with everything it names, and compares the ledger with the folders. It changes nothing (but create_keys makes missing keys) and may be used while the agent runs; what is on its way just then can show as a finding that is gone the next time. Each finding says what --repair would do about it.

--repair is for a ledger that was lost, that is damaged, or that was put back from a backup: it saves what can be read, reads back from the partners' folders what is missing, and says what it did. Afterwards nothing is sent or delivered twice: a message that the partner may have goes out again under its own Message-ID only. It may be stopped and repeated.

Exit codes: 0 all is well; 2 the config is wrong; 3 there are findings.

Examples:
  as2drop check -c /etc/as2drop/config.yaml --json
  as2drop check --repair`
}

func (c *checkCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	ctx := context.Background()
	result := struct {
		Repaired []ledger.Finding `json:"repaired"`
		Findings []ledger.Finding `json:"findings"`
	}{[]ledger.Finding{}, []ledger.Finding{}}
	if c.Repair {
		err := agent.Repair(ctx, cfg, func(f ledger.Finding) {
			result.Repaired = append(result.Repaired, f)
			if !c.JSON {
				fmt.Fprintf(g.out, "repaired: %s: %s; %s\n", place(f), f.Fact, f.Repair)
			}
		})
		if err != nil {
			return err
		}
		if len(result.Repaired) == 0 && !c.JSON {
			fmt.Fprintln(g.out, "there was nothing to repair")
		}
	}
	findings, none, err := agent.Check(ctx, cfg)
	if err != nil {
		return err
	}
	result.Findings = append(result.Findings, findings...)
	switch {
	case c.JSON && c.Repair:
		err = printJSON(g.out, result)
	case c.JSON:
		err = printJSON(g.out, result.Findings)
	default:
		c.print(g, cfg, result.Findings, none)
	}
	if err == nil && len(findings) > 0 {
		err = exit{exitFindings, errSilent}
	}
	return err
}

// place is where a finding is.
func place(f ledger.Finding) string {
	switch {
	case f.Partner == "":
		return f.Path
	case f.Path == "":
		return f.Partner
	}
	return f.Partner + "/" + f.Path
}

func (c *checkCmd) print(g *globals, cfg *config.Config, findings []ledger.Finding, none bool) {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(g.out, "warning: %v\n", w)
	}
	for _, p := range cfg.Partners {
		fmt.Fprintf(g.out, "partner %s: %s\n", p.Name, p.Summary())
		if rules := p.Retention.String(); rules != "" {
			fmt.Fprintf(g.out, "partner %s: retention: %s\n", p.Name, rules)
		}
	}
	fmt.Fprintf(g.out, "config: %d stations, %d partners: in order\n", len(cfg.Stations), len(cfg.Partners))
	for _, f := range findings {
		fmt.Fprintf(g.out, "finding: %s %s: %s\n", f.Partner, f.Path, f.Fact)
		if f.Hint != "" {
			fmt.Fprintf(g.out, "         %s\n", f.Hint)
		}
		if f.Repair != "" {
			fmt.Fprintf(g.out, "         check --repair can mend it: %s\n", f.Repair)
		} else {
			fmt.Fprintln(g.out, "         check --repair does nothing about it")
		}
	}
	switch {
	case none:
		fmt.Fprintln(g.out, "there is no ledger yet; as2drop run makes it")
	case len(findings) == 0:
		fmt.Fprintln(g.out, "the ledger and the folders agree")
	}
}
