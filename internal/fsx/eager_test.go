package fsx

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Of a large file all but the last piece has been begun with when it is synced, each byte of
// it once.
func TestEager(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "message"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // what was written is read back below
	var begun [][2]int64
	f := Eager(file)
	f.(*eager).begin = func(f *os.File, from, n int64) {
		begun = append(begun, [2]int64{from, n})
		beginWriting(f, from, n)
	}
	want := bytes.Repeat([]byte("a line\n"), 3_000_000)
	for piece := range slices.Chunk(want, 100_000) {
		if n, err := f.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if each := int64(8_400_000); !slices.Equal(begun, [][2]int64{{0, each}, {each, each}}) {
		t.Errorf("begun: %v", begun)
	}
	if got, err := os.ReadFile(file.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes and %v", len(got), err)
	}
}

// What is on no disk stays as it is.
func TestEagerOfAnotherFile(t *testing.T) {
	if f := File(other{}); Eager(f) != f {
		t.Error("it is another file now")
	}
}

type other struct{ File }
