package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/card"
	"github.com/as2drop/as2drop/internal/keys"
)

type partnerImportCmd struct {
	configFlag
	File      string `arg:"" help:"The .json file of the card that the partner wrote."`
	Name      string `help:"What the partner is called here; default: made of his AS2 ID."`
	Use       string `enum:"production,test" default:"production" help:"Which of his identities: production or test (${default})."`
	Station   string `placeholder:"STATION" help:"Which of our stations talks to him; default: the only one."`
	AllowWeak bool   `help:"Take what leaves us less protected than our defaults: plain HTTP, old algorithms, messages or receipts without signature."`
	Yes       bool   `short:"y" help:"Ask nothing and write it: the fingerprints were compared."`
	DryRun    bool   `help:"Show what would be written, and write nothing."`
}

func (c *partnerImportCmd) Help() string {
	return `Reads the file for machines that as2drop partner card wrote on the other side (format as2drop-partner-card, version 1; CPP and CPA are not read), shows what it says and what would be written, and writes it like partner add.

Whoever could change the file on its way could put his own certificate and URL into it. Compare the fingerprints with the partner over another channel, such as the telephone, before you say yes.

Examples:
  as2drop partner import ACME.json
  as2drop partner import ACME.json --name acme --use test --dry-run`
}

func (c *partnerImportCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	read, err := card.Read(c.File)
	if err != nil {
		return exit{exitUsage, err}
	}
	id, err := c.identity(read)
	if err != nil {
		return exit{exitUsage, err}
	}
	p := &newPartner{name: c.Name, as2ID: id.AS2ID, url: id.URLs[0], station: c.Station}
	if p.name == "" {
		p.name = nameFor(id.AS2ID)
	}
	if p.station == "" {
		if len(cfg.Stations) > 1 {
			return exit{exitUsage, errors.New("name the station of ours that talks to him with --station")}
		}
		p.station = cfg.Stations[0].Name
	}
	agreed := read.Agree(id)
	if err := c.check(cfg, p, agreed); err != nil {
		return exit{exitUsage, err}
	}
	c.take(p, id, read, agreed)
	c.print(g, read, id, agreed)
	var ask *asker
	if !c.Yes {
		ask = terminal(g)
	}
	if err := p.write(g, cfg, ask, c.Yes, c.DryRun); err != nil {
		return err
	}
	for _, line := range agreed.ToDo {
		fmt.Fprintln(g.out, "To do: "+line)
	}
	return nil
}

// identity is the one that is wanted; the first of several.
func (c *partnerImportCmd) identity(read *card.Card) (card.Identity, error) {
	for _, i := range read.Identities {
		if i.Use == c.Use {
			return i, nil
		}
	}
	return card.Identity{}, fmt.Errorf("%s has no identity for %s, but one for %s: say --use %s", c.File, c.Use, read.Identities[0].Use, read.Identities[0].Use)
}

func (c *partnerImportCmd) check(cfg *config.Config, p *newPartner, agreed card.Agreement) error {
	if err := checkNewName(cfg, p.name); err != nil {
		return fmt.Errorf("%w; choose another one with --name", err)
	}
	if _, err := findStation(cfg, p.station); err != nil {
		return err
	}
	if err := checkNewID(cfg, p.station, p.as2ID); err != nil {
		return err
	}
	if len(agreed.Weak) > 0 && !c.AllowWeak {
		return fmt.Errorf("the card asks for less protection than our defaults give: %s; ask the partner for better, or take it with --allow-weak", strings.Join(agreed.Weak, "; "))
	}
	return nil
}

// take fills in the partner from a card.
func (c *partnerImportCmd) take(p *newPartner, id card.Identity, read *card.Card, agreed card.Agreement) {
	for _, cert := range id.Certificates {
		p.certificates = append(p.certificates, newCertificate{cert.Chain[:1], cert.From, !slices.Contains(cert.Use, "encrypt")})
	}
	for _, cert := range read.Pinned() {
		p.servers = append(p.servers, []*x509.Certificate{cert.Chain[0]})
	}
	for _, s := range agreed.Settings {
		if s.Key == "allow_http" {
			p.allowHTTP = true
			continue
		}
		p.settings = append(p.settings, s)
	}
}

func (c *partnerImportCmd) print(g *globals, read *card.Card, id card.Identity, agreed card.Agreement) {
	fmt.Fprintf(g.out, "The card in %s says:\n  AS2 ID   %s (%s)\n", c.File, id.AS2ID, id.Use)
	for _, u := range id.URLs {
		fmt.Fprintf(g.out, "  URL      %s%s\n", u, map[bool]string{true: "   (attention: letters of another alphabet hide behind xn--)"}[strings.Contains(strings.ToLower(u), "xn--")])
	}
	if len(id.URLs) > 1 {
		fmt.Fprintf(g.out, "  (the first one is taken)\n")
	}
	for _, cert := range id.Certificates {
		fmt.Fprintf(g.out, "certificate for %s%s:\n  %s\n", cert.Purpose(), map[bool]string{true: ", from " + cert.From}[cert.From != ""],
			strings.ReplaceAll(aboutCertificates(g, cert.Chain[:1]), "\n", "\n  "))
	}
	for _, cert := range read.Server.Certificates {
		about := ", an authority vouches for it"
		if keys.SelfSigned(cert.Chain[0]) {
			about = ", self-signed: this very one is trusted"
		}
		fmt.Fprintf(g.out, "of the web server%s:\n  %s\n", about, strings.ReplaceAll(aboutServer(g, cert.Chain[:1]), "\n", "\n  "))
	}
	if read.Contact != "" {
		fmt.Fprintf(g.out, "contact:\n  %s\n", strings.ReplaceAll(read.Contact, "\n", "\n  "))
	}
	for _, w := range agreed.Weak {
		fmt.Fprintln(g.out, "ATTENTION: "+w)
	}
	fmt.Fprintln(g.out, "Compare the fingerprints with the partner over another channel, such as the telephone: who could change this file could put his own into it.")
}

// nameFor makes a name of an AS2 ID.
func nameFor(id string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, id)
	return strings.Trim(name[:min(len(name), 64)], ".-_")
}
