package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ExpectFile is what a key or certificate file must be read as; package keys reads it
// from expect.json.
type ExpectFile struct {
	Origin       string `json:"origin"`
	Passphrase   string `json:"passphrase,omitempty"`
	Signer       string `json:"signer"`            // whose key or first certificate it is, of testdata/keys
	Key          bool   `json:"key"`               // it holds the private key
	Certificates int    `json:"certificates"`      // it holds
	Refusal      string `json:"refusal,omitempty"` // part of the error that must come instead
	Filename     string `json:"file"`              // beside expect.json
}

const passphrase = "secret"

// keyFile is a file that a command makes. The arguments may name @OUT, the file, and
// @DIR, the folder of the vectors.
type keyFile struct {
	name string
	ExpectFile
	command []string
}

func keyFiles() []keyFile {
	const pass, umlauts = "pass:" + passphrase, "Grüße"
	rsaPEM, rsaKey, ecPEM, ecKey := pem("us-rsa"), key("us-rsa"), pem("us-ecdsa"), key("us-ecdsa")
	export := func(cert, key, pass string, more ...string) []string {
		return append([]string{"openssl", "pkcs12", "-export", "-in", cert, "-inkey", key, "-name", "us", "-passout", pass, "-out", "@OUT"}, more...)
	}
	p12 := func(signer, pass string, certs int) ExpectFile {
		return ExpectFile{Passphrase: pass, Signer: signer, Key: true, Certificates: certs, Filename: "keys.p12"}
	}
	certs := func(signer, file string, n int) ExpectFile {
		return ExpectFile{Signer: signer, Certificates: n, Filename: file}
	}
	private := func(signer, file string) ExpectFile { return ExpectFile{Signer: signer, Key: true, Filename: file} }
	refused := func(e ExpectFile, why string) ExpectFile { e.Refusal = why; return e }
	java := []string{"keytool", "-importkeystore", "-noprompt", "-srckeystore", filepath.Join("@DIR", "key-openssl-p12-aes", "keys.p12"), "-srcstoretype", "PKCS12",
		"-srcstorepass", passphrase, "-deststoretype", "PKCS12", "-deststorepass", passphrase, "-destkeystore", "@OUT"}
	return []keyFile{
		{"openssl-p12-aes", p12("us-rsa", passphrase, 1), export(rsaPEM, rsaKey, pass)},
		{"openssl-p12-rc2", p12("us-rsa", passphrase, 1), export(rsaPEM, rsaKey, pass, "-legacy")},
		{"openssl-p12-3des", p12("us-rsa", passphrase, 1), export(rsaPEM, rsaKey, pass, "-legacy", "-descert")},
		{"openssl-p12-rc2-128", p12("us-rsa", passphrase, 1), export(rsaPEM, rsaKey, pass, "-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128")},
		{"openssl-p12-sha1-mac", p12("us-rsa", passphrase, 1), export(rsaPEM, rsaKey, pass, "-macalg", "sha1")},
		{"openssl-p12-chain", p12("us-rsa", passphrase, 2), export(rsaPEM, rsaKey, pass, "-certfile", pem("partner-rsa"))},
		{"openssl-p12-ecdsa", p12("us-ecdsa", passphrase, 1), export(ecPEM, ecKey, pass)},
		{"openssl-p12-empty", p12("us-rsa", "", 1), export(rsaPEM, rsaKey, "pass:")},
		{"openssl-p12-umlauts", p12("us-rsa", umlauts, 1), export(rsaPEM, rsaKey, "pass:"+umlauts)},
		{"openssl-p12-nokeys", refused(p12("us-rsa", passphrase, 1), "-nokeys"), []string{"openssl", "pkcs12", "-export", "-nokeys", "-in", rsaPEM, "-passout", pass, "-out", "@OUT"}},
		{"keytool-p12", p12("us-rsa", passphrase, 1), java},
		{"keytool-p12-legacy", p12("us-rsa", passphrase, 1), append(java, "-J-Dkeystore.pkcs12.legacy")},
		{"openssl-p7b", certs("us-rsa", "chain.p7b", 2), []string{"openssl", "crl2pkcs7", "-nocrl", "-certfile", rsaPEM, "-certfile", pem("partner-rsa"), "-outform", "DER", "-out", "@OUT"}},
		{"openssl-p7b-pem", certs("us-ecdsa", "chain.p7b", 1), []string{"openssl", "crl2pkcs7", "-nocrl", "-certfile", ecPEM, "-out", "@OUT"}},
		{"openssl-cer", certs("us-rsa", "us.cer", 1), []string{"openssl", "x509", "-in", rsaPEM, "-outform", "DER", "-out", "@OUT"}},
		{"openssl-text-pem", certs("us-rsa", "us.pem", 1), []string{"openssl", "x509", "-in", rsaPEM, "-text", "-out", "@OUT"}},
		{"openssl-trusted-pem", certs("us-rsa", "us.pem", 1), []string{"openssl", "x509", "-in", rsaPEM, "-trustout", "-setalias", "us", "-addtrust", "emailProtection", "-out", "@OUT"}},
		{"openssl-pkcs1", private("us-rsa", "us.key"), []string{"openssl", "pkey", "-in", rsaKey, "-traditional", "-out", "@OUT"}},
		{"openssl-pkcs1-der", private("us-rsa", "us.key"), []string{"openssl", "pkey", "-in", rsaKey, "-traditional", "-outform", "DER", "-out", "@OUT"}},
		{"openssl-sec1", private("us-ecdsa", "us.key"), []string{"openssl", "ec", "-in", ecKey, "-out", "@OUT"}},
		{"openssl-sec1-der", private("us-ecdsa", "us.key"), []string{"openssl", "ec", "-in", ecKey, "-outform", "DER", "-out", "@OUT"}},
		{"openssl-pkcs8-der", private("us-rsa", "us.key"), []string{"openssl", "pkcs8", "-topk8", "-nocrypt", "-in", rsaKey, "-outform", "DER", "-out", "@OUT"}},
		{"openssl-pkcs8-encrypted", refused(private("us-rsa", "us.key"), "openssl pkey"), []string{"openssl", "pkcs8", "-topk8", "-in", rsaKey, "-passout", pass, "-out", "@OUT"}},
		{"openssl-pkcs8-encrypted-der", refused(private("us-rsa", "us.key"), "openssl pkey"), []string{"openssl", "pkcs8", "-topk8", "-in", rsaKey, "-passout", pass, "-outform", "DER", "-out", "@OUT"}},
		{"openssl-pkcs1-encrypted", refused(private("us-rsa", "us.key"), "openssl pkey"), []string{"openssl", "rsa", "-traditional", "-aes128", "-in", rsaKey, "-passout", pass, "-out", "@OUT"}},
		{"openssl-sec1-encrypted", refused(private("us-ecdsa", "us.key"), "openssl pkey"), []string{"openssl", "ec", "-aes128", "-in", ecKey, "-passout", pass, "-out", "@OUT"}},
	}
}

// make writes expect.json and returns where the file belongs.
func (e ExpectFile) make(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, e.Filename)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err // keytool would add to it
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(filepath.Join(dir, "expect.json"), append(text, '\n'), 0o644)
}

func files(dir string) error {
	for _, f := range keyFiles() {
		f.Origin = strings.Join(f.command, " ")
		out, err := f.ExpectFile.make(filepath.Join(dir, "key-"+f.name))
		if err != nil {
			return err
		}
		var args []string
		for _, a := range f.command {
			args = append(args, strings.NewReplacer("@OUT", out, "@DIR", dir).Replace(a))
		}
		if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("signvectors: %v: %w: %s", args, err, text)
		}
	}
	return nil
}

// castleFiles are lines for BcSign.java.
func castleFiles(dir string) (lines [][]string, err error) {
	for name, typ := range map[string]string{"ber": "PKCS12", "ber-3des": "PKCS12-3DES-3DES"} {
		e := ExpectFile{Origin: "Bouncy Castle 1.87: BcSign.java p12 " + typ, Passphrase: passphrase, Signer: "us-rsa", Key: true, Certificates: 1, Filename: "keys.p12"}
		out, err := e.make(filepath.Join(dir, "key-bouncycastle-p12-"+name))
		if err != nil {
			return nil, err
		}
		lines = append(lines, []string{"p12", out, typ, passphrase, pem("us-rsa"), key("us-rsa")})
	}
	return lines, nil
}
