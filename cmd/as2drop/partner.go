package main

// partnerCmd are the commands for setting a partner up; each has a file of its own.
type partnerCmd struct {
	Add         partnerAddCmd         `cmd:"" help:"Add a partner to the config: asks, or takes flags."`
	Card        partnerCardCmd        `cmd:"" help:"Write what the other side needs to know of us."`
	Import      partnerImportCmd      `cmd:"" help:"Add a partner from the card that it wrote."`
	Test        partnerTestCmd        `cmd:"" help:"Go the way of a message to a partner, step by step."`
	Certificate partnerCertificateCmd `cmd:"" help:"Add a partner's new certificate, with the day from which it is used."`
	Told        partnerToldCmd        `cmd:"" help:"Note that a partner was told of our new certificate."`
}

func (c *partnerCmd) Help() string {
	return `How two sides come together: each writes a card and sends it to the other, imports the other's, compares fingerprints over the telephone, and tests. See docs/onboarding.md.

Examples:
  as2drop partner card main --contact "EDI desk, +43 1 234" --out card
  as2drop partner import acme.json --name acme
  as2drop partner test acme`
}
