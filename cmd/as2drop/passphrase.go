package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/as2drop/as2drop/internal/keys"
)

// passwordVariable is the environment variable that holds a passphrase.
const passwordVariable = "AS2DROP_PASSWORD"

// passphraseFlag is shared by the commands that meet PKCS#12 files. A passphrase is
// never an argument: everybody on the machine can read those.
type passphraseFlag struct {
	PasswordFile string `placeholder:"FILE" help:"A file whose first line is the passphrase of the PKCS#12 file. Without it $$AS2DROP_PASSWORD counts, then the terminal is asked."`
}

// read finds the passphrase for a file; a new one is asked for twice.
func (f passphraseFlag) read(g *globals, file string, isNew bool) (string, error) {
	if f.PasswordFile != "" {
		b, err := os.ReadFile(f.PasswordFile)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	if p := os.Getenv(passwordVariable); p != "" {
		return p, nil
	}
	p, err := typed(g, "Passphrase of "+file, "passphrases", isNew)
	if errors.Is(err, errNoTerminal) {
		return "", exit{exitUsage, fmt.Errorf("%s needs a passphrase: name a file that holds it with --password-file, or set %s", file, passwordVariable)}
	}
	return p, err
}

// material is what a file of any format holds.
type material struct {
	key   crypto.Signer // nil = none
	certs []*x509.Certificate
}

// load reads a file of any format: PEM, DER, .p7b or PKCS#12.
func (f passphraseFlag) load(g *globals, file string) (material, error) {
	certs, err := keys.Certificates(file)
	if errors.Is(err, keys.ErrPKCS12) {
		passphrase, err := f.read(g, file, false)
		if err != nil {
			return material{}, err
		}
		key, chain, err := keys.LoadPKCS12(file, passphrase)
		return material{key, chain}, err
	}
	if err != nil {
		return material{}, err
	}
	m := material{certs: certs}
	// One file may hold both in PEM; a key that cannot be read is worth an error only
	// where it says that it is one.
	b, err := os.ReadFile(file)
	if err != nil {
		return material{}, err
	}
	if bytes.Contains(b, []byte("PRIVATE KEY-----")) {
		if m.key, err = keys.ParsePrivate(b); err != nil {
			return material{}, fmt.Errorf("%s: %w", file, err)
		}
		if err := keys.Match(certs[0], m.key); err != nil {
			return material{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	return m, nil
}
