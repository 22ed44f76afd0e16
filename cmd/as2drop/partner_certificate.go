package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
)

type partnerCertificateCmd struct {
	configFlag
	Name   string `arg:"" name:"partner" help:"The partner."`
	File   string `arg:"" help:"His new certificate: PEM, DER or .p7b."`
	From   string `placeholder:"MOMENT" help:"From when on messages are encrypted to it, such as 2027-01-31, \"2027-01-31 06:00\" or 60d; default: now."`
	Yes    bool   `short:"y" help:"Ask nothing and write it: the fingerprint was compared."`
	DryRun bool   `help:"Show what would be written, and write nothing."`
}

func (c *partnerCertificateCmd) Help() string {
	return `Adds a certificate to a partner, with encrypt_from. Signatures by it count from now on, and those by the present ones as before; messages are encrypted to it when its moment has come. The change comes by itself.

Compare the fingerprint with the partner over another channel: whoever can send you a certificate in his name can read what is encrypted to it.

Examples:
  as2drop partner certificate acme acme-2027.pem --from 2027-01-31
  as2drop partner certificate acme acme-2027.cer --from "2027-01-31 06:00" --yes`
}

func (c *partnerCertificateCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	p, err := findPartner(cfg, c.Name)
	if err != nil {
		return exit{exitUsage, err}
	}
	from := g.now()
	if c.From == "" {
		c.From = from.UTC().Format(time.RFC3339)
	} else if from, err = momentOf(&c.From, p.Location, g.now()); err != nil {
		return exit{exitUsage, fmt.Errorf("--from: %w", err)}
	}
	if from.Before(g.now()) {
		from = g.now() // that is when it begins to be used
	}
	certs, err := readShown(g, c.File, aboutCertificates)
	if err != nil {
		return exit{exitUsage, err}
	}
	if slices.ContainsFunc(p.AllCertificates(), certs[0].Equal) {
		return exit{exitUsage, fmt.Errorf("partners.%s has this certificate already", p.Name)}
	}
	if err := validOn(certs[0], from); err != nil {
		return exit{exitUsage, err}
	}
	var ask *asker
	if !c.Yes {
		ask = terminal(g)
	}
	files := &certificateFiles{cfg: cfg}
	err = c.write(g, cfg, p, certs, ask, files)
	return errors.Join(err, files.forget())
}

func (c *partnerCertificateCmd) write(g *globals, cfg *config.Config, p *config.Partner, certs []*x509.Certificate, ask *asker, files *certificateFiles) error {
	file, err := files.copy(p.Name+"-"+certs[0].NotAfter.Format("2006"), certs)
	if err != nil {
		return err
	}
	signOnly := certs[0].PublicKeyAlgorithm != x509.RSA
	from := c.From
	if signOnly {
		from = ""
	}
	text, err := config.AddItem([]byte(cfg.Text), []string{"partners", p.Name, "certificates"}, certificateValue(file, from, signOnly))
	if err != nil {
		return editError(cfg, err)
	}
	done, err := files.apply(g, text, "partners."+p.Name, ask, c.Yes, c.DryRun)
	if err == nil && done {
		fmt.Fprintf(g.out, "\nSignatures by both count. When what comes next: as2drop schedule %s%s\n", p.Name, configArg(cfg))
	}
	return err
}
