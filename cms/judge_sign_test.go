//go:build judges

package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// castle has Bouncy Castle work through cases, each a line of BcSign.java's, and
// returns its answers.
func castle(t *testing.T, cases ...[]string) []string {
	t.Helper()
	return castleProgram(t, "BcSign.java", cases...)
}

// castleProgram is castle with another program.
func castleProgram(t *testing.T, program string, cases ...[]string) []string {
	t.Helper()
	path := os.Getenv("AS2DROP_JUDGE_BC")
	if path == "" {
		t.Fatal("AS2DROP_JUDGE_BC is not set: run .ci/judges.sh")
	}
	var lines strings.Builder
	for _, c := range cases {
		lines.WriteString(strings.Join(c, "\t") + "\n")
	}
	file := filepath.Join(t.TempDir(), "cases")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("java", "-cp", path, filepath.Join("..", "testdata", "judges", program), file).CombinedOutput()
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases, %v: %s", len(answers), len(cases), err, out)
	}
	return answers
}

// certFile puts a certificate into a PEM file.
func certFile(t *testing.T, path string, cert *x509.Certificate) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every way in which we sign, detached and opaque, is read by openssl and by Bouncy
// Castle; and neither takes it for other content.
func TestJudgeOurSignatures(t *testing.T) {
	dir := t.TempDir()
	content := []byte("Content-Type: application/edifact\r\n\r\nUNA:+.? '\r\n" + strings.Repeat("LIN+1'\r\n", 20_000))
	file, other := write(t, filepath.Join(dir, "content"), content), write(t, filepath.Join(dir, "other"), content[1:])
	var cases [][]string
	var about []string
	for name, signer := range signers(t) {
		base := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		cert := certFile(t, base+".pem", signer.Certificate)
		der, err := signer.Sign(digestOf(signer.Digest, content)[signer.Digest], moment)
		if err != nil {
			t.Fatal(err)
		}
		detached, around := write(t, base+".p7s", der), write(t, base+".p7m", opaque(t, signer, content))
		verify := []string{"cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-CAfile", cert, "-no_check_time"}
		openssl(t, append(verify, "-in", detached, "-content", file, "-out", os.DevNull)...)
		if exec.Command("openssl", append(verify, "-in", detached, "-content", other, "-out", os.DevNull)...).Run() == nil {
			t.Errorf("%s: openssl takes it for other content", name)
		}
		inner := base + ".content"
		openssl(t, append(verify, "-in", around, "-out", inner)...)
		if got, err := os.ReadFile(inner); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: openssl reads %d bytes of opaque content, %v", name, len(got), err)
		}
		cases = append(cases, []string{"verify", detached, file, cert, "detached"}, []string{"verify", around, file, cert, "opaque"}, []string{"verify", detached, other, cert, "detached"})
		about = append(about, name+", detached", name+", opaque", name+", other content")
	}
	for i, answer := range castle(t, cases...) {
		if (answer == "ok") == strings.HasSuffix(about[i], "other content") {
			t.Errorf("%s: Bouncy Castle: %s", about[i], answer)
		}
	}
}

// What openssl and Bouncy Castle sign and compress today is read like the vectors that
// were captured from them.
func TestJudgeSignaturesOfOthers(t *testing.T) {
	dir := t.TempDir()
	capture := exec.Command("go", "run", "./internal/ci/signvectors", dir)
	capture.Dir = ".."
	if out, err := capture.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	signaturesOfOthers(t, dir)
	compressionOfOthers(t, dir)
}

func TestJudgeBouncyCastleExpandsOurs(t *testing.T) {
	dir := t.TempDir()
	var cases [][]string
	contents := [][]byte{[]byte("i"), bytes.Repeat([]byte("invoice "), 100_000), readVector(t, "..", "testdata", "ubl", "INV-2026-1001_photo.png")}
	for i, content := range contents {
		base := filepath.Join(dir, string(rune('a'+i)))
		cases = append(cases, []string{"expand", write(t, base+".p7z", compress(t, content)), base})
	}
	for i, answer := range castle(t, cases...) {
		if got, err := os.ReadFile(cases[i][2]); answer != "ok" || err != nil || !bytes.Equal(got, contents[i]) {
			t.Errorf("%d bytes: %s, %d bytes, %v", len(contents[i]), answer, len(got), err)
		}
	}
}
