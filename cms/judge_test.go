//go:build judges

package cms

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// openssl runs the impartial judge; without it the test fails.
func openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// files puts an identity into PEM files.
func pemFiles(t *testing.T, dir string, id Identity) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: id.Certificate.Raw}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// pattern is a stream that does not compress to nothing.
func pattern(size int64) io.Reader {
	return io.LimitReader(&counter{}, size)
}

type counter struct{ n byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n = c.n*5 + 3
		p[i] = c.n
	}
	return len(p), nil
}

func digestFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digestReader(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Up to 1 GiB; near 2 GiB openssl itself gives up.
func TestJudgeOpenSSLEnvelopes(t *testing.T) {
	dir := t.TempDir()
	us, _, _ := identities(t)
	cert, key := pemFiles(t, dir, us)
	for _, size := range []int64{0, 1, 15, 16, 100_000, 1 << 30} {
		for _, c := range []Cipher{AES128CBC, AES192CBC, AES256CBC, AES256GCM} {
			if size == 1<<30 && c != AES256CBC && c != AES256GCM {
				continue
			}
			t.Run(fmt.Sprint(c, " ", size), func(t *testing.T) {
				want := digestReader(t, pattern(size))
				ours, plain := filepath.Join(dir, "ours.p7m"), filepath.Join(dir, "plain")
				f, err := os.Create(ours)
				if err != nil {
					t.Fatal(err)
				}
				w, err := Encrypt(f, EncryptOptions{Cipher: c, Recipients: []Recipient{{Certificate: us.Certificate}}, Rand: rand.Reader})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(w, pattern(size)); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				f.Close()
				openssl(t, "cms", "-decrypt", "-inform", "DER", "-in", ours, "-recip", cert, "-inkey", key, "-binary", "-out", plain)
				if got := digestFile(t, plain); got != want {
					t.Errorf("openssl opens ours to something else")
				}
				theirs := filepath.Join(dir, "theirs.p7m")
				for _, form := range [][]string{nil, {"-stream"}, {"-keyid"}} {
					if size == 1<<30 && form == nil {
						continue // it holds everything in memory without -stream
					}
					if size == 0 && c.Authenticated() && slices.Equal(form, []string{"-stream"}) {
						continue // openssl 3.0 refuses to write that: "Error writing CMS output"
					}
					args := append([]string{"cms", "-encrypt", "-" + c.String(), "-in", plain, "-binary", "-outform", "DER", "-out", theirs}, form...)
					openssl(t, append(args, cert)...)
					in, err := os.Open(theirs)
					if err != nil {
						t.Fatal(err)
					}
					d, err := Decrypt(in, DecryptOptions{Identities: []Identity{us}})
					if err != nil {
						t.Fatal(err)
					}
					if got := digestReader(t, d); got != want {
						t.Errorf("we open theirs, %v, to something else", form)
					}
					in.Close()
				}
			})
		}
	}
}
