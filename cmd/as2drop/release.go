package main

import "github.com/as2drop/as2drop/ledger"

type releaseCmd struct {
	actFlags
	What string `arg:"" help:"A transfer (identifier, key, Message-ID), a received message that is held, or the name of a partner."`
}

func (c *releaseCmd) Help() string {
	return `Examples:
  as2drop release INV-1001  lets it go on, or those behind it if it failed (order: strict)
  as2drop release acme      ends a pause, also one that the agent began
  as2drop release 01m844dzg0dbk7gftf    has a received message opened again that is held`
}

func (c *releaseCmd) Run(g *globals) error {
	return c.ask(g, ledger.WishRelease, c.What, "")
}
