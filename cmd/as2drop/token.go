package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
)

type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token for a program that uses the API or reads /metrics."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, their roles and when they expire."`
	Remove tokenRemoveCmd `cmd:"" help:"Remove a token; it is worth nothing from then on."`
}

type tokenAddCmd struct {
	accountFlags
	Name    string `arg:"" help:"What it is for; it is recorded with what is done with it."`
	Role    string `enum:"viewer,operator" default:"viewer" help:"viewer: reads (the default). operator: also retries, holds, releases and gives up."`
	Expires string `default:"365d" help:"After how many days it is worth nothing, such as 90d, or never (${default})."`
}

func (c *tokenAddCmd) Help() string {
	return `The token is printed once and kept nowhere: the file has only its digest. A program shows it in the header Authorization: Bearer TOKEN.

Examples:
  as2drop token add prometheus
  as2drop token add erp --role operator --expires 90d`
}

func (c *tokenAddCmd) Run(g *globals) error {
	_, file, err := c.files()
	if err != nil {
		return err
	}
	var expires time.Time
	if c.Expires != "never" {
		days, ok := daysIn(c.Expires)
		if !ok {
			return exit{exitUsage, fmt.Errorf("--expires %q: write for example 90d, or never", c.Expires)}
		}
		expires = g.now().UTC().AddDate(0, 0, days)
	}
	token, err := accounts.AddToken(file, c.Name, accounts.Role(c.Role), expires, g.now())
	if err != nil {
		return err
	}
	fmt.Fprintln(g.out, token)
	fmt.Fprintf(g.err, "this is the token %s (%s); it is shown only now, and good %s\n", c.Name, c.Role, goodUntil(expires))
	return nil
}

func goodUntil(t time.Time) string {
	if t.IsZero() {
		return "for ever"
	}
	return "until " + t.UTC().Format(time.DateOnly)
}

type tokenListCmd struct {
	accountFlags
	JSON bool `help:"As JSON."`
}

// tokenRow is a line of the list.
type tokenRow struct {
	Name    string        `json:"name"`
	Role    accounts.Role `json:"role"`
	Created time.Time     `json:"created"`
	Expires time.Time     `json:"expires,omitzero"`
	Expired bool          `json:"expired"`
}

func (c *tokenListCmd) Run(g *globals) error {
	_, file, err := c.files()
	if err != nil {
		return err
	}
	tokens, err := accounts.ReadTokens(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	rows := []tokenRow{}
	for _, t := range tokens {
		rows = append(rows, tokenRow{t.Name, t.Role, t.Created, t.Expires, t.Expired(g.now())})
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintln(g.out, "there are no tokens; as2drop token add NAME makes one")
		return nil
	}
	lines := [][]string{{"NAME", "ROLE", "MADE", "GOOD"}}
	for _, r := range rows {
		good := goodUntil(r.Expires)
		if r.Expired {
			good = "expired " + r.Expires.UTC().Format(time.DateOnly)
		}
		lines = append(lines, []string{r.Name, string(r.Role), r.Created.UTC().Format(time.DateOnly), good})
	}
	warnExposed(g, file)
	return table(g.out, lines)
}

type tokenRemoveCmd struct {
	accountFlags
	Name string `arg:"" help:"The token."`
}

func (c *tokenRemoveCmd) Run(g *globals) error {
	_, file, err := c.files()
	if err != nil {
		return err
	}
	if err := accounts.RemoveToken(file, c.Name); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "removed %s from %s\n", c.Name, file)
	return nil
}
