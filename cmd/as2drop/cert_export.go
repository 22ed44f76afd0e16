package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

type certExportCmd struct {
	Certificate string `required:"" placeholder:"FILE" help:"The certificate, its chain behind it."`
	Key         string `placeholder:"FILE" help:"Its private key, for p12."`
	To          string `required:"" enum:"pem,der,p12,p7b" placeholder:"FORMAT" help:"pem, der, p12 (PKCS#12, with the key) or p7b (PKCS#7, without)."`
	Out         string `required:"" placeholder:"FILE" help:"The file to write."`
	Legacy      bool   `help:"A PKCS#12 file encrypted with 3DES and SHA-1, for programs that read nothing newer."`
	passphraseFlag
}

func (c *certExportCmd) Help() string {
	return `Writes a certificate in another format. A PKCS#12 file also holds the private key, encrypted with the passphrase: AES-256, or 3DES with --legacy. Never send one to a partner.

Examples:
  as2drop cert export --certificate keys/as2.pem --to der --out MYCOMPANY.cer
  as2drop cert export --certificate keys/as2.pem --to p7b --out MYCOMPANY.p7b
  as2drop cert export --certificate keys/as2.pem --key keys/as2.key --to p12 --out as2.p12 --password-file secret.txt`
}

func (c *certExportCmd) Run(g *globals) error {
	switch {
	case c.To == "p12" && c.Key == "":
		return exit{exitUsage, errors.New("--to p12 needs the private key: --key FILE")}
	case c.To != "p12" && (c.Key != "" || c.Legacy):
		return exit{exitUsage, fmt.Errorf("--key and --legacy are for --to p12; %s holds certificates alone", c.To)}
	}
	certs, err := keys.Certificates(c.Certificate)
	if err != nil {
		return err
	}
	var content []byte
	perm := os.FileMode(0o644)
	switch c.To {
	case "pem":
		for _, cert := range certs {
			content = append(content, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
		}
	case "der":
		content, certs = certs[0].Raw, certs[:1]
	case "p7b":
		content, err = keys.EncodeBundle(certs)
	case "p12":
		perm = 0o600
		key, kerr := keys.Private(c.Key)
		if kerr != nil {
			return kerr
		}
		passphrase, perr := c.read(g, c.Out, true)
		if perr != nil {
			return perr
		}
		content, err = keys.EncodePKCS12(key, certs, passphrase, c.Legacy)
	}
	if err != nil {
		return err
	}
	if err := keys.WriteNew(c.Out, perm, content); err != nil {
		return kept(err)
	}
	for _, cert := range certs {
		fmt.Fprintf(g.out, "%s   %s, SHA-256 %s\n", c.Out, plain.Line(cert.Subject.String()), keys.Fingerprint(cert))
	}
	return nil
}
