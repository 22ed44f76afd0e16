//go:build judges

package as2

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/testdata/keys"
)

// openssl runs the impartial judge on in; without it the test fails.
func openssl(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, target := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(source, in, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("openssl", append(args, "-in", source, "-out", target)...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	out, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func keyFile(name string) string { return filepath.Join("..", "testdata", "keys", name) }

// sealer signs with a key of testdata/keys.
func sealer(name string, d cms.Digest) *cms.Signer {
	cert, key := keys.Load(name)
	return &cms.Signer{Certificate: cert, Key: key, Digest: d}
}

// What we seal openssl decrypts and verifies, with every kind of signature and key
// transport that it has, and the MIC is over what it verified.
func TestJudgeOpenSSLOpensWhatWeSeal(t *testing.T) {
	us, _ := keys.Load("us-rsa")
	payload := []byte("UNB+UNOC:3\r\n\x00\xff binary\n")
	for _, cipher := range []cms.Cipher{cms.NoCipher, cms.AES128CBC, cms.AES256CBC, cms.AES128GCM, cms.AES256GCM, cms.DESEDE3CBC} {
		for _, transport := range []cms.KeyTransport{cms.RSAPKCS1, cms.OAEPSHA256} {
			for _, by := range []string{"", "rsa sha-256", "rsa sha1", "pss sha-384", "ecdsa sha-512"} {
				for _, q := range []Quirks{{}, {OpaqueSignature: true}, {NoSignedAttributes: true}, {NoAlgorithmProtection: true, PayloadBase64: true}} {
					if by == "" && q != (Quirks{}) || cipher == cms.NoCipher && transport != cms.RSAPKCS1 {
						continue
					}
					t.Run(fmt.Sprint(cipher, transport, by, q), func(t *testing.T) {
						o := options()
						o.Quirks = q
						if scheme, digest, ok := strings.Cut(by, " "); ok {
							d, err := cms.ParseDigest(digest)
							if err != nil {
								t.Fatal(err)
							}
							name := "partner-rsa"
							if scheme == "ecdsa" {
								name = "partner-ecdsa"
							}
							o.Sign = sealer(name, d)
							o.Sign.PSS = scheme == "pss"
						}
						if cipher != cms.NoCipher {
							o.Cipher, o.Recipients = cipher, []cms.Recipient{{Certificate: us, Transport: transport}}
						}
						s, body := sealBytes(t, payload, o)
						judge(t, s, body, o, payload)
					})
				}
			}
		}
	}
}

// judge takes a message apart with openssl alone.
func judge(t *testing.T, s *Sealed, body []byte, o SealOptions, payload []byte) {
	t.Helper()
	contentType, over := Get(s.Header, "Content-Type"), body
	if len(o.Recipients) > 0 {
		over = openssl(t, body, "cms", "-decrypt", "-inform", "DER", "-binary", "-recip", keyFile("us-rsa.pem"), "-inkey", keyFile("us-rsa.key"))
		head, rest, _ := bytes.Cut(over, []byte("\r\n\r\n"))
		contentType, body = string(head), rest
	}
	if o.Sign != nil {
		cert := keyFile("partner-rsa.pem")
		if _, ok := o.Sign.Key.Public().(*ecdsa.PublicKey); ok {
			cert = keyFile("partner-ecdsa.pem")
		}
		verify := []string{"cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-certfile", cert, "-CAfile", cert, "-nointern"}
		if o.Quirks.OpaqueSignature {
			over = openssl(t, body, verify...)
		} else {
			over = judgeDetached(t, contentType, body, verify)
		}
	}
	for _, m := range s.MICs {
		d := m.Digest.New()
		d.Write(over)
		if !bytes.Equal(d.Sum(nil), m.Sum) {
			t.Errorf("the MIC in %v is not over what openssl verified", m.Digest)
		}
	}
	_, got, wrapped := bytes.Cut(over, []byte("\r\n\r\n"))
	if !wrapped {
		got = over
	}
	if o.Quirks.PayloadBase64 {
		got = openssl(t, got, "base64", "-d")
	}
	if !bytes.Equal(got, payload) {
		t.Errorf("%q", got)
	}
}

func judgeDetached(t *testing.T, contentType string, body []byte, verify []string) []byte {
	t.Helper()
	_, rest, _ := strings.Cut(contentType, `boundary="`)
	boundary, _, _ := strings.Cut(rest, `"`)
	pieces := bytes.Split(body, []byte("--"+boundary))
	if len(pieces) != 4 {
		t.Fatalf("%d pieces", len(pieces))
	}
	part := bytes.TrimSuffix(bytes.TrimPrefix(pieces[1], []byte("\r\n")), []byte("\r\n"))
	_, text, _ := bytes.Cut(pieces[2], []byte("\r\n\r\n"))
	content := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(content, part, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openssl(t, openssl(t, text, "base64", "-d"), append(verify, "-content", content)...); !bytes.Equal(got, part) {
		t.Error("openssl verified something else")
	}
	return part
}
