package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

type certImportCmd struct {
	File string `arg:"" help:"PEM, DER, PKCS#12 or .p7b."`
	Out  string `required:"" placeholder:"DIR|FILE.pem" help:"The folder to write to, under the name of the file, or the PEM file itself."`
	passphraseFlag
}

func (c *certImportCmd) Help() string {
	return `Writes the certificates of a file as PEM, the key's own first, and the private key of a PKCS#12 file beside them, without passphrase and for its owner alone; then prints the lines for config.yaml.

Examples:
  as2drop cert import acme.cer --out partners
  as2drop cert import acme-chain.p7b --out partners/acme.pem
  as2drop cert import old-system.pfx --out keys --password-file secret.txt`
}

func (c *certImportCmd) Run(g *globals) error {
	m, err := c.load(g, c.File)
	if err != nil {
		return err
	}
	if m.key == nil {
		authoritiesLast(m.certs)
	}
	base := filepath.Join(c.Out, strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File)))
	if ext := filepath.Ext(c.Out); strings.EqualFold(ext, ".pem") {
		base = strings.TrimSuffix(c.Out, ext)
	}
	if err := m.write(base); err != nil {
		return kept(err)
	}
	for _, cert := range m.certs {
		fmt.Fprintf(g.out, "%s.pem   %s, %s, until %s\n", base, plain.Line(cert.Subject.String()), keys.KeyOf(cert), when(cert.NotAfter))
		for _, d := range keys.Doubts(cert, g.now()) {
			fmt.Fprintf(g.out, "attention: %s\n", plain.Line(d))
		}
	}
	if m.key != nil {
		fmt.Fprintf(g.out, "%s.key   never send this one\n\n", base)
		keyLines(g, base)
		return nil
	}
	fmt.Fprintf(g.out, "\nFor a partner in config.yaml:\n  certificates: [%s]\n", yamlPath(base+".pem"))
	return nil
}

// write writes BASE.pem and, if there is a key, BASE.key.
func (m material) write(base string) error {
	if m.key != nil {
		if err := keys.WritePrivate(base+".key", m.key); err != nil {
			return err
		}
	}
	if err := keys.WriteCertificates(base+".pem", m.certs); err != nil {
		if m.key != nil {
			err = errors.Join(err, os.Remove(base+".key")) // half a pair is of no use
		}
		return err
	}
	return nil
}

// authoritiesLast puts the certificates of a bundle, which come in any order, so that
// the first one is what can be encrypted to.
func authoritiesLast(certs []*x509.Certificate) {
	slices.SortStableFunc(certs, func(a, b *x509.Certificate) int {
		switch {
		case a.IsCA == b.IsCA:
			return 0
		case a.IsCA:
			return 1
		}
		return -1
	})
}
