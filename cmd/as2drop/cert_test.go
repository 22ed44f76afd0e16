package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file may hold certificate and key together; a key that is not the certificate's,
// or encrypted, is no reason to import the certificate alone.
func TestOneFileForBoth(t *testing.T) {
	testdata := filepath.Join("..", "..", "testdata")
	read := func(parts ...string) []byte {
		b, err := os.ReadFile(filepath.Join(append([]string{testdata}, parts...)...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cert, path := read("keys", "us-rsa.pem"), filepath.Join(t.TempDir(), "both.pem")
	for name, c := range map[string]struct {
		behind []byte
		key    bool
		says   string
	}{
		"nothing":       {nil, false, ""},
		"its key":       {read("keys", "us-rsa.key"), true, ""},
		"another key":   {read("keys", "partner-rsa.key"), false, "does not belong"},
		"encrypted key": {read("vectors", "key-openssl-pkcs8-encrypted", "us.key"), false, "is encrypted"},
	} {
		if err := os.WriteFile(path, slices.Concat(cert, c.behind), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := passphraseFlag{}.load(&globals{}, path)
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "both.pem")) || (m.key != nil) != c.key {
			t.Errorf("%s: %T, %v", name, m.key, err)
		}
	}
}

func TestAuthoritiesComeLast(t *testing.T) {
	a, b, c, d := &x509.Certificate{IsCA: true}, &x509.Certificate{}, &x509.Certificate{IsCA: true}, &x509.Certificate{}
	certs := []*x509.Certificate{a, b, c, d}
	authoritiesLast(certs)
	if want := []*x509.Certificate{b, d, a, c}; !slices.Equal(certs, want) {
		t.Errorf("%p, not %p", certs, want)
	}
}
