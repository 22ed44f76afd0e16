package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/card"
	"github.com/as2drop/as2drop/internal/keys"
)

type partnerAddCmd struct {
	configFlag
	Name        string   `arg:"" help:"What the partner is called here: letters, digits, dots, hyphens and underscores."`
	AS2ID       string   `name:"as2-id" placeholder:"ID" help:"The partner's AS2 identifier, exactly as he writes it."`
	URL         string   `name:"url" placeholder:"URL" help:"Where he receives. Without it nothing is sent to him."`
	ReceiveOnly bool     `help:"Nothing is sent to him: no --url."`
	Certificate []string `placeholder:"FILE" help:"A certificate that he signs and decrypts with: PEM, DER or .p7b. May be repeated."`
	Server      []string `name:"server-certificate" placeholder:"FILE" help:"The certificate of his web server, if it is self-signed. May be repeated."`
	Station     string   `placeholder:"STATION" help:"Which of our stations talks to him; default: the only one."`
	Preset      string   `placeholder:"PRESET" help:"Defaults for his product: as2drop presets lists them."`
	AllowHTTP   bool     `name:"allow-http" help:"Take a URL of plain HTTP."`
	Async       bool     `help:"His receipts come later, on a connection of their own."`
	Yes         bool     `short:"y" help:"Ask nothing and write it."`
	DryRun      bool     `help:"Show what would be written, and write nothing."`
}

func (c *partnerAddCmd) Help() string {
	return `Asks at a terminal for what the flags do not say; each answer is checked at once. Without a terminal, or with --yes, it asks nothing and names what is missing.

The partner is put at the end of partners in the config; not a byte of what people wrote there changes. His certificates are copied into the folder partners beside it. What changes is shown first, a copy of the config is kept, and if the result would not load nothing is written. A running agent takes it by itself.

Examples:
  as2drop partner add acme
  as2drop partner add acme --as2-id ACME --url https://as2.acme.example/as2 --certificate acme.cer --yes
  as2drop partner add acme --as2-id ACME --url https://as2.acme.example/as2 --certificate acme.cer --server-certificate acme-tls.pem --preset openas2 --yes`
}

func (c *partnerAddCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	if err := checkNewName(cfg, c.Name); err != nil {
		return exit{exitUsage, err}
	}
	var ask *asker
	if !c.Yes {
		ask = terminal(g)
	}
	p := &newPartner{name: c.Name, allowHTTP: c.AllowHTTP}
	if ask != nil {
		if err := c.interview(g, cfg, ask, p); err != nil {
			return err
		}
	} else if err := c.missing(cfg); err != nil {
		return exit{exitUsage, err}
	}
	if err := c.take(g, cfg, p); err != nil {
		return exit{exitUsage, err}
	}
	return p.write(g, cfg, ask, c.Yes, c.DryRun)
}

// missing names what has to be said where nobody can be asked.
func (c *partnerAddCmd) missing(cfg *config.Config) error {
	var flags []string
	if c.AS2ID == "" {
		flags = append(flags, "--as2-id")
	}
	if c.URL == "" && !c.ReceiveOnly {
		flags = append(flags, "--url (or --receive-only)")
	}
	if len(c.Certificate) == 0 {
		flags = append(flags, "--certificate")
	}
	if c.Station == "" && len(cfg.Stations) > 1 {
		flags = append(flags, "--station")
	}
	if len(flags) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was changed: without a terminal to ask at it needs %s", strings.Join(flags, ", "))
}

// take checks all that was said, and reads the certificates.
func (c *partnerAddCmd) take(g *globals, cfg *config.Config, p *newPartner) error {
	if c.Station == "" {
		c.Station = cfg.Stations[0].Name
	}
	if _, err := findStation(cfg, c.Station); err != nil {
		return err
	}
	if err := checkNewID(cfg, c.Station, c.AS2ID); err != nil {
		return err
	}
	if c.URL != "" && c.ReceiveOnly {
		return errors.New("--url and --receive-only contradict each other")
	}
	if err := checkURL(c.URL, c.AllowHTTP); err != nil {
		return err
	}
	if c.Preset != "" {
		if _, err := config.FindPreset(c.Preset); err != nil {
			return err
		}
	}
	p.as2ID, p.url, p.station, p.preset = c.AS2ID, c.URL, c.Station, c.Preset
	p.allowHTTP = p.allowHTTP && strings.HasPrefix(c.URL, "http://")
	if c.Async {
		p.settings = append(p.settings, card.Setting{Section: "send", Key: "receipt_delivery", Values: []string{"async"}})
	}
	for _, file := range c.Certificate {
		certs, err := readShown(g, file, aboutCertificates)
		if err != nil {
			return err
		}
		p.certificates = append(p.certificates, newCertificate{certs: certs, signOnly: certs[0].PublicKeyAlgorithm != x509.RSA})
	}
	for _, file := range c.Server {
		certs, err := readShown(g, file, aboutServer)
		if err != nil {
			return err
		}
		p.servers = append(p.servers, certs)
	}
	return nil
}

// readShown reads certificates and shows them.
func readShown(g *globals, file string, about func(*globals, []*x509.Certificate) string) ([]*x509.Certificate, error) {
	certs, err := keys.Certificates(file)
	if err == nil {
		fmt.Fprintf(g.out, "%s:\n  %s\n", file, strings.ReplaceAll(about(g, certs), "\n", "\n  "))
	}
	return certs, err
}

// interview asks for what no flag says.
func (c *partnerAddCmd) interview(g *globals, cfg *config.Config, ask *asker, p *newPartner) error {
	file := func(about func(*globals, []*x509.Certificate) string) func(string) (string, error) {
		return func(name string) (string, error) {
			if name == "" {
				return "", nil
			}
			certs, err := keys.Certificates(name)
			if err != nil {
				return "", err
			}
			return about(g, certs) + "\nCompare the fingerprint with the partner over the telephone.", nil
		}
	}
	var certificate, server, async string
	for _, step := range []struct {
		skip bool
		into *string
		question
	}{
		{c.Station != "" || len(cfg.Stations) == 1, &c.Station, question{what: "Station", explain: "Which of our own AS2 identities talks to him.", def: cfg.Stations[0].Name,
			check: func(s string) (string, error) { _, err := findStation(cfg, s); return "", err }}},
		{c.AS2ID != "", &c.AS2ID, question{what: "AS2 ID", explain: "His AS2 identifier, exactly as he writes it; case matters.", def: strings.ToUpper(c.Name),
			check: func(s string) (string, error) { return "", checkNewID(cfg, c.station(cfg), s) }}},
		{c.URL != "" || c.ReceiveOnly, &c.URL, question{what: "URL", explain: "Where he receives, such as https://as2.acme.example/as2. None: nothing is sent to him.", none: true,
			check: func(s string) (string, error) { return "", checkURL(s, c.AllowHTTP) }}},
		{len(c.Certificate) > 0, &certificate, question{what: "Certificate file", explain: "What he signs and decrypts with: a PEM, DER or .p7b file that he sent you.", check: file(aboutCertificates)}},
		{len(c.Server) > 0 || c.ReceiveOnly, &server, question{what: "Certificate of his web server", explain: "Only if it is self-signed, or from an authority of his own: a file. None: the authorities of this system vouch for it.", none: true, check: file(aboutServer)}},
		{c.Preset != "", &c.Preset, question{what: "Preset", explain: "Defaults for his product, if it is one of: " + presetList() + ".", none: true,
			check: func(s string) (string, error) {
				if s == "" {
					return "", nil
				}
				preset, err := config.FindPreset(s)
				return preset.Doc, err
			}}},
		{c.Async || c.ReceiveOnly, &async, question{what: "Receipts", explain: "sync: on the same connection, which most do. async: later, on a connection of their own to us.", def: "sync",
			check: func(s string) (string, error) {
				if s != "sync" && s != "async" {
					return "", errors.New("it is sync or async")
				}
				return "", nil
			}}},
	} {
		if step.skip {
			continue
		}
		answer, err := ask.ask(step.question)
		if err != nil {
			return err
		}
		*step.into = answer
	}
	if certificate != "" {
		c.Certificate = []string{certificate}
	}
	if server != "" {
		c.Server = []string{server}
	}
	c.Async = c.Async || async == "async"
	return nil
}

// station is the one that was chosen, or the only one.
func (c *partnerAddCmd) station(cfg *config.Config) string {
	if c.Station == "" {
		return cfg.Stations[0].Name
	}
	return c.Station
}

func presetList() string {
	var names []string
	for _, p := range config.Presets {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
