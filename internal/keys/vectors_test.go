package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

func TestFilesOfOthers(t *testing.T) {
	filesOfOthers(t, filepath.Join("..", "..", "testdata", "vectors"))
}

// filesOfOthers reads all key-* vectors of a folder; internal/ci/signvectors captures
// them.
func filesOfOthers(t *testing.T, root string) {
	dirs, err := filepath.Glob(filepath.Join(root, "key-*"))
	if err != nil || len(dirs) < 28 {
		t.Fatalf("%d vectors, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) { fileOfOthers(t, dir) })
	}
}

func fileOfOthers(t *testing.T, dir string) {
	var want struct {
		Passphrase, Signer, Refusal, File string
		Key                               bool
		Certificates                      int
	}
	text, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, want.File)
	var key crypto.Signer
	var certs []*x509.Certificate
	switch {
	case strings.HasSuffix(path, ".p12"):
		key, certs, err = LoadPKCS12(path, want.Passphrase)
		if want.Refusal == "" {
			wrongPassphrase(t, path, want.Passphrase)
		}
	case want.Key:
		key, err = Private(path)
	default:
		certs, err = Certificates(path)
	}
	if want.Refusal != "" {
		if err == nil || !strings.Contains(err.Error(), want.Refusal) || key != nil || certs != nil {
			t.Errorf("%v, %d certificates, %v; want %q", key, len(certs), err, want.Refusal)
		}
		return
	}
	if err != nil || len(certs) != want.Certificates || (key != nil) != want.Key {
		t.Fatalf("%T, %d certificates, %v", key, len(certs), err)
	}
	cert, _ := testkeys.Load(want.Signer)
	if key != nil && Match(cert, key) != nil {
		t.Error("another key")
	}
	if len(certs) > 0 && !certs[0].Equal(cert) {
		t.Errorf("certificate of %q", certs[0].Subject)
	}
}

func wrongPassphrase(t *testing.T, path, right string) {
	t.Helper()
	for _, wrong := range []string{"Gehe1m?", right + right + "x"} {
		key, certs, err := LoadPKCS12(path, wrong)
		if err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") || !strings.Contains(err.Error(), path) || key != nil || certs != nil {
			t.Errorf("passphrase %q: %v, %d certificates, %v", wrong, key, len(certs), err)
		}
		if strings.Contains(err.Error(), wrong) {
			t.Errorf("the passphrase is in the error: %v", err)
		}
	}
	if _, err := Certificates(path); err == nil || !strings.Contains(err.Error(), "cert import") {
		t.Errorf("read as certificates: %v", err)
	}
	if _, err := Private(path); err == nil || !strings.Contains(err.Error(), "cert import") {
		t.Errorf("read as a private key: %v", err)
	}
}
