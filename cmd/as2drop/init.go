package main

import (
	"errors"
	"fmt"
	"io/fs"
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

Writes config.yaml, config.schema.json, from which editors know its keys, keys/as2.pem and .key (ours, for signing and decrypting), keys/tls.pem and .key (of the web server), and the folder partners/ for what partners send you. Nothing that exists is overwritten, but for config.schema.json, and the config of a package that nobody has changed yet.`
}

func (c *initCmd) Run(g *globals) error {
	if err := as2.CheckName(c.AS2ID); err != nil {
		return exit{exitUsage, err}
	}
	file := filepath.Join(c.Dir, "config.yaml")
	packaged, err := isPackaged(file)
	if err != nil {
		return err
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
	if err := c.write(file, packaged); err != nil {
		return err
	}
	start := "as2drop run -c " + file
	if packaged { // started by root, it would make folders that the account of the service cannot write
		start = "systemctl enable --now as2drop"
	}
	fmt.Fprintf(g.out, `Written to %s:
  config.yaml      everything is explained in it
  keys/as2.pem     send this certificate to your partners
  keys/as2.key     never send this one
  keys/tls.pem     of the web server; partners need it too, as it is self-signed
  partners/        put the certificates of your partners here

Next:
  as2drop partner card main -c %s   what your partners need to know of you
  as2drop partner add NAME -c %s    or: partner import, with the card of a partner who has as2drop
  as2drop check -c %s
  %s
`, c.Dir, file, file, file, start)
	return nil
}

// isPackaged says whether a config is that of a package, as it was installed. Any other one that exists
// is an error.
func isPackaged(file string) (bool, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	start, err := config.Template(config.Packaged)
	if err != nil {
		return false, err
	}
	if string(b) != start {
		return false, fmt.Errorf("%s exists; nothing was changed", file)
	}
	return true, nil
}

// write writes the config. That of a package keeps its owner and its mode.
func (c *initCmd) write(file string, packaged bool) error {
	data := config.TemplateData{AS2ID: fmt.Sprintf("%q", c.AS2ID), Host: c.Host, DataDir: "./data", Schema: "config.schema.json"}
	if packaged {
		data.DataDir, data.Schema = config.Packaged.DataDir, config.Packaged.Schema
	} else if err := os.WriteFile(filepath.Join(c.Dir, data.Schema), []byte(config.Schema()), 0o644); err != nil {
		return err
	}
	text, err := config.Template(data)
	if err != nil {
		return err
	}
	if packaged {
		return config.Replace(file, []byte(text))
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
