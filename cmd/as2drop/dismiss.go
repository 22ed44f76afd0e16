package main

import "github.com/as2drop/as2drop/ledger"

type dismissCmd struct {
	actFlags
	What   string `arg:"" help:"A transfer: identifier, key or Message-ID."`
	Reason string `help:"Why; it stands in WHY.txt."`
}

func (c *dismissCmd) Help() string {
	return `Gives a transfer up that is held, waits or is tried again: its files go to failed with a WHY.txt, nobody is alarmed, and nobody waits behind it. If it was posted before, a receipt that comes after all still counts.

Examples:
  as2drop dismiss INV-1001 --reason "dropped twice"`
}

func (c *dismissCmd) Run(g *globals) error {
	return c.ask(g, ledger.WishDismiss, c.What, c.Reason)
}
