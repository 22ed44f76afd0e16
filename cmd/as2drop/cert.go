package main

import (
	"errors"
	"fmt"
	"os"
)

// certCmd are the commands for certificates and keys; each has a file of its own.
type certCmd struct {
	New      certNewCmd      `cmd:"" help:"Make a key and a self-signed certificate."`
	Show     certShowCmd     `cmd:"" help:"Say what a certificate file holds, and what is wrong with it."`
	Import   certImportCmd   `cmd:"" help:"Turn a file of any format into PEM files for the config."`
	Rollover certRolloverCmd `cmd:"" help:"Give a station a new key, with the day from which it signs."`
	Export   certExportCmd   `cmd:"" help:"Turn PEM files into what a partner or another program wants."`
}

func (c *certCmd) Help() string {
	return `Certificates and private keys, in PEM, DER, PKCS#12 (.p12, .pfx) and PKCS#7 (.p7b). Nothing that exists is overwritten, and private keys are written for their owner alone.

Examples:
  as2drop cert new --as2-id MYCOMPANY --out keys
  as2drop cert show partners/acme.p7b
  as2drop cert import old-system.p12 --out keys
  as2drop cert export --certificate keys/MYCOMPANY.pem --to der --out MYCOMPANY.cer`
}

// kept says of a file that exists what becomes of it.
func kept(err error) error {
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w; nothing is overwritten", err)
	}
	return err
}
