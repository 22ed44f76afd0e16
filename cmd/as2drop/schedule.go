package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/agenda"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

type scheduleCmd struct {
	configFlag
	serverFlags
	Partner string `arg:"" optional:"" help:"Only this partner."`
	From    string `help:"From this moment on, such as 2027-03-28 or 2027-03-28 01:30; default: now." placeholder:"MOMENT"`
	Count   int    `short:"n" default:"3" help:"How many of what repeats, and of the transfers and receipts of a partner (${default})."`
	JSON    bool   `help:"As JSON."`
}

func (c *scheduleCmd) Help() string {
	return `In the order of time: send windows and pick-ups, rescans, the attempts for transfers that are open, waits for receipts, receipts that we owe, probes of paused partners, runs of retention, and certificates that begin and end. Times are those of the partner's time zone, with its offset from UTC.

Held transfers and what waits for its turn have no moment: as2drop ls shows them. Without a ledger it tells what follows from the config alone. It changes nothing and may be used while the agent runs.

Examples:
  as2drop schedule
  as2drop schedule acme --count 10
  as2drop schedule --from "2027-03-28 01:30" --json`
}

func (c *scheduleCmd) Run(g *globals) error {
	if c.Count < 1 || c.Count > 10_000 {
		return exit{exitUsage, fmt.Errorf("--count must be from 1 to 10000, is %d", c.Count)}
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	if r != nil {
		return c.elsewhere(g, r)
	}
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	q := agenda.Question{Config: cfg, Partner: c.Partner, From: g.now(), Count: c.Count}
	if c.From != "" {
		if q.From, err = config.ParseMoment(c.From, cfg.Location); err != nil {
			return exit{exitUsage, fmt.Errorf("--from: %w; write for example 2027-03-28 or \"2027-03-28 01:30\"", err)}
		}
	}
	names := c.partners(cfg)
	if c.Partner != "" && len(names) == 0 {
		return noPartner(cfg, c.Partner)
	}
	if q.Facts, err = facts(cfg, names, c.Count); err != nil {
		return err
	}
	if c.Partner == "" {
		if q.Told, _, err = rollovers(cfg, g.now()); err != nil {
			return err
		}
	}
	plan := views.Plan(agenda.Of(q))
	if c.JSON {
		return printJSON(g.out, plan.Items)
	}
	note := ""
	switch {
	case q.Facts == nil:
		note = "(there is no ledger yet: this follows from the config alone)"
	case !agent.Running(cfg.DataDir):
		note = "(no agent is running on this data folder: nothing of it happens)"
	}
	return c.print(g, plan, note)
}

// elsewhere tells what an agent elsewhere has planned.
func (c *scheduleCmd) elsewhere(g *globals, r *remote) error {
	query := url.Values{"count": {strconv.Itoa(c.Count)}}
	for name, value := range map[string]string{"partner": c.Partner, "from": c.From} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var plan views.Schedule
	if err := r.get("/schedule", query, &plan); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, plan.Items)
	}
	return c.print(g, plan, "")
}

// partners are the names of those that are asked for.
func (c *scheduleCmd) partners(cfg *config.Config) (names []string) {
	for _, p := range cfg.Partners {
		if c.Partner == "" || c.Partner == p.Name {
			names = append(names, p.Name)
		}
	}
	return names
}

// facts reads what the ledger says of partners; nil without a ledger.
func facts(cfg *config.Config, partners []string, count int) (map[string]agenda.Facts, error) {
	if _, err := os.Stat(agent.LedgerPath(cfg.DataDir)); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	i, err := agent.Inspect(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	defer i.Close() // nothing was written
	found := map[string]agenda.Facts{}
	err = i.Ledger().View(context.Background(), func(tx *ledger.Tx) error {
		for _, name := range partners {
			f, err := agenda.Read(tx, name, count)
			if err != nil {
				return err
			}
			found[name] = f
		}
		return nil
	})
	return found, err
}

func (c *scheduleCmd) print(g *globals, plan views.Schedule, note string) error {
	if len(plan.Items) == 0 {
		fmt.Fprintln(g.out, "nothing is planned")
	} else {
		lines := [][]string{{"WHEN", "PARTNER", "WHAT", "ID", "DETAIL"}}
		for _, r := range plan.Items {
			lines = append(lines, []string{r.Local, r.Partner, r.What, r.ID, r.Text})
		}
		if err := table(g.out, lines); err != nil {
			return err
		}
	}
	for _, name := range plan.LeftOut {
		fmt.Fprintf(g.out, "(more transfers or receipts of %s are open: as2drop schedule %s --count %d)\n", name, name, 10*c.Count)
	}
	if note != "" {
		fmt.Fprintln(g.out, note)
	}
	return nil
}
