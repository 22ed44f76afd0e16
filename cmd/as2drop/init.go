package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
)

type initCmd struct {
	Dir   string `arg:"" help:"The folder to write to; it is made if it is not there."`
	AS2ID string `name:"as2-id" default:"MYCOMPANY" help:"Our AS2 identifier."`
	Host  string `default:"localhost" help:"The name that partners reach us by."`
}

func (c *initCmd) Help() string {
	return `Example:
  as2drop init /etc/as2drop --as2-id MYCOMPANY --host as2.mycompany.example

Writes config.yaml, keys/as2.pem and .key (ours, for signing and decrypting), keys/tls.pem and .key (of the web server), and the folder partners/ for what partners send you. Nothing that exists is overwritten.`
}

func (c *initCmd) Run(g *globals) error {
	if err := as2.CheckName(c.AS2ID); err != nil {
		return exit{exitUsage, err}
	}
	file := filepath.Join(c.Dir, "config.yaml")
	if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s exists; nothing was changed", file)
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "partners"), 0o700); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(c.Dir, "keys", name) }
	now := g.now()
	if err := keys.Make(keys.Request{Name: c.AS2ID, Now: now}, in("as2.pem"), in("as2.key")); err != nil {
		return err
	}
	if err := keys.Make(keys.Request{Name: c.Host, Hosts: []string{c.Host}, Now: now}, in("tls.pem"), in("tls.key")); err != nil {
		return err
	}
	text, err := config.Template(config.TemplateData{AS2ID: fmt.Sprintf("%q", c.AS2ID), Host: c.Host})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(g.out, `Written to %s:
  config.yaml      everything is explained in it
  keys/as2.pem     send this certificate to your partners
  keys/as2.key     never send this one
  keys/tls.pem     of the web server; partners need it too, as it is self-signed
  partners/        put the certificates of your partners here

Next: add a partner to config.yaml, then
  as2drop check -c %s
  as2drop run -c %s
`, c.Dir, file, file)
	return nil
}
