//go:build judges

package judges

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/as2drop/as2drop/internal/filetype"
)

// What other programs write is what its name says, and nothing else: a file of one type
// under the name of another is noticed.
func TestJudgeFileTypes(t *testing.T) {
	dir, keys := t.TempDir(), newIdentity(t, t.TempDir(), "samples")
	if got := run(t, nil, python(t), filepath.Join(programs, "documents.py"), dir, keys.Certificate, keys.Key); got.Code != 0 {
		t.Fatal(got.Stderr)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 29 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	// What may go under another name without a lie, by the types.
	fits := map[filetype.Type][]filetype.Type{
		filetype.Text: {filetype.CSV, filetype.EML, filetype.XML, filetype.SVG}, filetype.CSV: {filetype.EML, filetype.Text},
		filetype.Zip: {filetype.Office}, filetype.P7M: {filetype.P7B, filetype.P7S}, filetype.P7S: {filetype.P7B, filetype.P7M}, filetype.P7B: {filetype.P7S, filetype.P7M},
		filetype.XML: {filetype.SVG},
	}
	for _, f := range files {
		file, err := os.Open(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var s filetype.Sniffer
		_, err = io.Copy(&s, file)
		if cerr := file.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if fact := s.Contradiction(f.Name()); fact != "" {
			t.Errorf("%s: %s", f.Name(), fact)
		}
		is, _ := filetype.Of(f.Name())
		for _, other := range filetype.Types() {
			name := "a." + filetype.Extensions(other)[0]
			if fact := s.Contradiction(name); fact == "" && other != is && !slices.Contains(fits[other], is) {
				t.Errorf("%s passes for %s", f.Name(), name)
			}
		}
	}
}
