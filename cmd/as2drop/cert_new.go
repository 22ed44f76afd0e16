package main

import (
	"fmt"
	"path/filepath"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/naming"
)

type certNewCmd struct {
	AS2ID   string   `name:"as2-id" xor:"name" required:"" placeholder:"ID" help:"The AS2 identifier that the certificate is for; it becomes the common name and the file name."`
	Name    string   `xor:"name" required:"" help:"Any other common name."`
	Out     string   `required:"" placeholder:"DIR" help:"The folder to write to; it is made if it is not there."`
	RSA     int      `name:"rsa" xor:"kind" placeholder:"BITS" help:"An RSA key of 2048, 3072 (the default) or 4096 bits."`
	EC      string   `name:"ec" xor:"kind" placeholder:"CURVE" help:"An ECDSA key on p256 or p384. It signs; nothing can be encrypted to it."`
	Days    int      `default:"1095" help:"How long the certificate is valid (${default})."`
	Country string   `default:"XX" placeholder:"AT" help:"The country in the subject, two capital letters (${default})."`
	Host    []string `placeholder:"NAME" help:"A name or address of a web server; makes the certificate one for TLS. May be repeated."`
}

func (c *certNewCmd) Help() string {
	return `Writes NAME.pem, the certificate, which partners get, and NAME.key, the private key, which nobody gets. For a rollover make a new pair under another --out, add it to the keys of the station with sign_from, and send the certificate to your partners.

Examples:
  as2drop cert new --as2-id MYCOMPANY --out keys --country AT
  as2drop cert new --as2-id MYCOMPANY --out keys/2027 --rsa 4096 --days 730
  as2drop cert new --name as2.mycompany.example --host as2.mycompany.example --out keys`
}

func (c *certNewCmd) Run(g *globals) error {
	name := c.Name
	if c.AS2ID != "" {
		name = c.AS2ID
		if err := as2.CheckName(name); err != nil {
			return exit{exitUsage, err}
		}
	}
	if c.Days < 1 {
		return exit{exitUsage, fmt.Errorf("--days must be 1 or more, not %d", c.Days)}
	}
	base := filepath.Join(c.Out, naming.Safe(name))
	r := keys.Request{Name: name, Country: c.Country, Hosts: c.Host, Bits: c.RSA, Curve: c.EC, Days: c.Days, Now: g.now()}
	if err := keys.Make(r, base+".pem", base+".key"); err != nil {
		return kept(err)
	}
	fmt.Fprintf(g.out, "%s.pem   send this certificate to your partners\n%s.key   never send this one\n\n", base, base)
	if len(c.Host) > 0 {
		fmt.Fprintf(g.out, "For the web server, under listen in config.yaml:\n  certificate: %s\n  key: %s\n", yamlPath(base+".pem"), yamlPath(base+".key"))
		return nil
	}
	keyLines(g, base)
	return nil
}

// keyLines prints what makes a key pair one of a station's.
func keyLines(g *globals, base string) {
	fmt.Fprintf(g.out, "For a station in config.yaml:\n  keys:\n    - certificate: %s\n      key: %s\n", yamlPath(base+".pem"), yamlPath(base+".key"))
}
