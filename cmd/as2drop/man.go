package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/manual"
)

type manCmd struct {
	Command []string `arg:"" optional:"" help:"The command, or config for as2drop-config(5); without it as2drop(1)."`
	Dir     string   `help:"Write all pages into this folder." placeholder:"DIR"`
}

func (c *manCmd) Help() string {
	return `The packages install the pages: man as2drop-status. Without them:
  as2drop man status | man -l -
  as2drop man config | man -l -
  as2drop man --dir ~/.local/share/man`
}

func (c *manCmd) Run(g *globals, app *kong.Kong) error {
	pages := manPages(app.Model, edition())
	if c.Dir == "" {
		name := "as2drop.1"
		if words := strings.Join(c.Command, "-"); words == "config" {
			name = "as2drop-config.5"
		} else if words != "" {
			name = "as2drop-" + words + ".1"
		}
		text, ok := pages[name]
		if !ok {
			return exit{exitUsage, fmt.Errorf("%q: no such command; as2drop --help shows them", strings.Join(c.Command, " "))}
		}
		_, err := fmt.Fprint(g.out, text)
		return err
	}
	for name, text := range pages {
		dir := filepath.Join(c.Dir, "man"+name[len(name)-1:])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// edition is that of this program.
func edition() manual.Edition {
	_, day := build()
	return manual.Edition{Date: day, Version: version}
}

// manPages are all manual pages by their file name.
func manPages(app *kong.Application, e manual.Edition) map[string]string {
	pages := map[string]string{
		"as2drop.1":        manual.Overview(app, e),
		"as2drop-config.5": config.ManPage(e.Date, strings.TrimSpace("as2drop "+e.Version)),
	}
	for _, n := range manual.Commands(app) {
		pages[manual.PageName(n)+".1"] = manual.Page(n, e)
	}
	return pages
}
