package main

import "github.com/as2drop/as2drop/ledger"

type retryCmd struct {
	actFlags
	Transfer string `arg:"" help:"Identifier, key or Message-ID of the transfer."`
}

func (c *retryCmd) Help() string {
	return `A transfer that was given up is posted again under the same Message-ID, so that a partner who has it already can recognise it. One that the partner rejected is sent as a new transfer. One that waits for its next attempt is posted now.

Example:
  as2drop retry INV-1001`
}

func (c *retryCmd) Run(g *globals) error {
	return c.ask(g, ledger.WishRetry, c.Transfer, "")
}
