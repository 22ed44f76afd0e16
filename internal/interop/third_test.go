//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/testdata/keys"
)

// TestThirdImplementations asks, where we blame a peer, somebody who is neither the peer
// nor us. The third opinion on names with blanks is pyas2-lib's, in the table itself.
func TestThirdImplementations(t *testing.T) {
	t.Run("as2-lib: the MIC of a compressed message is over its header too", func(t *testing.T) {
		jars := os.Getenv("AS2DROP_INTEROP_AS2LIB")
		if jars == "" {
			t.Fatal("AS2DROP_INTEROP_AS2LIB is not set: run make interop")
		}
		dir := absolute(t, "testdata/vectors/openas2-plain-compressed-signed-receipt")
		body, err := os.ReadFile(filepath.Join(dir, "expect.json"))
		if err != nil {
			t.Fatal(err)
		}
		var e expectation
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "java", "-cp", filepath.Join(jars, "*"), absolute(t, "testdata/interop/As2LibMic.java"), filepath.Join(dir, "body")).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(out)); e.MIC == "" || strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(e.MIC, " ", "") {
			t.Errorf("as2-lib says %q, we said %q", got, e.MIC)
		}
	})
	t.Run("as2-lib: several files", as2LibReadsTheParts)
	t.Run("OpenSSL: RC2 without a version is not RC2 with 128 bits", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), "openssl", "cms", "-decrypt", "-provider", "legacy", "-provider", "default", "-inform", "DER",
			"-in", absolute(t, "testdata/vectors/pyas2-rc2-128-cbc/body"), "-recip", keyPath(t, "us")+".pem", "-inkey", keyPath(t, "us")+".key").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "asn1 encoding routines") {
			t.Errorf("openssl: %v\n%s", err, out)
		}
	})
}

// as2LibReadsTheParts: the products of the table deliver a multipart as one file. as2-lib
// verifies the signature over it, makes the same MIC, and finds every part.
func as2LibReadsTheParts(t *testing.T) {
	jars := os.Getenv("AS2DROP_INTEROP_AS2LIB")
	if jars == "" {
		t.Fatal("AS2DROP_INTEROP_AS2LIB is not set: run make interop")
	}
	type sent struct{ typ, name, content string }
	list := []sent{{"application/xml", "INV-1.xml", "<Invoice>\n</Invoice>\n"}, {"application/pdf", "INV-1_Prüf ß.pdf", "%PDF\r\n\x00\xff\r\n--\r\n"}, {"image/png", "INV-1_empty.png", ""}}
	for name, q := range map[string]as2.Quirks{"binary": {}, "in base64": {PayloadBase64: true}} {
		var files []as2.File
		for _, f := range list {
			files = append(files, as2.File{ContentType: f.typ, Filename: f.name, Write: func(w io.Writer) error { _, err := io.WriteString(w, f.content); return err }})
		}
		cert, key := keys.Load("us-rsa")
		var body bytes.Buffer
		sealed, err := as2.SealFiles(&body, files, as2.SealOptions{From: ourName, To: "THIRD", MessageID: "<1@as2drop>", Date: time.Now(), Quirks: q,
			Sign: &cms.Signer{Certificate: cert, Key: key, Digest: cms.SHA256}})
		if err != nil {
			t.Fatal(err)
		}
		message := filepath.Join(t.TempDir(), "body")
		write(t, message, body.Bytes())
		contentType := as2.Get(sealed.Header, "Content-Type")
		got, err := exec.CommandContext(t.Context(), "java", "-cp", filepath.Join(jars, "*"), absolute(t, "testdata/interop/As2LibParts.java"), keyPath(t, "us")+".pem", contentType, message).Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(got)), "\n")
		if len(lines) != 1+len(list) || strings.ReplaceAll(lines[0], " ", "") != strings.ReplaceAll(sealed.MICs[0].String(), " ", "") {
			t.Fatalf("%s: as2-lib says\n%s\nour MIC is %s", name, got, sealed.MICs[0])
		}
		for i, f := range list {
			sum := sha256.Sum256([]byte(f.content))
			if want := f.typ + " " + base64.StdEncoding.EncodeToString(sum[:]) + " <"; !strings.HasPrefix(lines[i+1], want) || !strings.HasSuffix(lines[i+1], "> "+f.name) {
				t.Errorf("%s: as2-lib says %q, want %s...> %s", name, lines[i+1], want, f.name)
			}
		}
	}
}
