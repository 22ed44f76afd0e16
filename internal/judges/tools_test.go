//go:build judges

package judges

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// programs is where the judges' own programs lie.
const programs = "../../testdata/judges"

// python is the interpreter that make judges has equipped with pyas2-lib.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AS2DROP_JUDGE_PYTHON")
	if path == "" {
		t.Fatal("AS2DROP_JUDGE_PYTHON is not set: run make judges")
	}
	return path
}

// result is how a program ended. A program that could not be started at all fails the test.
type result struct {
	Code           int
	Stdout, Stderr string
}

func run(t *testing.T, stdin []byte, name string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// identity is a self-signed certificate with its key, in two PEM files.
type identity struct{ Certificate, Key string }

// newIdentity makes one in dir. The subject key identifier is there because OpenSSL, on
// which pyas2-lib stands, looks for the issuer of a certificate by it.
func newIdentity(t *testing.T, dir, name string) identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{Country: []string{"AT"}, CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		SubjectKeyId:          []byte(name),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	for path, block := range map[string]*pem.Block{
		id.Certificate: {Type: "CERTIFICATE", Bytes: certificate},
		id.Key:         {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return id
}
