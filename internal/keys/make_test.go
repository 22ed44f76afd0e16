package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// issued makes a chain of three.
func issued(t *testing.T) (leaf, sub, root owned) {
	t.Helper()
	make := func(name string, by owned, ca bool) owned {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: name}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IsCA: ca, BasicConstraintsValid: true}
		parent, signer := template, crypto.Signer(key)
		if by.cert != nil {
			parent, signer = by.cert, by.key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return owned{cert, key}
	}
	root = make("root", owned{}, true)
	sub = make("sub", root, true)
	return make("leaf", sub, false), sub, root
}

func TestWhatIsMade(t *testing.T) {
	for name, r := range map[string]Request{
		"RSA 3072":    {},
		"RSA 2048":    {Bits: 2048, Country: "AT", Days: 10},
		"ECDSA P-256": {Curve: "p256", Years: 5},
		"ECDSA P-384": {Curve: "p384", Hosts: []string{"as2.example", "192.0.2.1"}},
	} {
		r.Name, r.Now = "ME", now
		dir := t.TempDir()
		if err := Make(r, filepath.Join(dir, "c"), filepath.Join(dir, "k")); err != nil {
			t.Fatal(err)
		}
		certs, err := Certificates(filepath.Join(dir, "c"))
		if err != nil {
			t.Fatal(err)
		}
		cert := certs[0]
		key, err := Private(filepath.Join(dir, "k"))
		if err != nil || Match(cert, key) != nil {
			t.Errorf("%s: %v", name, err)
		}
		until := map[string]time.Time{"RSA 2048": now.AddDate(0, 0, 10), "ECDSA P-256": now.AddDate(5, 0, 0)}[name]
		if until.IsZero() {
			until = now.AddDate(3, 0, 0)
		}
		// What interop.md asks of certificates that everybody can read.
		if KeyOf(cert) != name || cert.SerialNumber.Sign() <= 0 || len(cert.SubjectKeyId) != 20 || len(cert.Subject.Country[0]) != 2 || len(cert.DNSNames) == 0 || !cert.NotAfter.Equal(until) || !SelfSigned(cert) {
			t.Errorf("%s: %s, serial %v, identifier %x, %v, %v, until %v", name, KeyOf(cert), cert.SerialNumber, cert.SubjectKeyId, cert.Subject, cert.DNSNames, cert.NotAfter)
		}
		if encrypts := cert.KeyUsage&x509.KeyUsageKeyEncipherment != 0; encrypts != strings.HasPrefix(name, "RSA") || cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			t.Errorf("%s: key usage %b", name, cert.KeyUsage)
		}
		if len(r.Hosts) > 0 && (cert.VerifyHostname("192.0.2.1") != nil || cert.VerifyHostname("as2.example") != nil) || len(r.Hosts) == 0 && cert.ExtKeyUsage != nil {
			t.Errorf("%s: hosts %v %v, usages %v", name, cert.DNSNames, cert.IPAddresses, cert.ExtKeyUsage)
		}
	}
	for name, r := range map[string]Request{"1024 bits": {Bits: 1024}, "a curve": {Curve: "p521"}, "a country": {Curve: "p256", Country: "AUT"}, "small letters": {Curve: "p256", Country: "at"}} {
		dir := t.TempDir()
		if err := Make(r, filepath.Join(dir, "c"), filepath.Join(dir, "k")); err == nil {
			t.Errorf("%s: made", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}

func TestBundlesAreReadAsWritten(t *testing.T) {
	leaf, sub, root := issued(t)
	want := []*x509.Certificate{leaf.cert, sub.cert, root.cert}
	b, err := EncodeBundle(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCertificates(b)
	if err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	path := filepath.Join(t.TempDir(), "chain.pem")
	if err := WriteCertificates(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Certificates(path); err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	if err := WriteCertificates(path, want[:1]); err == nil {
		t.Error("overwritten")
	}
}

func TestDoubts(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, root := issued(t)
	weakRSA := &x509.Certificate{
		PublicKey: &key.PublicKey, KeyUsage: x509.KeyUsageCRLSign, SerialNumber: new(big.Int), NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
		RawSubject: []byte{1}, RawIssuer: []byte{2}, SignatureAlgorithm: x509.SHA1WithRSA,
	}
	_, good := pair(t)
	for name, c := range map[string]struct {
		cert *x509.Certificate
		at   time.Time
		says []string
	}{
		"ours":     {good, now, nil},
		"expired":  {good, now.AddDate(3, 0, 1), []string{"expired on 2029-11-23"}},
		"soon":     {good, now.AddDate(3, 0, -7), []string{"expires in 7 days"}},
		"too soon": {good, now.AddDate(0, 0, -7), []string{"not valid before"}},
		"ECDSA":    {leaf.cert, now, []string{"nothing can be encrypted"}},
		"root":     {root.cert, now, []string{"nothing can be encrypted"}},
		"weak":     {weakRSA, now, []string{"1024 bits", "SHA1-RSA", "is zero", "does not allow signatures", "does not allow encrypting"}},
	} {
		got := Doubts(c.cert, c.at)
		if len(got) != len(c.says) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.says[i]) {
				t.Errorf("%s: %q, not %q", name, got[i], c.says[i])
			}
		}
	}
}
