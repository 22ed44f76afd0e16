package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fuzzSeeds adds the files of other products to a target.
func fuzzSeeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "vectors", "key-*", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

func FuzzCertificates(f *testing.F) {
	for _, pattern := range []string{"*.p7b", "*.pem", "*.cer"} {
		fuzzSeeds(f, pattern)
	}
	f.Add([]byte(strings.Repeat("\x30\x80", 1000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		certs, err := ParseCertificates(b)
		if (err == nil) != (len(certs) > 0) {
			t.Errorf("%d certificates and %v", len(certs), err)
		}
	})
}

func FuzzPrivate(f *testing.F) {
	fuzzSeeds(f, "*.key")
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := ParsePrivate(b)
		if (err == nil) != (key != nil) {
			t.Errorf("%T and %v", key, err)
		}
	})
}

func FuzzPKCS12(f *testing.F) {
	fuzzSeeds(f, "*.p12")
	f.Fuzz(func(t *testing.T, b []byte) {
		key, chain, err := ParsePKCS12(b, "secret")
		if (err == nil) != (key != nil && len(chain) > 0) || err == nil && Match(chain[0], key) != nil {
			t.Errorf("%T, %d certificates and %v", key, len(chain), err)
		}
	})
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	for _, target := range []string{"FuzzCertificates", "FuzzPrivate", "FuzzPKCS12"} {
		if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target)); err != nil || len(seeds) == 0 {
			t.Errorf("%s: %d seeds, %v", target, len(seeds), err)
		}
	}
}
