package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/accounts"
)

type userCmd struct {
	Add      userAddCmd      `cmd:"" help:"Add a user of the console."`
	List     userListCmd     `cmd:"" help:"List the users and their roles."`
	Remove   userRemoveCmd   `cmd:"" help:"Remove a user, and end that user's sessions."`
	Password userPasswordCmd `cmd:"" help:"Give a user another password, and end that user's sessions."`
}

// accountFlags are shared by the commands about users and tokens. They work while the
// config has other mistakes: a console that others reach is one as long as it has no users.
type accountFlags struct{ configFlag }

func (f accountFlags) files() (users, tokens string, err error) {
	users, tokens, err = config.AccountFiles(f.Config)
	if err != nil {
		err = exit{exitUsage, err}
	}
	return users, tokens, err
}

type userAddCmd struct {
	accountFlags
	newPasswordFlag
	Name string `arg:"" help:"The name to sign in with."`
	Role string `enum:"viewer,operator" default:"viewer" help:"viewer: reads (the default). operator: also retries, holds, releases and gives up."`
}

func (c *userAddCmd) Help() string {
	return `The user can sign in at once; the agent need not be started again. The password is asked for twice, or is the first line of what stands on standard input. With the first user the console asks everybody to sign in.

Examples:
  as2drop user add anna --role operator
  pass show as2drop/anna | as2drop user add anna --role operator --password-stdin`
}

func (c *userAddCmd) Run(g *globals) error {
	users, _, err := c.files()
	if err != nil {
		return err
	}
	if err := accounts.CheckName(c.Name); err != nil {
		return exit{exitUsage, err}
	}
	password, err := c.read(g, c.Name)
	if err != nil {
		return err
	}
	if err := accounts.AddUser(users, c.Name, accounts.Role(c.Role), password); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "added %s as %s to %s\n", c.Name, c.Role, users)
	return nil
}

type userListCmd struct {
	accountFlags
	JSON bool `help:"As JSON."`
}

// userRow is a line of the list.
type userRow struct {
	Name string        `json:"name"`
	Role accounts.Role `json:"role"`
}

func (c *userListCmd) Run(g *globals) error {
	file, _, err := c.files()
	if err != nil {
		return err
	}
	users, err := accounts.ReadUsers(file)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return err
	}
	rows := []userRow{}
	for _, u := range users {
		rows = append(rows, userRow{u.Name, u.Role})
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	if none {
		fmt.Fprintf(g.out, "there are no users: the console can be read by every user of this machine, and nobody can act in it (%s does not exist)\n", file)
		return nil
	}
	lines := [][]string{{"NAME", "ROLE"}}
	for _, r := range rows {
		lines = append(lines, []string{r.Name, string(r.Role)})
	}
	warnExposed(g, file)
	return table(g.out, lines)
}

// warnExposed warns of a file of accounts that others can read.
func warnExposed(g *globals, file string) {
	if _, err := os.Stat(file); err == nil && access.Exposed(file) {
		fmt.Fprintf(g.err, "warning: %s can be read by every user of this machine (%s)\n", file, access.Remedy)
	}
}

type userRemoveCmd struct {
	accountFlags
	Name string `arg:"" help:"The user."`
}

func (c *userRemoveCmd) Run(g *globals) error {
	users, _, err := c.files()
	if err != nil {
		return err
	}
	if err := accounts.RemoveUser(users, c.Name); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "removed %s from %s\n", c.Name, users)
	return nil
}

type userPasswordCmd struct {
	accountFlags
	newPasswordFlag
	Name string `arg:"" help:"The user."`
}

func (c *userPasswordCmd) Run(g *globals) error {
	users, _, err := c.files()
	if err != nil {
		return err
	}
	password, err := c.read(g, c.Name)
	if err != nil {
		return err
	}
	if err := accounts.SetPassword(users, c.Name, password); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "%s has another password\n", c.Name)
	return nil
}
