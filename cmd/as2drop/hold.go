package main

import "github.com/as2drop/as2drop/ledger"

type holdCmd struct {
	actFlags
	What   string `arg:"" help:"A transfer (identifier, key, Message-ID) or the name of a partner."`
	Reason string `help:"Why; others will see it."`
}

func (c *holdCmd) Help() string {
	return `Examples:
  as2drop hold INV-1001 --reason "wrong amount"
  as2drop hold acme --reason "their maintenance"      nothing is sent to acme`
}

func (c *holdCmd) Run(g *globals) error {
	return c.ask(g, ledger.WishHold, c.What, c.Reason)
}
