//go:build linux

package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
)

var bits = flag.Int("bits", 1024, "size of the RSA keys; small ones, so that the queue is measured and not RSA")

// site is a folder with a config, and the partner that all of its partners are.
type site struct {
	t       testing.TB
	dir     string
	partner *testpartner.Partner
}

// identity makes a key with its certificate.
func identity(t testing.TB, name string) cms.Identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, *bits)
	must(t, err)
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cms.Identity{Certificate: cert, Key: key}
}

// newSite makes a config with partners p0000, p0001, ..., who are one behind the scenes.
// settings are those of each, beside the addresses and certificates; more say how that one
// is.
func newSite(t testing.TB, partners int, settings string, saw func(testpartner.Visit), more ...func(*testpartner.Options)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	us, them := identity(t, "us"), identity(t, "them")
	must(t, keys.WritePrivate(filepath.Join(s.dir, "us.key"), us.Key.(*rsa.PrivateKey)))
	var err error
	o := testpartner.Options{Own: them, Sender: us.Certificate, Saw: saw}
	for _, set := range more {
		set(&o)
	}
	s.partner, err = testpartner.Start(o)
	must(t, err)
	t.Cleanup(func() { must(t, s.partner.Close()) })
	for name, cert := range map[string]*x509.Certificate{"us": us.Certificate, "them": them.Certificate, "server": s.partner.Authority().Certificate} {
		must(t, keys.WriteCertificates(filepath.Join(s.dir, name+".pem"), []*x509.Certificate{cert}))
	}
	var text strings.Builder
	text.WriteString("data_dir: data\nstations:\n  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}\npartners:\n")
	for i := range partners {
		fmt.Fprintf(&text, "  p%04d: {as2_id: P%04d, station: us, url: %q, certificates: them.pem, server_certificates: server.pem%s}\n", i, i, s.partner.URL(), settings)
	}
	must(t, os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(text.String()), 0o600))
	return s
}

func (s *site) folder(partner, folder string) string {
	return filepath.Join(s.dir, "data", "partners", partner, folder)
}

func (s *site) count(folder string) int { return count(s.t, folder) }

// count is how many entries a folder has; one that is not there has none.
func count(t testing.TB, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(entries)
}
