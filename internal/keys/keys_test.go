package keys

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"
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
