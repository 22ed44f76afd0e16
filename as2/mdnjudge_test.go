//go:build judges

package as2

import (
	"crypto"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// openssl verifies each signed receipt as it goes over the wire, boundary and transfer
// encoding included, and gives back the report byte for byte.
func TestJudgeOpenSSLVerifiesReceipts(t *testing.T) {
	curve := issue(t, authority{}, nil)
	rsa := partners()
	for name, s := range map[string]*cms.Signer{
		"pkcs1 sha-256": {Certificate: rsa.Certificate, Key: rsa.Key.(crypto.Signer), Digest: cms.SHA256},
		"pkcs1 sha1":    {Certificate: rsa.Certificate, Key: rsa.Key.(crypto.Signer), Digest: cms.SHA1},
		"pss sha-384":   {Certificate: rsa.Certificate, Key: rsa.Key.(crypto.Signer), Digest: cms.SHA384, PSS: true},
		"ecdsa sha-512": {Certificate: curve.Leaf, Key: curve.PrivateKey.(crypto.Signer), Digest: cms.SHA512},
		"no attributes": {Certificate: rsa.Certificate, Key: rsa.Key.(crypto.Signer), Digest: cms.SHA224, NoAttributes: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := mdnOptions()
			o.Sign, o.Version, o.Disposition = s, "1.3", Failed(IllegalFilename)
			if s.Digest == cms.SHA1 {
				o.Version = "1.0"
			}
			h, body := build(t, o)
			dir := t.TempDir()
			files := map[string][]byte{
				"mdn":  append([]byte("Content-Type: "+h.Get("Content-Type")+"\r\n\r\n"), body...),
				"cert": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate.Raw}),
			}
			for file, content := range files {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			at := s.Certificate.NotBefore.Add(time.Minute).Unix()
			cmd := exec.Command("openssl", "cms", "-verify", "-inform", "SMIME", "-in", "mdn", "-CAfile", "cert", "-certfile", "cert", "-nointern", "-purpose", "any", "-partial_chain", "-attime", strconv.FormatInt(at, 10))
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("openssl: %v %s", err, err.(*exec.ExitError).Stderr)
			}
			if got := string(out); !strings.HasPrefix(got, "Content-Type: multipart/report;") || !strings.Contains(got, "Disposition: "+o.Disposition.For(o.Version).String()+"\r\n") {
				t.Errorf("%s", got)
			}
		})
	}
}
