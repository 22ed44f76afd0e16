package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/card"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/naming"
)

type partnerCardCmd struct {
	configFlag
	What    string   `arg:"" help:"A station of ours, or a partner: then with what was agreed with him."`
	Test    string   `placeholder:"STATION" help:"Another station of ours, which is for tests."`
	IsTest  bool     `help:"The station itself is for tests."`
	URL     []string `name:"url" placeholder:"URL" help:"The URL by which partners reach us, if the config does not say. May be repeated."`
	IP      []string `name:"ip" placeholder:"ADDRESS" help:"An address that our messages come from. May be repeated."`
	Contact string   `placeholder:"TEXT" help:"Whom to ask."`
	Out     string   `default:"card" placeholder:"DIR" help:"The folder to write to (${default})."`
	Force   bool     `help:"Replace an earlier card that says something else."`
}

func (c *partnerCardCmd) Help() string {
	return `Writes what the other side needs: AS2 ID, URLs, certificates with fingerprints, what we send and accept, receipts, TLS. ID.html is for people and prints well, ID.txt is the same as text, ID.json is for machines (as2drop partner import reads it), ID.pem and ID.p7b are the certificates, ID-tls.pem is that of the web server. There is nothing secret in it, and the same config gives the same bytes.

Examples:
  as2drop partner card main --contact "EDI desk, edi@mycompany.example, +43 1 234"
  as2drop partner card main --test testing --ip 203.0.113.7 --out /tmp/card
  as2drop partner card acme`
}

func (c *partnerCardCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	r := card.Request{Config: cfg, URLs: c.URL, IPs: c.IP, Contact: c.Contact, IsTest: c.IsTest}
	if r.Station, r.Partner, err = stationOrPartner(cfg, c.What); err != nil {
		return exit{exitUsage, err}
	}
	if c.Test != "" {
		if r.Test, err = findStation(cfg, c.Test); err != nil {
			return exit{exitUsage, err}
		}
	}
	made, err := card.Of(r)
	if err != nil {
		return exit{exitUsage, err}
	}
	files, err := writeCard(made, c.Out, c.Force)
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintln(g.out, f)
	}
	fmt.Fprintf(g.out, "\n%s", made.Text())
	fmt.Fprintln(g.out, "\nSend the folder to the partner: the .html is for people, the .json for machines.")
	return nil
}

// stationOrPartner finds what is meant by a name.
func stationOrPartner(cfg *config.Config, name string) (*config.Station, *config.Partner, error) {
	if p := cfg.Partner(name); p != nil {
		return p.Station, p, nil
	}
	s, err := findStation(cfg, name)
	if err != nil {
		err = fmt.Errorf("%w; and no partner has that name", err)
	}
	return s, nil, err
}

// writeCard writes all files of a card. What is there already and says the same stays.
func writeCard(c *card.Card, dir string, force bool) (written []string, err error) {
	page, err := c.HTML()
	if err != nil {
		return nil, err
	}
	machine, err := c.JSON()
	if err != nil {
		return nil, err
	}
	base := filepath.Join(dir, naming.Safe(c.Identities[0].AS2ID))
	var pems strings.Builder
	var all []*x509.Certificate
	for _, i := range c.Identities {
		for _, cert := range i.Certificates {
			pems.WriteString(cert.PEM)
			all = append(all, cert.Chain...)
		}
	}
	bundle, err := keys.EncodeBundle(all)
	if err != nil {
		return nil, err
	}
	files := []struct {
		name    string
		content []byte
	}{{base + ".html", page}, {base + ".txt", c.Text()}, {base + ".json", machine}, {base + ".pem", []byte(pems.String())}, {base + ".p7b", bundle}}
	var tls strings.Builder
	for _, cert := range c.Server.Certificates {
		tls.WriteString(cert.PEM)
	}
	if tls.Len() > 0 {
		files = append(files, struct {
			name    string
			content []byte
		}{base + "-tls.pem", []byte(tls.String())})
	}
	for _, f := range files {
		same, there, err := sameBytes(f.name, f.content)
		switch {
		case err != nil:
			return nil, err
		case there && !same && !force:
			return nil, fmt.Errorf("%s exists and says something else: name another folder with --out, or replace it with --force", f.name)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := fsx.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range files {
		if err := fsx.Rewrite(root, filepath.Base(f.name), 0o644, f.content); err != nil {
			return nil, err
		}
		written = append(written, f.name)
	}
	return written, nil
}
