//go:build judges

package keys

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

// judge runs a program of others; its failure fails the test.
func judge(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// openssl, Java's keytool and Bouncy Castle read our PKCS#12 files, modern and legacy.
func TestJudgePKCS12(t *testing.T) {
	castle := os.Getenv("AS2DROP_JUDGE_BC")
	if castle == "" {
		t.Fatal("AS2DROP_JUDGE_BC is not set: run .ci/judges.sh")
	}
	dir := t.TempDir()
	root := filepath.Join("..", "..", "testdata")
	partner, _ := testkeys.Load("partner-rsa")
	var cases strings.Builder
	for _, name := range []string{"us-rsa", "us-ecdsa"} {
		cert, key := testkeys.Load(name)
		for _, form := range []string{"modern", "legacy"} {
			b, err := EncodePKCS12(key, []*x509.Certificate{cert, partner}, "secret", form == "legacy")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+"-"+form+".p12")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			text := judge(t, "openssl", "pkcs12", "-in", path, "-nodes", "-passin", "pass:secret", "-legacy")
			if strings.Count(text, "BEGIN CERTIFICATE") != 2 || !strings.Contains(text, "BEGIN PRIVATE KEY") {
				t.Errorf("%s, %s: openssl reads %s", name, form, text)
			}
			if exec.Command("openssl", "pkcs12", "-in", path, "-nodes", "-passin", "pass:wrong", "-legacy").Run() == nil {
				t.Errorf("%s, %s: openssl reads it with another passphrase", name, form)
			}
			if list := judge(t, "keytool", "-list", "-keystore", path, "-storetype", "PKCS12", "-storepass", "secret"); !strings.Contains(list, "PrivateKeyEntry") {
				t.Errorf("%s, %s: keytool lists %s", name, form, list)
			}
			cases.WriteString(strings.Join([]string{"p12read", path, "PKCS12", "secret", filepath.Join(root, "keys", name+".pem")}, "\t") + "\n")
		}
	}
	file := filepath.Join(dir, "cases")
	if err := os.WriteFile(file, []byte(cases.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := judge(t, "java", "-cp", castle, filepath.Join(root, "judges", "BcSign.java"), file); got != "ok\nok\nok\nok\n" {
		t.Errorf("Bouncy Castle: %s", got)
	}
}

// What openssl, keytool and Bouncy Castle write today is read like the vectors.
func TestJudgeFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	capture := exec.Command("go", "run", "./internal/ci/signvectors", dir)
	capture.Dir = filepath.Join("..", "..")
	if out, err := capture.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	filesOfOthers(t, dir)
}

// openssl finds in our certificates what every product wants to find.
func TestJudgeCertificatesWeMake(t *testing.T) {
	for name, r := range map[string]Request{"RSA": {Bits: 2048, Country: "AT"}, "ECDSA": {Curve: "p384"}} {
		dir := t.TempDir()
		cert := filepath.Join(dir, "c.pem")
		r.Name, r.Now = "MY COMPANY", now
		if err := Make(r, cert, filepath.Join(dir, "k.pem")); err != nil {
			t.Fatal(err)
		}
		text := judge(t, "openssl", "x509", "-in", cert, "-noout", "-text")
		for _, want := range []string{"Version: 3", "Subject Key Identifier", "Subject Alternative Name", "Digital Signature", "CN = MY COMPANY"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", name, want, text)
			}
		}
		judge(t, "openssl", "verify", "-CAfile", cert, "-no_check_time", cert)
		judge(t, "openssl", "pkey", "-in", filepath.Join(dir, "k.pem"), "-check", "-noout")
		bundle, err := EncodeBundle([]*x509.Certificate{mustLoad(t, cert), mustLoad(t, cert)})
		if err != nil {
			t.Fatal(err)
		}
		p7b := filepath.Join(dir, "b.p7b")
		if err := os.WriteFile(p7b, bundle, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(judge(t, "openssl", "pkcs7", "-inform", "DER", "-in", p7b, "-print_certs"), "BEGIN CERTIFICATE"); n != 2 {
			t.Errorf("%s: openssl finds %d certificates in the bundle", name, n)
		}
	}
}

func mustLoad(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	certs, err := Certificates(path)
	if err != nil {
		t.Fatal(err)
	}
	return certs[0]
}
