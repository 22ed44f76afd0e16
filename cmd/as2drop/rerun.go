package main

import "github.com/as2drop/as2drop/ledger"

type rerunCmd struct {
	actFlags
	What string `arg:"" help:"A transfer or received message: identifier, key or Message-ID."`
}

func (c *rerunCmd) Help() string {
	return `Runs those hooks again that failed until they were given up: after_sent, after_failed and after_received. What became of each as2drop show tells. Nothing is sent again.

Examples:
  as2drop rerun INV-1001`
}

func (c *rerunCmd) Run(g *globals) error { return c.ask(g, ledger.WishRerun, c.What, "") }
