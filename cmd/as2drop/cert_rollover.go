package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/card"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

type certRolloverCmd struct {
	configFlag
	Station     string   `arg:"" help:"The station of ours that gets a new key."`
	On          string   `required:"" placeholder:"MOMENT" help:"From when on it signs with it, such as 2027-01-31, \"2027-01-31 06:00\" or 60d for the day in sixty days."`
	Certificate string   `and:"pair" placeholder:"FILE" help:"A certificate that you have; default: a new one is made, like the present one."`
	Key         string   `and:"pair" placeholder:"FILE" help:"Its private key."`
	Days        int      `default:"1095" help:"How long a new certificate is valid (${default})."`
	Country     string   `default:"XX" placeholder:"AT" help:"The country in its subject, two capital letters (${default})."`
	URL         []string `name:"url" placeholder:"URL" help:"The URL by which partners reach us, if the config does not say."`
	Contact     string   `placeholder:"TEXT" help:"Whom partners may ask."`
	Out         string   `placeholder:"DIR" help:"The folder for what partners get; default: rollover-STATION-DATE."`
	Yes         bool     `short:"y" help:"Ask nothing and write it."`
	DryRun      bool     `help:"Show what would be written, and write nothing."`
}

func (c *certRolloverCmd) Help() string {
	return `Makes a new key and certificate (or takes one), adds it to the keys of the station with sign_from, and writes what partners have to get: a card that announces the certificate with its date. What is encrypted to the old one is opened as before, for as long as it stands in the config. The change comes by itself; nobody has to be there.

Send the folder to each partner, and note it with as2drop partner told NAME: as2drop status and schedule show who has not been told.

Examples:
  as2drop cert rollover main --on 2027-01-31
  as2drop cert rollover main --on "2027-01-31 06:00" --certificate new.pem --key new.key --yes`
}

func (c *certRolloverCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	s, err := findStation(cfg, c.Station)
	if err != nil {
		return exit{exitUsage, err}
	}
	on, err := momentOf(&c.On, cfg.Location, g.now())
	if err != nil {
		return exit{exitUsage, fmt.Errorf("--on: %w", err)}
	}
	if !on.After(g.now()) {
		return exit{exitUsage, fmt.Errorf("--on %s is past: partners must know the certificate before it is used; choose a day in some weeks", c.On)}
	}
	if c.Out == "" {
		c.Out = "rollover-" + s.Name + "-" + on.Format(time.DateOnly)
	}
	var ask *asker
	if !c.Yes {
		ask = terminal(g)
	}
	files := &certificateFiles{cfg: cfg}
	err = c.write(g, cfg, s, on, ask, files)
	return errors.Join(err, files.forget())
}

// daysIn reads a number of days, such as 90d: one at least, a hundred years at most.
func daysIn(text string) (days int, ok bool) {
	number, ok := strings.CutSuffix(text, "d")
	days, err := strconv.Atoi(number)
	return days, ok && err == nil && days >= 1 && days <= 36_500
}

// momentOf reads a moment, or a number of days such as 60d, which becomes the date.
func momentOf(text *string, loc *time.Location, now time.Time) (time.Time, error) {
	if days, ok := daysIn(*text); ok {
		*text = now.In(loc).AddDate(0, 0, days).Format(time.DateOnly)
	}
	at, err := config.ParseMoment(*text, loc)
	if err != nil {
		err = fmt.Errorf("%w; write for example 2027-01-31, \"2027-01-31 06:00\" or 60d", err)
	}
	return at, err
}

// validOn reports why a certificate cannot come into use at a moment.
func validOn(cert *x509.Certificate, at time.Time) error {
	if cert.NotAfter.Before(at) || cert.NotBefore.After(at) {
		return fmt.Errorf("the certificate is not valid on %s: it is from %s to %s", when(at), when(cert.NotBefore), when(cert.NotAfter))
	}
	return nil
}

// write makes the key, changes the config, and writes the card.
func (c *certRolloverCmd) write(g *globals, cfg *config.Config, s *config.Station, on time.Time, ask *asker, files *certificateFiles) error {
	pair, err := c.pair(g, cfg, s, on, files)
	if err != nil {
		return err
	}
	certs, err := keys.Certificates(filepath.Join(filepath.Dir(cfg.Path), pair[0]))
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "%s\n", aboutCertificates(g, certs))
	if err := validOn(certs[0], on); err != nil {
		return exit{exitUsage, err}
	}
	if present := s.SignWith(g.now()).Certificate; present.NotAfter.Before(on) {
		fmt.Fprintf(g.out, "attention: the present certificate expires on %s, before that: choose an earlier day\n", when(present.NotAfter))
	}
	item := config.Mapping()
	item.PutText("certificate", filepath.ToSlash(pair[0]))
	item.PutText("key", filepath.ToSlash(pair[1]))
	item.PutText("sign_from", c.On)
	text, err := config.AddItem([]byte(cfg.Text), []string{"stations", s.Name, "keys"}, item)
	if err != nil {
		return editError(cfg, err)
	}
	done, err := files.apply(g, text, "stations."+s.Name, ask, c.Yes, c.DryRun)
	if err != nil || !done {
		return err
	}
	return c.announce(g, s.Name)
}

// pair makes the new key beside the present one, or takes the one that was named, and returns
// certificate and key as the config has them.
func (c *certRolloverCmd) pair(g *globals, cfg *config.Config, s *config.Station, on time.Time, files *certificateFiles) (pair [2]string, err error) {
	folder := filepath.Dir(cfg.Path)
	if c.Certificate != "" {
		for i, file := range []string{c.Certificate, c.Key} {
			if pair[i], err = filepath.Abs(file); err != nil {
				return pair, err
			}
			above, err := filepath.Abs(folder)
			if err != nil {
				return pair, err
			}
			if pair[i], err = filepath.Rel(above, pair[i]); err != nil {
				return pair, exit{exitUsage, fmt.Errorf("%s is not on the volume of the config: copy it beside %s", file, cfg.Path)}
			}
		}
		return pair, nil
	}
	present := s.SignWith(g.now())
	r := keys.Request{Name: s.AS2ID, Country: c.Country, Days: c.Days, Now: g.now()}
	switch pub := present.Certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if r.Bits = pub.N.BitLen(); !slices.Contains([]int{2048, 3072, 4096}, r.Bits) {
			r.Bits = 3072
		}
	case *ecdsa.PublicKey:
		r.Curve = map[int]string{256: "p256", 384: "p384"}[pub.Curve.Params().BitSize]
	}
	base := filepath.Join("keys", naming.Safe(s.AS2ID)+"-"+on.Format(time.DateOnly))
	if present.CertificateFile != "" && !filepath.IsAbs(present.CertificateFile) {
		base = filepath.Join(filepath.Dir(present.CertificateFile), filepath.Base(base))
	}
	pair = [2]string{base + ".pem", base + ".key"}
	if err := keys.Make(r, filepath.Join(folder, pair[0]), filepath.Join(folder, pair[1])); err != nil {
		return pair, kept(err)
	}
	files.made = append(files.made, filepath.Join(folder, pair[0]), filepath.Join(folder, pair[1]))
	return pair, c.share(cfg, present, folder, pair)
}

// share lets whoever reads the present key read the new one.
func (c *certRolloverCmd) share(cfg *config.Config, present config.KeyPair, folder string, pair [2]string) error {
	model := present.KeyFile
	if model == "" {
		model = present.PKCS12File
	}
	if !filepath.IsAbs(model) {
		model = filepath.Join(filepath.Dir(cfg.Path), model)
	}
	info, err := os.Stat(model)
	if err != nil {
		return err
	}
	return errors.Join(access.Like(filepath.Join(folder, pair[1]), info), access.Like(filepath.Join(folder, pair[0]), info))
}

// announce writes what partners get, and says who has to get it.
func (c *certRolloverCmd) announce(g *globals, station string) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	s, err := findStation(cfg, station)
	if err != nil {
		return err
	}
	var written []string
	made, err := card.Of(card.Request{Config: cfg, Station: s, URLs: c.URL, Contact: c.Contact})
	if err == nil {
		written, err = writeCard(made, c.Out, false)
	}
	if err != nil {
		return fmt.Errorf("the config was written, the card for partners was not: %w; then: as2drop partner card %s", err, station)
	}
	fmt.Fprintf(g.out, "\nWhat partners get: %s\n", strings.Join(written, ", "))
	fmt.Fprintln(g.out, "\nThese partners talk to the station. Send each the folder, and note that you did:")
	for _, p := range cfg.Partners {
		if p.Station == s {
			fmt.Fprintf(g.out, "  as2drop partner told %s%s\n", p.Name, configArg(cfg))
		}
	}
	return nil
}

// upcoming are the certificates of a station that come into use later.
func upcoming(s *config.Station, now time.Time) (next []config.KeyPair) {
	for _, k := range s.Keys {
		if k.SignFrom.After(now) {
			next = append(next, k)
		}
	}
	return next
}

// toldSubject is under what the ledger notes that a partner was told of a certificate.
func toldSubject(partner string, cert *x509.Certificate) string {
	return "certificate " + keys.Fingerprint(cert) + " " + partner
}

type partnerToldCmd struct {
	configFlag
	Name string `arg:"" name:"partner" help:"The partner."`
}

func (c *partnerToldCmd) Help() string {
	return `Notes that a partner was told of the certificates of ours that come into use later, as as2drop cert rollover announced them. as2drop status and schedule show who was not.

Example:
  as2drop partner told acme`
}

func (c *partnerToldCmd) Run(g *globals) error {
	cfg, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // what was noted is committed
	p, err := findPartner(cfg, c.Name)
	if err != nil {
		return exit{exitUsage, err}
	}
	next := upcoming(p.Station, g.now())
	if len(next) == 0 {
		return fmt.Errorf("no certificate of station %s comes into use later: there is nothing to tell", p.StationName)
	}
	for _, k := range next {
		note := fmt.Sprintf("%s by %s", when(g.now()), operator())
		err := i.Ledger().Update(context.Background(), func(tx *ledger.Tx) error {
			return errors.Join(tx.Tell(toldSubject(p.Name, k.Certificate), note),
				tx.AddEvent(ledger.Event{At: g.now().UTC(), Level: ledger.Info, Partner: p.Name, Code: "certificate-told",
					Text: fmt.Sprintf("%s was told that station %s signs with the certificate of SHA-256 %s from %s on; noted by %s", p.Name, p.StationName, keys.Fingerprint(k.Certificate), when(k.SignFrom), operator())}))
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(g.out, "noted: %s was told that station %s signs with the certificate of SHA-256 %s from %s on\n", p.Name, p.StationName, card.Pairs(keys.Fingerprint(k.Certificate)), when(k.SignFrom))
	}
	return nil
}

// rollovers says in a line for each certificate of ours that comes into use later which
// partners were told of it. Without a ledger nobody was.
func rollovers(cfg *config.Config, now time.Time) (lines map[string]string, order []string, err error) {
	lines = map[string]string{}
	var l *ledger.Ledger
	for _, s := range cfg.Stations {
		for _, k := range upcoming(s, now) {
			if l == nil {
				there, err := ledger.Exists(agent.LedgerPath(cfg.DataDir))
				if err != nil {
					return nil, nil, err
				}
				if there {
					if l, err = ledger.Open(agent.LedgerPath(cfg.DataDir), ledger.Options{}); err != nil {
						return nil, nil, err
					}
					defer l.Close() // nothing was written
				}
			}
			told, open, err := whoWasTold(cfg, s, k, l)
			if err != nil {
				return nil, nil, err
			}
			print := keys.Fingerprint(k.Certificate)
			lines[print] = fmt.Sprintf("told: %s; not told: %s", someNames(told), someNames(open))
			order = append(order, fmt.Sprintf("station %s signs with another certificate from %s on (SHA-256 %s); %s", s.Name, when(k.SignFrom), print, lines[print]))
		}
	}
	return lines, order, nil
}

func whoWasTold(cfg *config.Config, s *config.Station, k config.KeyPair, l *ledger.Ledger) (told, open []string, err error) {
	sort := func(tx *ledger.Tx) error {
		for _, p := range cfg.Partners {
			if p.Station != s {
				continue
			}
			note := ""
			if tx != nil {
				if note, err = tx.Told(toldSubject(p.Name, k.Certificate)); err != nil {
					return err
				}
			}
			if note != "" {
				told = append(told, p.Name)
			} else {
				open = append(open, p.Name)
			}
		}
		return nil
	}
	if l == nil {
		return told, open, sort(nil)
	}
	err = l.View(context.Background(), sort)
	return told, open, err
}

// someNames lists names, not too many of them.
func someNames(names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "nobody"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
