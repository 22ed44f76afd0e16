//go:build judges

package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const keysFolder = "../testdata/keys/"

// envelopeContent is what the vectors cms-* hold.
const envelopeContent = "Content-Type: application/edifact\r\nContent-Disposition: attachment; filename=\"ORD-77120.edi\"\r\n\r\n" +
	"UNA:+.? 'UNB+UNOC:3+PARTNER:14+US:14+261123:1200+77120'UNZ+0+77120'\r\n"

// judged is one message of ours for the judges.
type judged struct {
	name, file string
	plain      []byte
	cipher     Cipher
	to         []Recipient
}

// ourEnvelopes writes a message for every cipher and size, for every transport by name
// and by key identifier, and for several recipients.
func ourEnvelopes(t *testing.T, dir string) (all []judged) {
	t.Helper()
	us, partner, other := committed("us-rsa").Certificate, committed("partner-rsa").Certificate, committed("stranger-rsa").Certificate
	for _, size := range []int{0, 1, 15, 16, 17, 65536, 200_000} {
		for _, c := range every() {
			all = append(all, judged{name: fmt.Sprint(c, " ", size), cipher: c, plain: make([]byte, size), to: []Recipient{{Certificate: us}}})
		}
	}
	for _, name := range KeyTransports() {
		k, err := ParseKeyTransport(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Cipher{AES256CBC, AES128GCM} {
			all = append(all,
				judged{name: fmt.Sprint(c, " ", k), cipher: c, plain: []byte("invoice"), to: []Recipient{{us, k, false}}},
				judged{name: fmt.Sprint(c, " ", k, " by key identifier"), cipher: c, plain: []byte("invoice"), to: []Recipient{{us, k, true}}},
				judged{name: fmt.Sprint(c, " ", k, " to three"), cipher: c, plain: []byte("invoice"), to: []Recipient{{partner, RSAPKCS1, false}, {us, k, false}, {other, k, true}}},
			)
		}
	}
	for i := range all {
		j := &all[i]
		rand.Read(j.plain)
		j.file = filepath.Join(dir, fmt.Sprintf("ours-%d.p7m", i))
		var out bytes.Buffer
		w, err := Encrypt(&out, EncryptOptions{Cipher: j.cipher, Recipients: j.to, Rand: rand.Reader, Spool: newMemory})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(j.plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, j.file, out.Bytes())
	}
	return all
}

// Bouncy Castle opens everything that we write.
func TestJudgeBouncyCastleOpensOurs(t *testing.T) {
	dir := t.TempDir()
	all := ourEnvelopes(t, dir)
	var cases [][]string
	for _, j := range all {
		cases = append(cases, []string{"decrypt", j.file, j.file + ".plain", keysFolder + "us-rsa.pem", keysFolder + "us-rsa.key"})
	}
	for i, answer := range castleProgram(t, "BcCms.java", cases...) {
		got, err := os.ReadFile(all[i].file + ".plain")
		if answer != "ok" || err != nil || !bytes.Equal(got, all[i].plain) {
			t.Errorf("%s: %s, %d bytes, %v", all[i].name, answer, len(got), err)
		}
	}
}

// openssl has no IDEA and no CCM, and of CAST5 only its own parameters, which RFC 2984
// does not know. It opens everything else that we write.
func TestJudgeOpenSSLOpensOurs(t *testing.T) {
	dir := t.TempDir()
	opened := 0
	for _, j := range ourEnvelopes(t, dir) {
		plain := j.file + ".plain"
		out, err := exec.Command("openssl", "cms", "-decrypt", "-provider", "legacy", "-provider", "default", "-binary", "-inform", "DER", "-in", j.file,
			"-recip", keysFolder+"us-rsa.pem", "-inkey", keysFolder+"us-rsa.key", "-out", plain).CombinedOutput()
		cannot := j.cipher == IDEACBC || j.cipher == CAST5CBC || j.cipher.spec().mode == modeCCM
		if cannot {
			if err == nil {
				t.Errorf("%s: openssl has learnt %v: judge it by that as well", j.name, j.cipher)
			}
			continue
		}
		got, readErr := os.ReadFile(plain)
		if err != nil || readErr != nil || !bytes.Equal(got, j.plain) {
			t.Errorf("%s: %v, %d bytes, %v: %s", j.name, err, len(got), readErr, out)
		}
		opened++
	}
	if opened < 90 {
		t.Errorf("openssl opened only %d", opened)
	}
}

// capture is one message of somebody else's.
type capture struct {
	name  string
	want  envelopeVector
	args  []string // of openssl cms -encrypt, or cipher and transport of BcCms.java
	keys  []string // options of openssl behind each certificate
	forms string   // of BcCms.java
	to    []string // of testdata/keys
}

// captures are the messages that vectors are made of.
func captures() (openssl, castle []capture) {
	us := []string{"us-rsa"}
	three := []string{"partner-rsa", "stranger-rsa", "us-rsa"}
	ossl := func(name string, c Cipher, k KeyTransport, to []string, args ...string) {
		openssl = append(openssl, capture{name: name, want: envelopeVector{Cipher: c.String(), Transport: k.String()}, args: args, to: to})
	}
	for c, arg := range map[Cipher]string{DESEDE3CBC: "-des3", CAST5CBC: "-cast5-cbc", RC2CBC40: "-rc2-40", RC2CBC64: "-rc2-64", RC2CBC128: "-rc2-128"} {
		ossl(c.String(), c, RSAPKCS1, us, arg)
	}
	for _, c := range ModernCiphers() {
		if c.spec().mode != modeCCM {
			ossl(c.String(), c, RSAPKCS1, us, "-"+c.String())
			ossl(c.String()+"-stream", c, RSAPKCS1, us, "-"+c.String(), "-stream")
		}
	}
	for k := OAEPSHA1; k <= OAEPSHA512; k++ {
		digest := strings.ReplaceAll(transports[k].digest.String(), "-", "") // as OpenSSL spells it
		ossl("oaep-"+digest, AES256CBC, k, us, "-aes-256-cbc")
		openssl[len(openssl)-1].keys = oaepOptions("rsa_oaep_md:" + digest)
	}
	ossl("oaep-sha256-mgf1-sha1", AES128GCM, OAEPSHA256, us, "-aes-128-gcm")
	openssl[len(openssl)-1].keys = oaepOptions("rsa_oaep_md:sha256", "rsa_mgf1_md:sha1")
	ossl("keyid", AES256CBC, RSAPKCS1, us, "-aes-256-cbc", "-keyid")
	ossl("three-recipients", AES256GCM, RSAPKCS1, three, "-aes-256-gcm")

	bc := func(name string, c Cipher, transport string, to []string, forms string) {
		oaep, _, _ := strings.Cut(transport, "-mgf1-")
		k, err := ParseKeyTransport(oaep)
		if err != nil {
			panic(err) // the list below is wrong
		}
		castle = append(castle, capture{name: name, want: envelopeVector{Cipher: c.String(), Transport: k.String()}, args: []string{c.String(), transport}, forms: forms, to: to})
	}
	for _, c := range every() {
		bc(c.String(), c, "rsa", us, "whole")
		bc(c.String()+"-stream", c, "rsa", us, "stream")
		if c.Authenticated() {
			bc(c.String()+"-appended", c, "rsa", us, "appended")
			bc(c.String()+"-attributes", c, "oaep-sha1", us, "attributes")
		}
	}
	bc("aes-256-gcm-appended-stream", AES256GCM, "rsa", us, "appended+stream")
	bc("aes-256-ccm-appended-stream", AES256CCM, "rsa", us, "appended+stream")
	bc("aes-256-ccm-attributes-stream", AES256CCM, "rsa", us, "attributes+stream")
	for _, transport := range []string{"oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512", "oaep-sha256-mgf1-sha1", "oaep-sha512-mgf1-sha256"} {
		bc(transport, AES256CBC, transport, us, "whole")
	}
	bc("keyid", AES256CBC, "rsa", us, "keyid")
	bc("three-recipients", AES256CBC, "oaep-sha256", three, "whole+keyid")
	return openssl, castle
}

func oaepOptions(more ...string) (args []string) {
	for _, option := range append([]string{"rsa_padding_mode:oaep"}, more...) {
		args = append(args, "-keyopt", option)
	}
	return args
}

// TestJudgeCaptures has openssl and Bouncy Castle encrypt in every way that they have,
// and opens it. With -update what they wrote becomes vectors:
//
//	.ci/judges.sh -- go test -tags judges -run TestJudgeCaptures ./cms -update
func TestJudgeCaptures(t *testing.T) {
	root := t.TempDir()
	if *update {
		root = filepath.Join("..", "testdata", "vectors")
	}
	openssl, castle := captures()
	content := []byte(envelopeContent)
	plain := write(t, filepath.Join(t.TempDir(), "plain"), content)
	version, err := exec.Command("openssl", "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range openssl {
		dir := newVector(t, root, "openssl", c, strings.Join(strings.Fields(string(version))[:2], " "), append(slices.Clone(c.args), c.keys...))
		args := append([]string{"cms", "-encrypt", "-provider", "legacy", "-provider", "default", "-binary", "-in", plain, "-outform", "DER", "-out", filepath.Join(dir, "message.der")}, c.args...)
		for _, to := range c.to {
			args = append(append(args, "-recip", keysFolder+to+".pem"), c.keys...)
		}
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %v: %v: %s", args, err, out)
		}
	}
	var cases [][]string
	for _, c := range castle {
		dir := newVector(t, root, "bouncycastle", c, "Bouncy Castle "+castleVersion(t), append(c.args, c.forms))
		line := append([]string{"encrypt", plain, filepath.Join(dir, "message.der")}, append(c.args, c.forms)...)
		for _, to := range c.to {
			line = append(line, keysFolder+to+".pem")
		}
		cases = append(cases, line)
	}
	for i, answer := range castleProgram(t, "BcCms.java", cases...) {
		if answer != "ok" {
			t.Errorf("%v: %s", cases[i], answer)
		}
	}
	envelopesOfOthers(t, root)
}

// newVector writes all of a vector but the message.
func newVector(t *testing.T, root, product string, c capture, version string, args []string) string {
	t.Helper()
	dir := filepath.Join(root, "cms-"+product+"-"+c.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(envelopeContent))
	c.want.Origin = version + ": " + strings.Join(args, " ")
	c.want.Plaintext, c.want.Key, c.want.Recipients = hex.EncodeToString(sum[:]), "us-rsa", len(c.to)
	text, err := json.MarshalIndent(c.want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "expect.json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// castleVersion is that of the jar in the class path.
func castleVersion(t *testing.T) string {
	t.Helper()
	for _, jar := range filepath.SplitList(os.Getenv("AS2DROP_JUDGE_BC")) {
		if v, ok := strings.CutPrefix(filepath.Base(jar), "bcpkix-jdk18on-"); ok {
			return strings.TrimSuffix(v, ".jar")
		}
	}
	t.Fatal("AS2DROP_JUDGE_BC names no bcpkix: run .ci/judges.sh")
	return ""
}
