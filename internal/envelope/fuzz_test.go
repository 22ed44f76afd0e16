package envelope

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

var update = flag.Bool("update", false, "write the seeds of FuzzCheck anew")

const seedDir = "testdata/fuzz/FuzzCheck"

// A fuzz target without seeds starts from nothing. Every file of the other tests is one.
func TestSeeds(t *testing.T) {
	if *update {
		if err := os.MkdirAll(seedDir, 0o755); err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		for name, c := range complete {
			texts[name] = c.text
		}
		for name, c := range incomplete {
			texts[name+", incomplete"] = c.text
		}
		for name, text := range texts {
			if len(text) > 1000 {
				continue
			}
			body := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", text)
			if err := os.WriteFile(filepath.Join(seedDir, strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(name)), []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	seeds, err := os.ReadDir(seedDir)
	if err != nil || len(seeds) < 60 {
		t.Errorf("%d seeds, %v: go test ./internal/envelope -run TestSeeds -update", len(seeds), err)
	}
}

// FuzzCheck: no panic, the same findings in whatever pieces a file comes, and where
// nothing is wrong with it, something is once its last segment is gone.
func FuzzCheck(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := Check(bytes.NewReader(text), 50)
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := Check(iotest.OneByteReader(bytes.NewReader(text)), 50)
		if err != nil || fmt.Sprint(whole) != fmt.Sprint(pieces) {
			t.Errorf("%+v, in pieces %+v, %v", whole, pieces, err)
		}
		for _, fault := range whole.Faults {
			if fault.Offset < 0 || fault.Offset > int64(len(text)) || fault.Segment < 1 || len(fault.String()) > 8<<10 {
				t.Errorf("%+v", fault)
			}
		}
		if len(whole.Faults) > 0 {
			return
		}
		if whole.Interchanges == 0 || whole.Format == None {
			t.Errorf("nothing is wrong with what is nothing: %+v", whole)
		}
		cut := bytes.TrimRight(text, "\r\n\t \x1a\x00")
		if shorter, _ := Check(bytes.NewReader(cut[:len(cut)*2/3]), 50); len(shorter.Faults) == 0 && shorter.Interchanges >= whole.Interchanges {
			t.Errorf("a third less, and nothing is missing: %+v", shorter)
		}
	})
}
