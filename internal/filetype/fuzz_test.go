package filetype

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

var update = flag.Bool("update", false, "write the seeds of FuzzSniffer anew")

const seedDir = "testdata/fuzz/FuzzSniffer"

// A fuzz target without seeds starts from nothing. The small files of the other tests are
// some.
func TestSeeds(t *testing.T) {
	if *update {
		if err := os.MkdirAll(seedDir, 0o755); err != nil {
			t.Fatal(err)
		}
		contents := []string{}
		for _, c := range agreeing {
			contents = append(contents, c.content)
		}
		for _, c := range contradicting {
			contents = append(contents, c.content)
		}
		for _, c := range contents {
			if len(c) > 1500 {
				continue
			}
			body := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", c)
			if err := os.WriteFile(filepath.Join(seedDir, fmt.Sprintf("%x", sha256.Sum256([]byte(c)))[:16]), []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	seeds, err := os.ReadDir(seedDir)
	if err != nil || len(seeds) < 50 {
		t.Errorf("%d seeds, %v: go test ./internal/filetype -run TestSeeds -update", len(seeds), err)
	}
}

// FuzzSniffer: no panic, and the same answers in whatever pieces a file comes.
func FuzzSniffer(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		whole, pieces := sniff(string(content)), &Sniffer{}
		if _, err := io.Copy(pieces, iotest.OneByteReader(bytes.NewReader(content))); err != nil {
			t.Fatal(err)
		}
		if a, b := whole.Called(), pieces.Called(); a != b {
			t.Errorf("%s, in pieces %s", a, b)
		}
		for _, typ := range Types() {
			name := "a." + Extensions(typ)[0]
			if a, b := whole.Contradiction(name), pieces.Contradiction(name); a != b {
				t.Errorf("%s: %q, in pieces %q", name, a, b)
			}
		}
	})
}
