// Command signvectors captures signatures and compressed messages of OpenSSL and Bouncy
// Castle as vectors: testdata/vectors/sign-PRODUCT-CASE with signature.der, content and
// expect.json, and compressed-PRODUCT-CASE with message.der and content; and files with
// certificates and keys of them and of keytool as key-PRODUCT-CASE. The keys are those
// in testdata/keys.
//
// It runs in the root of the repository, replaces vectors of the same name, and leaves
// others alone. The judges know where Bouncy Castle is:
//
//	.ci/judges.sh -- go run ./internal/ci/signvectors
//	.ci/judges.sh -- go run ./internal/ci/signvectors DIR    # elsewhere
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Expect is what a vector must be read as; package cms reads it from expect.json.
type Expect struct {
	Origin     string `json:"origin"` // the product and the command
	Signer     string `json:"signer"` // of testdata/keys
	Digest     string `json:"digest"`
	Scheme     string `json:"scheme"`
	Attributes bool   `json:"attributes"`
	Opaque     bool   `json:"opaque"`
	ByKeyID    bool   `json:"by_key_id"`
}

// content is one MIME entity as AS2 signs it.
const content = "Content-Type: application/edifact\r\nContent-Disposition: attachment; filename=\"ORD-77120.edi\"\r\n\r\n" +
	"UNA:+.? 'UNB+UNOC:3+US:14+PARTNER:14+261123:1200+77120'UNZ+0+77120'\r\n"

func main() {
	dir := filepath.Join("testdata", "vectors")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for _, capture := range []func(string) error{openssl, files} {
		if err := capture(dir); err != nil {
			return err
		}
	}
	return castle(dir)
}

// make writes all of a vector but the signature.
func (e Expect) make(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "content"), []byte(content), 0o644), os.WriteFile(filepath.Join(dir, "expect.json"), append(text, '\n'), 0o644))
}

// form is one way of a product to sign.
type form struct {
	name    string
	scheme  string // rsa-pkcs1, rsa-pss, ecdsa
	digest  string // as on our wire
	args    []string
	noattr  bool
	opaque  bool
	keyID   bool
	program string // of openssl; empty = cms
}

var digests = []string{"sha1", "sha-224", "sha-256", "sha-384", "sha-512"}

func opensslForms() []form {
	pss := []string{"-keyopt", "rsa_padding_mode:pss"}
	var all []form
	for _, d := range digests {
		all = append(all, form{name: "rsa-" + d, scheme: "rsa-pkcs1", digest: d}, form{name: "pss-" + d, scheme: "rsa-pss", digest: d, args: append(pss, "-keyopt", "rsa_pss_saltlen:-1")},
			form{name: "ecdsa-" + d, scheme: "ecdsa", digest: d})
	}
	with := func(more ...string) []string { return append(append([]string(nil), pss...), more...) }
	return append(all,
		form{name: "rsa-noattr", scheme: "rsa-pkcs1", digest: "sha-256", args: []string{"-noattr"}, noattr: true},
		form{name: "pss-noattr", scheme: "rsa-pss", digest: "sha-256", args: with("-noattr"), noattr: true},
		form{name: "ecdsa-noattr", scheme: "ecdsa", digest: "sha-256", args: []string{"-noattr"}, noattr: true},
		form{name: "rsa-keyid", scheme: "rsa-pkcs1", digest: "sha-256", args: []string{"-keyid"}, keyID: true},
		form{name: "rsa-nocerts", scheme: "rsa-pkcs1", digest: "sha-256", args: []string{"-nocerts"}},
		form{name: "rsa-opaque", scheme: "rsa-pkcs1", digest: "sha-256", args: []string{"-nodetach"}, opaque: true},
		form{name: "ecdsa-opaque-stream", scheme: "ecdsa", digest: "sha-384", args: []string{"-nodetach", "-stream"}, opaque: true},
		form{name: "pss-no-salt", scheme: "rsa-pss", digest: "sha-256", args: with("-keyopt", "rsa_pss_saltlen:0")},
		form{name: "pss-most-salt", scheme: "rsa-pss", digest: "sha-256", args: with("-keyopt", "rsa_pss_saltlen:222")},
		form{name: "pss-mask-sha1", scheme: "rsa-pss", digest: "sha-256", args: with("-keyopt", "rsa_mgf1_md:sha1", "-keyopt", "rsa_pss_saltlen:20")},
		form{name: "pss-mask-sha-512", scheme: "rsa-pss", digest: "sha-256", args: with("-keyopt", "rsa_mgf1_md:sha512", "-keyopt", "rsa_pss_saltlen:32")},
		form{name: "rsa-pkcs7", scheme: "rsa-pkcs1", digest: "sha1", program: "smime"},
	)
}

func (f form) signer() string {
	if f.scheme == "ecdsa" {
		return "us-ecdsa"
	}
	return "us-rsa"
}

func (f form) expect(origin string) Expect {
	return Expect{Origin: origin, Signer: f.signer(), Digest: f.digest, Scheme: f.scheme, Attributes: !f.noattr, Opaque: f.opaque, ByKeyID: f.keyID}
}

func pem(name string) string { return filepath.Join("testdata", "keys", name+".pem") }
func key(name string) string { return filepath.Join("testdata", "keys", name+".key") }

func openssl(dir string) error {
	version, err := exec.Command("openssl", "version").Output()
	if err != nil {
		return fmt.Errorf("signvectors: openssl: %w", err)
	}
	product := strings.Join(strings.Fields(string(version))[:2], " ")
	for _, f := range opensslForms() {
		folder := filepath.Join(dir, "sign-openssl-"+f.name)
		program := f.program
		if program == "" {
			program = "cms"
		}
		args := append([]string{program, "-sign", "-binary", "-md", strings.ReplaceAll(f.digest, "-", ""), "-outform", "DER", "-signer", pem(f.signer()), "-inkey", key(f.signer())}, f.args...)
		if err := f.expect(product + ": openssl " + strings.Join(args, " ")).make(folder); err != nil {
			return err
		}
		args = append(args, "-in", filepath.Join(folder, "content"), "-out", filepath.Join(folder, "signature.der"))
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("signvectors: openssl %v: %w: %s", args, err, out)
		}
	}
	return nil
}

// castleForm is one line for BcSign.java.
type castleForm struct {
	form
	algorithm, forms string
}

func castleForms() []castleForm {
	var all []castleForm
	for _, d := range digests {
		java := strings.ToUpper(strings.ReplaceAll(d, "-", ""))
		size := map[string]int{"sha1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}[d]
		dashed := "SHA-" + java[3:]
		all = append(all,
			castleForm{form{name: "rsa-" + d, scheme: "rsa-pkcs1", digest: d}, java + "withRSA", "detached"},
			castleForm{form{name: "pss-" + d, scheme: "rsa-pss", digest: d}, fmt.Sprintf("PSS:%s:%d", dashed, size), "detached"},
			castleForm{form{name: "ecdsa-" + d, scheme: "ecdsa", digest: d}, java + "withECDSA", "detached"},
			castleForm{form{name: "bare-digestinfo-" + d, scheme: "rsa-pkcs1", digest: d}, "BARE:" + dashed, "detached"})
	}
	return append(all,
		castleForm{form{name: "rsa-noattr", scheme: "rsa-pkcs1", digest: "sha-256", noattr: true}, "SHA256withRSA", "detached+noattr"},
		castleForm{form{name: "ecdsa-noattr", scheme: "ecdsa", digest: "sha-256", noattr: true}, "SHA256withECDSA", "detached+noattr"},
		castleForm{form{name: "rsa-keyid", scheme: "rsa-pkcs1", digest: "sha-256", keyID: true}, "SHA256withRSA", "detached+keyid"},
		castleForm{form{name: "rsa-opaque", scheme: "rsa-pkcs1", digest: "sha-256", opaque: true}, "SHA256withRSA", "opaque"},
		castleForm{form{name: "ecdsa-opaque-stream", scheme: "ecdsa", digest: "sha-256", opaque: true}, "SHA256withECDSA", "opaque+stream"},
		castleForm{form{name: "rsa-detached-stream", scheme: "rsa-pkcs1", digest: "sha-512"}, "SHA512withRSA", "detached+stream"},
		castleForm{form{name: "pss-no-salt", scheme: "rsa-pss", digest: "sha-256"}, "PSS:SHA-256:0", "detached"},
		castleForm{form{name: "pss-noattr-most-salt", scheme: "rsa-pss", digest: "sha-256", noattr: true}, "PSS:SHA-256:222", "detached+noattr"},
	)
}

// castle has Bouncy Castle sign and compress everything in one run of Java.
func castle(dir string) error {
	path := os.Getenv("AS2DROP_JUDGE_BC")
	if path == "" {
		return errors.New("signvectors: AS2DROP_JUDGE_BC is not set: run it by .ci/judges.sh -- go run ./internal/ci/signvectors")
	}
	cases, err := os.CreateTemp("", "signvectors-*")
	if err != nil {
		return err
	}
	defer os.Remove(cases.Name()) // a left-over in the temporary folder harms nobody
	for _, f := range castleForms() {
		folder := filepath.Join(dir, "sign-bouncycastle-"+f.name)
		if err := f.expect("Bouncy Castle 1.87: BcSign.java sign " + f.algorithm + " " + f.forms).make(folder); err != nil {
			return err
		}
		fmt.Fprintln(cases, strings.Join([]string{"sign", filepath.Join(folder, "content"), filepath.Join(folder, "signature.der"), pem(f.signer()), key(f.signer()), f.algorithm, f.forms}, "\t"))
	}
	for _, form := range []string{"whole", "stream"} {
		folder := filepath.Join(dir, "compressed-bouncycastle-"+form)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		// Longer than the segments that Bouncy Castle writes.
		if err := os.WriteFile(filepath.Join(folder, "content"), bytes.Repeat([]byte(content), 50), 0o644); err != nil {
			return err
		}
		fmt.Fprintln(cases, strings.Join([]string{"compress", filepath.Join(folder, "content"), filepath.Join(folder, "message.der"), form}, "\t"))
	}
	lines, err := castleFiles(dir)
	if err != nil {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(cases, strings.Join(line, "\t"))
	}
	if err := cases.Close(); err != nil {
		return err
	}
	out, err := exec.Command("java", "-cp", path, filepath.Join("testdata", "judges", "BcSign.java"), cases.Name()).CombinedOutput()
	if err != nil || strings.Contains(string(out), "fail") {
		return fmt.Errorf("signvectors: Bouncy Castle: %w: %s", err, out)
	}
	return nil
}
