//go:build interop

package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	t.Run("OpenSSL: RC2 without a version is not RC2 with 128 bits", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), "openssl", "cms", "-decrypt", "-provider", "legacy", "-provider", "default", "-inform", "DER",
			"-in", absolute(t, "testdata/vectors/pyas2-rc2-128-cbc/body"), "-recip", keyPath(t, "us")+".pem", "-inkey", keyPath(t, "us")+".key").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "asn1 encoding routines") {
			t.Errorf("openssl: %v\n%s", err, out)
		}
	})
}
