package fsx

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// stretch is one of a file.
type stretch struct{ from, n int64 }

// Of a large file all but the last piece has been begun with when it is synced, each byte of it
// once; and it is forgotten only behind that. Read once, it is forgotten behind the reader.
func TestEager(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "message"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // what was written is read back below
	f := Eager(file).(*eager)
	var begun, forgotten int64
	f.begin = func(f *os.File, from, n int64) {
		if from != begun || n < eagerEvery {
			t.Errorf("%d bytes at %d are begun with, behind %d", n, from, begun)
		}
		begun = from + n
		beginWriting(f, from, n)
	}
	f.forget = func(f *os.File, from, n int64) {
		if from < 0 || from > forgotten || from+n <= forgotten || from+n > begun-keptBehind {
			t.Errorf("%d bytes at %d are forgotten, %d begun with", n, from, begun)
		}
		forgotten = from + n
		forget(f, from, n)
	}
	want := bytes.Repeat([]byte("a line\n"), 10_000_000)
	for piece := range slices.Chunk(want, 100_000) {
		if n, err := f.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if all := int64(len(want)); begun < all-eagerEvery-100_000 || forgotten < all-keptBehind-2*eagerEvery {
		t.Errorf("begun with %d and forgotten %d of %d", begun, forgotten, all)
	}

	again, err := os.Open(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close() // opened for reading: nothing can be lost
	o := Once(again).(*once)
	var behind []stretch
	o.forget = func(f *os.File, from, n int64) {
		behind = append(behind, stretch{from, n})
		forget(f, from, n)
	}
	var got bytes.Buffer
	if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, o, make([]byte, 1<<20)); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes and %v", got.Len(), err)
	}
	if each := int64(eagerEvery); !slices.Equal(behind, []stretch{{0, each}, {each, each}, {2 * each, each}, {3 * each, each}}) {
		t.Errorf("forgotten: %v", behind)
	}
}

// What is on no disk stays as it is.
func TestEagerOfAnotherFile(t *testing.T) {
	if f := File(other{}); Eager(f) != f || Once(f) != f {
		t.Error("it is another file now")
	}
}

type other struct{ File }
