package config

import (
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
)

func TestExpiring(t *testing.T) {
	never := time.Time{}
	cert := func(c candidate) *Certificate {
		return &Certificate{EncryptFrom: c.from, Until: c.until, Sign: true, Encrypt: true, Certificates: []*x509.Certificate{c.cert}}
	}
	for name, c := range map[string]struct {
		certs []candidate
		want  []string // uses and days
	}{
		"far away":               {[]candidate{of(-9, 31, never, never)}, nil},
		"in 30 days":             {[]candidate{of(-9, 30, never, never)}, []string{"encryption to acme 30", "signatures of acme 30"}},
		"over":                   {[]candidate{of(-9, -1, never, never)}, []string{"encryption to acme -1", "signatures of acme -1"}},
		"one follows in time":    {[]candidate{of(-9, 5, never, never), of(-9, 99, day(3), never)}, nil},
		"one follows too late":   {[]candidate{of(-9, 5, never, never), of(7, 99, never, never)}, []string{"encryption to acme 5"}},
		"the one after it ends":  {[]candidate{of(-9, 5, never, never), of(-9, 20, day(3), never)}, []string{"encryption to acme 20", "signatures of acme 20"}},
		"it would follow by age": {[]candidate{of(-9, 5, never, never), of(-9, 99, never, never)}, nil},
	} {
		p := &Partner{Name: "acme", URL: "https://acme.example/", Send: Send{Cipher: cms.AES256CBC}}
		for _, one := range c.certs {
			p.Certificates = append(p.Certificates, cert(one))
		}
		cfg := &Config{Partners: []*Partner{p}}
		var got []string
		for _, e := range cfg.Expiring(now, 30*24*time.Hour) {
			got = append(got, fmt.Sprint(e.Use, " ", e.Days(now)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
