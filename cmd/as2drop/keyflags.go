package main

import (
	"fmt"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
)

// keyFlags name private keys of ours that open messages.
type keyFlags struct {
	passphraseFlag
	Key         []string `placeholder:"FILE" help:"A private key of ours that opens the message: PEM with --certificate, or a file that holds both (PEM, PKCS#12)."`
	Certificate []string `placeholder:"FILE" help:"The certificate of each --key, in the same order, where it is in a file of its own."`
}

func (f keyFlags) identities(g *globals) (ids []cms.Identity, err error) {
	if n := len(f.Certificate); n > 0 && n != len(f.Key) {
		return nil, fmt.Errorf("--key is given %d times and --certificate %d times; each key needs its certificate", len(f.Key), n)
	}
	for i, file := range f.Key {
		var id cms.Identity
		if len(f.Certificate) > 0 {
			id, err = pair(f.Certificate[i], file)
		} else {
			id, err = f.both(g, file)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// both reads key and certificate from one file.
func (f keyFlags) both(g *globals, file string) (cms.Identity, error) {
	m, err := f.load(g, file)
	switch {
	case err != nil:
		return cms.Identity{}, fmt.Errorf("%w; a key in a file of its own needs its certificate: --certificate", err)
	case m.key == nil:
		return cms.Identity{}, fmt.Errorf("%s holds a certificate and no private key", file)
	}
	return cms.Identity{Certificate: m.certs[0], Key: m.key}, nil
}

func pair(certificate, key string) (cms.Identity, error) {
	certs, err := keys.Certificates(certificate)
	if err != nil {
		return cms.Identity{}, err
	}
	private, err := keys.Private(key)
	if err == nil {
		err = keys.Match(certs[0], private)
	}
	return cms.Identity{Certificate: certs[0], Key: private}, err
}
