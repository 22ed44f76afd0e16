package main

import (
	"crypto"
	"os"
	"path/filepath"
	"testing"
	"time"

	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

// What is committed is what the command would have made, apart from the dice.
func TestCommittedKeys(t *testing.T) {
	for _, name := range testkeys.Names() {
		cert, key := testkeys.Load(name)
		if cert.Subject.CommonName != "as2drop test "+name || len(cert.SubjectKeyId) != 20 {
			t.Errorf("%s: %v, key identifier %x", name, cert.Subject, cert.SubjectKeyId)
		}
		if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(cert.PublicKey) {
			t.Errorf("%s: key and certificate do not belong together", name)
		}
		if late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC); late.After(cert.NotAfter) || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
			t.Errorf("%s: not valid until 2100 by its own signature", name)
		}
	}
}

func TestKeysThatAreThereStay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "us-rsa.pem")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "mine" {
		t.Errorf("overwritten: %.20q, %v", got, err)
	}
	if made, err := filepath.Glob(filepath.Join(dir, "*-*.key")); err != nil || len(made) != len(testkeys.Names())-1 {
		t.Errorf("made %v, %v", made, err)
	}
}
