package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/views"
)

type lsCmd struct {
	configFlag
	serverFlags
	Partner string `arg:"" optional:"" help:"Only this partner."`
	All     bool   `short:"a" help:"Also the last transfers that are done, and the last messages received."`
	JSON    bool   `help:"As JSON."`
}

func (c *lsCmd) Help() string {
	return `For every file in an outbox: what it waits for. For every transfer that is not done: where it stands and when it goes on. For what was received: messages that are still to be opened and receipts that we owe. Paused partners with the reason.

Examples:
  as2drop ls
  as2drop ls acme --all
  as2drop ls --json`
}

func (c *lsCmd) Run(g *globals) error {
	r, err := c.remote()
	if err != nil {
		return err
	}
	if r != nil {
		return c.elsewhere(g, r)
	}
	cfg, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // nothing was written
	if c.Partner != "" {
		if _, err := findPartner(cfg, c.Partner); err != nil {
			return err
		}
	}
	here := views.Reader{Ledger: i.Ledger(), Config: func() *config.Config { return cfg }, Look: i.Look}
	rows, notes, err := here.Waiting(context.Background(), c.Partner, c.All, g.now())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	if !agent.Running(cfg.DataDir) {
		notes = append(notes, "(no agent is running on this data folder)")
	}
	return c.print(g, rows, notes)
}

// elsewhere lists what an agent elsewhere sees.
func (c *lsCmd) elsewhere(g *globals, r *remote) error {
	var list struct {
		Rows  []views.Row `json:"rows"`
		Notes []string    `json:"notes"`
	}
	query := url.Values{"done": {strconv.FormatBool(c.All)}}
	if c.Partner != "" {
		query.Set("partner", c.Partner)
	}
	if err := r.get("/waiting", query, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, list.Rows)
	}
	return c.print(g, list.Rows, list.Notes)
}

func (c *lsCmd) print(g *globals, rows []views.Row, notes []string) error {
	if len(rows) == 0 {
		fmt.Fprintln(g.out, "nothing waits")
	} else {
		lines := [][]string{{"PARTNER", "NAME", "STATE", "NEXT", "ID", "WHY"}}
		for _, r := range rows {
			lines = append(lines, []string{r.Partner, r.Name, r.State, when(r.Next), r.ID, r.Text})
		}
		if err := table(g.out, lines); err != nil {
			return err
		}
	}
	for _, note := range notes {
		fmt.Fprintln(g.out, note)
	}
	return nil
}
