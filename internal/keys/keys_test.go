package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/cms"
	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func pair(t *testing.T) (dir string, cert *x509.Certificate) {
	t.Helper()
	dir = t.TempDir()
	if err := Make(Request{Name: "us", Hosts: []string{"127.0.0.1", "localhost"}, Bits: 2048, Now: now}, filepath.Join(dir, "c.pem"), filepath.Join(dir, "sub", "k.pem")); err != nil {
		t.Fatal(err)
	}
	certs, err := Certificates(filepath.Join(dir, "c.pem"))
	if err != nil || len(certs) != 1 {
		t.Fatal(certs, err)
	}
	return dir, certs[0]
}

func TestMadePairIsRead(t *testing.T) {
	dir, cert := pair(t)
	key, err := Private(filepath.Join(dir, "sub", "k.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Match(cert, key); err != nil {
		t.Error(err)
	}
	_, other := pair(t)
	if err := Match(other, key); err == nil {
		t.Error("a foreign key matches")
	}
	if err := cert.VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}
	if cert.SerialNumber.Sign() <= 0 || len(Fingerprint(cert)) != 64 || !cert.NotAfter.Equal(now.AddDate(3, 0, 0)) {
		t.Errorf("serial %v, valid to %v", cert.SerialNumber, cert.NotAfter)
	}
	if info, err := os.Stat(filepath.Join(dir, "sub", "k.pem")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir, _ := pair(t)
	before, _ := os.ReadFile(filepath.Join(dir, "c.pem"))
	if err := Make(Request{Name: "x", Bits: 2048, Now: now}, filepath.Join(dir, "c.pem"), filepath.Join(dir, "new.pem")); err == nil {
		t.Error("overwrote the certificate")
	}
	after, _ := os.ReadFile(filepath.Join(dir, "c.pem"))
	if string(before) != string(after) {
		t.Error("the certificate changed")
	}
	if _, err := os.Stat(filepath.Join(dir, "new.pem")); !os.IsNotExist(err) {
		t.Error("half a pair is left")
	}
}

func TestForms(t *testing.T) {
	dir, cert := pair(t)
	bundle, err := pkcs7.DegenerateCertificate(cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"der": cert.Raw, "p7b": bundle, "pem p7b": pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: bundle}),
	} {
		path := filepath.Join(dir, "form")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		certs, err := Certificates(path)
		if err != nil || len(certs) != 1 || !certs[0].Equal(cert) {
			t.Errorf("%s: %v, %v", name, certs, err)
		}
	}
}

// The library that parses bundles recurses: what is nested too deep must not reach it.
func TestBundlesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep.p7b")
	deep := pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: bytes.Repeat([]byte{0x30, 0x80}, 10_000)})
	if err := os.WriteFile(path, deep, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Certificates(path); !errors.Is(err, cms.ErrSyntax) {
		t.Errorf("not refused by the bounded reader: %v", err)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	for content, says := range map[string]string{
		"":                                 "holds no certificate",
		"hello":                            "holds no certificate",
		strings.Repeat("\x30\x80", 10_000): "cannot be read",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "cannot be read",
		strings.Repeat("x", maxFile+1):                                   "longer than",
	} {
		path := filepath.Join(dir, "bad.pem")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Certificates(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "bad.pem") {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	for content, says := range map[string]string{
		"hello": "no private key",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n": "is encrypted",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n":                     "cannot be read",
	} {
		path := filepath.Join(dir, "bad.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Private(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
}

// weak makes a certificate that others have made and Go refuses, or would later.
func weak(t testing.TB, bits int, serial []byte) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x5A5A5A5A), NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if serial != nil {
		// The signature no longer fits, but it is not looked at while reading.
		der = bytes.Replace(der, []byte{0x02, 0x04, 0x5A, 0x5A, 0x5A, 0x5A}, append([]byte{0x02, 0x04}, serial...), 1)
	}
	return der
}

// foreignCurve is a certificate whose key is on secp256k1.
func foreignCurve(t *testing.T) []byte {
	t.Helper()
	cert, _ := testkeys.Load("us-ecdsa")
	p256, k1 := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{0x2b, 0x81, 4, 0, 10, 0, 0, 0}
	k1[7] = 1 // as long as the other
	return bytes.Replace(cert.Raw, p256, k1, 1)
}

// pssKey is a certificate whose key is for RSASSA-PSS alone.
func pssKey(t *testing.T) []byte {
	t.Helper()
	cert, _ := testkeys.Load("us-rsa")
	plain := []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}
	pss := bytes.Clone(plain)
	pss[10] = 10
	return bytes.Replace(cert.Raw, plain, pss, 1)
}

func TestWhatGoRefusesComesWithARemedy(t *testing.T) {
	for name, c := range map[string]struct {
		der  []byte
		says string
	}{
		"RSA-512":         {weak(t, 512, nil), "RSA key of 512 bits; 1024 is the least that can be used: ask for a new one"},
		"negative serial": {weak(t, 2048, []byte{0xA5, 1, 2, 3}), "ask its owner for a new one with a positive serial number"},
		"a foreign curve": {foreignCurve(t), "with a key on P-256, P-384 or P-521"},
		"a PSS key":       {pssKey(t), "kind that is not supported (perhaps one for RSASSA-PSS alone)"},
	} {
		path := filepath.Join(t.TempDir(), "weak.cer")
		if err := os.WriteFile(path, c.der, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Certificates(path); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "weak.cer: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
