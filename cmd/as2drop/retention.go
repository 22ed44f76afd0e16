package main

import (
	"context"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

type retentionCmd struct {
	wishFlags
	Partner string `arg:"" optional:"" help:"Only this partner."`
	On      string `help:"What a run on that date would remove, such as 2027-12-31." placeholder:"DATE"`
	Now     bool   `help:"Have the agent remove what is old enough now, not only list it."`
	JSON    bool   `help:"As JSON."`
}

func (c *retentionCmd) Help() string {
	return `Lists what the next run of retention would remove, by which rule, and what it would leave alone although it is old enough. It removes nothing unless --now is given.

Examples:
  as2drop retention
  as2drop retention acme --on 2027-12-31
  as2drop retention acme --now`
}

func (c *retentionCmd) Run(g *globals) error {
	cfg, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // what is asked for is committed
	if c.Partner != "" {
		if _, err := findPartner(cfg, c.Partner); err != nil {
			return err
		}
	}
	if c.Now {
		return c.record(g, cfg, i, ledger.Wish{Kind: ledger.WishRetain, Partner: c.Partner})
	}
	ctx := context.Background()
	next, err := i.NextRetention(ctx)
	if err != nil {
		return err
	}
	at := next
	switch {
	case c.On != "":
		if at, err = time.ParseInLocation(time.DateOnly, c.On, cfg.Location); err != nil {
			return exit{exitUsage, fmt.Errorf("--on: %q is no date; write for example 2027-12-31", c.On)}
		}
		at = at.AddDate(0, 0, 1) // all of that day
	case next.IsZero():
		at = g.now()
	}
	list := []ledger.Candidate{}
	if err := i.Removable(ctx, c.Partner, at, func(x ledger.Candidate) error { list = append(list, x); return nil }); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, list)
	}
	return c.print(g, cfg, list, next)
}

// print lists the rules, then what they would remove.
func (c *retentionCmd) print(g *globals, cfg *config.Config, list []ledger.Candidate, next time.Time) error {
	for _, p := range cfg.Partners {
		if c.Partner == "" || c.Partner == p.Name {
			rules := p.Retention.String()
			if rules == "" {
				rules = "everything is kept for ever"
			}
			fmt.Fprintf(g.out, "%s: %s\n", p.Name, rules)
		}
	}
	switch {
	case c.On != "":
		fmt.Fprintf(g.out, "a run on %s would remove:\n\n", c.On)
	case next.IsZero():
		return nil
	default:
		fmt.Fprintf(g.out, "the next run, %s, removes:\n\n", next.In(cfg.Location).Format("2006-01-02 15:04 MST"))
	}
	if len(list) == 0 {
		fmt.Fprintln(g.out, "nothing")
		return nil
	}
	lines := [][]string{{"PARTNER", "RULE", "SINCE", "NAME", "BYTES", "WHAT"}}
	for _, x := range list {
		what := x.Path
		switch {
		case x.Left != "":
			what = "stays: " + x.Path + ": " + x.Left
		case x.What == ledger.ThingEvents:
			what = fmt.Sprintf("%d events", x.Count)
		case x.What == ledger.ThingHistory:
			what = "attempts and header"
		}
		lines = append(lines, []string{x.Partner, x.Rule, x.Since.UTC().Format(time.DateOnly), x.Name, fmt.Sprint(x.Bytes), what})
	}
	return table(g.out, lines)
}
