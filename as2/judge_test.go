//go:build judges

package as2

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
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
	over := judgeLayers(t, s, body, o)
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

// judgeLayers has openssl take all layers off, and returns what the MIC is over.
func judgeLayers(t *testing.T, s *Sealed, body []byte, o SealOptions) []byte {
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
	return over
}

// Several files: openssl takes the layers off, and Python's email package, which knows
// nothing of AS2, finds the parts with their names and every byte of them, and nothing
// to complain of.
func TestJudgePythonReadsTheFiles(t *testing.T) {
	us, _ := keys.Load("us-rsa")
	list := []sent{
		{"application/xml", "INV-1.xml", "<Invoice>\n</Invoice>\r\n"},
		{"application/pdf", "INV-1_scan 1.pdf", "%PDF\r\n\x00\xff\xfe\r\r\n\n--\r\n--as2drop-\r\n"},
		{"image/png", "INV-1_Prüf \"ß\" \\ 検;a=b.png", "\x89PNG\r\n\x1a\n\x85\x1c\x0b\x0c"},
		{"application/octet-stream", "INV-1_empty.bin", ""},
	}
	for _, sign := range []string{"", "detached", "opaque"} {
		for _, encrypt := range []bool{false, true} {
			for _, q := range []Quirks{{}, {PayloadBase64: true}, {UnquotedFilename: true}} {
				t.Run(fmt.Sprint(sign, encrypt, q), func(t *testing.T) {
					o := options()
					o.Quirks = q
					if sign != "" {
						o.Sign, o.Quirks.OpaqueSignature = sealer("partner-rsa", cms.SHA256), sign == "opaque"
					}
					if encrypt {
						o.Cipher, o.Recipients = cms.AES256CBC, []cms.Recipient{{Certificate: us}}
					}
					s, body := sealFiles(t, o, list...)
					entity := judgeLayers(t, s, body, o)
					if sign == "" && !encrypt {
						entity = append([]byte("Content-Type: "+Get(s.Header, "Content-Type")+"\r\n\r\n"), entity...)
					}
					judgeParts(t, entity, list)
				})
			}
		}
	}
	// The judge is no nodder.
	if _, err := python(t, []byte("Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\r\nx")); err == nil {
		t.Error("Python takes a multipart without an end")
	}
}

// python has the email package read an entity.
func python(t *testing.T, entity []byte) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", filepath.Join("..", "testdata", "judges", "email_parts.py"))
	cmd.Stdin = bytes.NewReader(entity)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return out, err
}

func judgeParts(t *testing.T, entity []byte, list []sent) {
	t.Helper()
	out, err := python(t, entity)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Type, Root, Start string
		Parts             []struct {
			Type, ID, SHA256 string
			Names            []string
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	if found.Type != "multipart/related" || found.Root != list[0].typ || len(found.Parts) != len(list) || found.Parts[0].ID != found.Start {
		t.Fatalf("%s", out)
	}
	for i, p := range found.Parts {
		if p.Type != list[i].typ || p.Names[len(p.Names)-1] != list[i].name || p.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(list[i].content))) {
			t.Errorf("%+v, want %+v", p, list[i])
		}
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
