package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the tests need zones that a bare machine does not have

	"github.com/as2drop/as2drop/internal/keys"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pems are made once: us, other, old (expired), future and ec (ECDSA), each a
// certificate and a key, the first four as PKCS#12 too, and files that are wrong in one
// way.
var pems = sync.OnceValue(func() map[string][]byte {
	files := map[string][]byte{
		"text.pem":   []byte("no PEM at all\n"),
		"secret":     []byte("open sesame\n"),
		"empty":      []byte("\n"),
		"wrong":      []byte("close sesame"),
		"two-lines":  []byte("open\nsesame\n"),
		"locked.key": []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
	}
	for i, name := range []string{"us", "other", "old", "future"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		from := now.AddDate(0, 0, []int{0, 0, -400, 30}[i])
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
		template.Subject.CommonName = name
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		files[name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		files[name+".key"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		if files[name+".p12"], err = keys.EncodePKCS12(key, []*x509.Certificate{cert}, "open sesame", false); err != nil {
			panic(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(9), NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}
	template.Subject.CommonName = "ec"
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	files["ec.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	files["ec.key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return files
})

// workplace makes an empty folder with keys/ the working folder.
func workplace(t testing.TB) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range pems() {
		write(t, filepath.Join("keys", name), string(content))
	}
	if err := os.WriteFile(filepath.Join("keys", "prog.exe"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, text string) (*Config, error) {
	t.Helper()
	write(t, "config.yaml", text)
	return Load("config.yaml", now)
}

// TestMistakes reads testdata/bad/*.yaml, each named after its mistake, and compares
// what Load says with the .want file beside it.
func TestMistakes(t *testing.T) {
	bad, err := filepath.Abs(filepath.Join("testdata", "bad"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(bad, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	workplace(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := load(t, string(text))
			if err == nil || c != nil {
				t.Fatalf("no mistake was found: %v, %v", c, err)
			}
			checkLines(t, err, string(text))
			golden(t, strings.TrimSuffix(file, ".yaml")+".want", err.Error()+"\n")
			if made, _ := filepath.Glob("var"); made != nil {
				t.Error("something was made for a file with mistakes")
			}
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" { // its paths have backslashes, the golden files slashes
		got = strings.ReplaceAll(got, `\`, "/")
		want = bytes.ReplaceAll(want, []byte(`\`), []byte("/"))
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./config -update):\ngot:\n%s\nwant:\n%s", filepath.Base(file), got, want)
	}
}

// checkLines proves that every mistake has a line of the file.
func checkLines(t *testing.T, err error, text string) {
	t.Helper()
	errs, ok := err.(Errors)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	for i, e := range errs {
		if e.Line < 1 || e.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2 || e.Fact == "" {
			t.Errorf("line %d of %d: %v", e.Line, strings.Count(text, "\n"), e)
		}
		if i > 0 && e.Line < errs[i-1].Line {
			t.Errorf("%v comes after %v", e, errs[i-1])
		}
	}
}

func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	for _, seed := range append(seeds, "template.yaml", filepath.Join("..", "config.yaml")) {
		text, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a: &a [*a]\npartners: &p {p: *p}\nlisten: &l [*l, {address: *l}]\n")
	f.Add("stations: {a: &s {keys: [*s, ~, {certificate: ~}]}, b: *s}\n")
	f.Add(full)
	// No change of the working folder: the fuzzer's own processes need it.
	path := filepath.Join(f.TempDir(), "config.yaml")
	for name, content := range pems() {
		write(f, filepath.Join(filepath.Dir(path), "keys", name), string(content))
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Whoever writes the config may name any file; a fuzzer shall not make any.
		write(t, path, strings.ReplaceAll(text, "create_keys", "create_no_keys"))
		c, err := Load(path, now)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err != nil {
			checkLines(t, err, text)
		}
	})
}
