package bundle

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// places are in memory.
type places []*bytes.Buffer

func (p *places) create(n int) (io.WriteCloser, error) {
	if n != len(*p) {
		return nil, fmt.Errorf("place %d is made after %d others", n, len(*p))
	}
	*p = append(*p, new(bytes.Buffer))
	return nopCloser{(*p)[n]}, nil
}

func (p *places) open(n int) (Place, error) {
	return struct {
		io.ReaderAt
		io.Closer
	}{bytes.NewReader((*p)[n].Bytes()), io.NopCloser(nil)}, nil
}

// fataller is a test, or a case of a property.
type fataller interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// arrive has a zip come in pieces of some bytes.
func arrive(t fataller, data []byte, step int) (*Joined, *places) {
	t.Helper()
	p := &places{}
	l := &Loose{Create: p.create}
	for chunk := range slices.Chunk(data, step) {
		if n, err := l.Write(chunk); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l.Size() != int64(len(data)) || l.Places() != len(*p) {
		t.Fatalf("%d bytes in %d places, and not %d in %d", l.Size(), l.Places(), len(data), len(*p))
	}
	return &Joined{Loose: l, Open: p.open}, p
}

// agree has a zip unpacked as a whole and as it comes: bytes, files and faults are the same.
// It returns how many files were not written twice.
func agree(t fataller, data []byte, step int) (loose int) {
	t.Helper()
	joined, p := arrive(t, data, step)
	if back, err := io.ReadAll(io.NewSectionReader(joined, 0, int64(len(data)))); err != nil || !bytes.Equal(back, data) {
		t.Fatalf("the pieces are not the zip: %d bytes of %d, %v", len(back), len(data), err)
	}
	var whole, usual collector
	want, wantErr := Unpack(bytes.NewReader(data), int64(len(data)), Limits{}, whole.create)
	got, err := joined.Unpack(Limits{}, func(i int, name string) (io.WriteCloser, error) {
		for len(usual.files) < i {
			usual.files = append(usual.files, nil)
		}
		return usual.create(i, name)
	})
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("error %v, and as a whole %v", err, wantErr)
	}
	if len(got) != len(want) {
		t.Fatalf("%d files, and as a whole %d", len(got), len(want))
	}
	for i, e := range got {
		content := []byte(nil)
		if e.Loose {
			loose++
			content = (*p)[e.Place].Bytes()
		} else {
			content = usual.files[i].Bytes()
		}
		if !bytes.Equal(content, whole.files[i].Bytes()) {
			t.Fatalf("%q has other bytes, loose: %v", e.Path, e.Loose)
		}
		e.Loose, e.Place = false, 0
		if !reflect.DeepEqual(e, want[i]) {
			t.Fatalf("%+v, and as a whole %+v", e, want[i])
		}
	}
	if err := joined.Close(); err != nil {
		t.Fatal(err)
	}
	return loose
}

// foreign is a zip as other programs write it.
func foreign(t *rapid.T) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	level := rapid.SampledFrom([]int{flate.NoCompression, flate.BestSpeed}).Draw(t, "level")
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, level) })
	for i := range rapid.IntRange(0, 10).Draw(t, "files") {
		data := noise(rapid.SampledFrom([]int{0, 1, 500, 5_000, 65_535, 70_000}).Draw(t, "size"))
		h := &zip.FileHeader{Name: fmt.Sprint("scan-", i, ".pdf"), Method: rapid.SampledFrom([]uint16{zip.Deflate, zip.Store}).Draw(t, "method")}
		if rapid.Bool().Draw(t, "lengths come first") && h.Method == zip.Store {
			h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crcOf(data), uint64(len(data)), uint64(len(data))
			raw, err := w.CreateRaw(h)
			if err == nil {
				_, err = raw.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// However a zip was made and cut, unpacking it as it comes changes nothing.
func TestLooseIsTheSame(t *testing.T) {
	loose := 0
	rapid.Check(t, func(t *rapid.T) {
		loose += agree(t, foreign(t), rapid.SampledFrom([]int{1, 7, 4096, 65535, 1 << 20}).Draw(t, "step"))
	})
	if loose == 0 {
		t.Error("none of the files was laid down as it came")
	}
}

// What is damaged, or made to be read in two ways, is judged by its directory as ever.
func TestLooseBelievesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := foreign(t)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			if rapid.Bool().Draw(t, "in the directory") {
				at = max(0, len(data)-1-at%1000)
			}
			data[at] = rapid.Byte().Draw(t, "byte")
		}
		agree(t, data[:rapid.SampledFrom([]int{len(data), len(data) - len(data)/7}).Draw(t, "length")], 4096)
	})
}

// What is stored in our own zips comes loose, also behind a document that is compressed.
func TestOwnZipComesLoose(t *testing.T) {
	scan := noise(3 << 20)
	for name, c := range map[string]struct {
		members []Member
		loose   int
	}{
		"one":               {[]Member{member("scan.pdf", scan)}, 1},
		"several":           {[]Member{member("a.pdf", scan), member("b.pdf", scan[:1<<20]), member("INV-1.xml", bytes.Repeat([]byte("<line/>"), 1000))}, 2},
		"a large text then": {[]Member{member("a.pdf", scan), member("b.csv", hexed(scan))}, 1},
		"a document first":  {[]Member{member("INV-1.xml", bytes.Repeat([]byte("<line/>"), 1000)), member("a.pdf", scan)}, 1},
		"nothing stored":    {[]Member{member("INV-1.xml", bytes.Repeat([]byte("<line/>"), 1000))}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if _, err := Write(&b, c.members); err != nil {
				t.Fatal(err)
			}
			if loose := agree(t, b.Bytes(), 128<<10); loose != c.loose {
				t.Errorf("%d files come loose, and not %d", loose, c.loose)
			}
		})
	}
}

func hexed(b []byte) []byte { return fmt.Appendf(nil, "%x", b) }

// One file that two entries of the directory name is taken once, and unpacked for the other.
func TestLooseIsTakenOnce(t *testing.T) {
	var b bytes.Buffer
	if _, err := Write(&b, []Member{member("a.pdf", noise(1<<20))}); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	at := bytes.LastIndex(data, []byte(centralSign))
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	again := bytes.Replace(data[at:end], []byte("a.pdf"), []byte("b.pdf"), 1)
	tail := bytes.Clone(data[end:])
	binary.LittleEndian.PutUint16(tail[8:], 2)
	binary.LittleEndian.PutUint16(tail[10:], 2)
	binary.LittleEndian.PutUint32(tail[12:], uint32(2*len(again)))
	if loose := agree(t, slices.Concat(data[:end], again, tail), 4096); loose != 1 {
		t.Errorf("it was taken %d times", loose)
	}
}

// The zip can be read from anywhere.
func TestJoined(t *testing.T) {
	var b bytes.Buffer
	if _, err := Write(&b, []Member{member("INV-1.xml", []byte("<Invoice/>")), member("a.pdf", noise(5000)), member("b.pdf", noise(4000))}); err != nil {
		t.Fatal(err)
	}
	joined, _ := arrive(t, b.Bytes(), b.Len())
	if err := iotest.TestReader(io.NewSectionReader(joined, 0, int64(b.Len())), b.Bytes()); err != nil {
		t.Error(err)
	}
}

// What a zip makes us hold is bounded, whatever it is made of.
func TestLooseIsBounded(t *testing.T) {
	odd := []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00")
	odd = append(odd, make([]byte, 20)...)
	binary.LittleEndian.PutUint16(odd[26:], 1)
	odd = append(odd, 'x')
	for i := range 100_000 { // blocks that are never alike
		n := uint16(1 + i%2)
		odd = append(append(odd, 0, byte(n), 0, byte(^n), 0xff), make([]byte, n)...)
	}
	empty := slices.Concat(odd[:31], bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 1_000_000))
	for name, data := range map[string][]byte{"odd": odd, "empty": empty} {
		t.Run(name, func(t *testing.T) {
			j, _ := arrive(t, data, 4096)
			if l := j.Loose; len(l.pieces) > mostPieces || len(l.frame) > mostFrame || len(l.files) > mostLoose {
				t.Errorf("%d pieces, %d bytes, %d files", len(l.pieces), len(l.frame), len(l.files))
			}
			got, err := io.ReadAll(io.NewSectionReader(j, 0, j.Loose.Size()))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("it is not the zip any more: %v", err)
			}
		})
	}
}

// An error of the disk is that of Write, and not a fault of the zip.
func TestLooseOnAFullDisk(t *testing.T) {
	full := errors.New("no space")
	var b bytes.Buffer
	if _, err := Write(&b, []Member{member("a.pdf", noise(1<<20))}); err != nil {
		t.Fatal(err)
	}
	l := &Loose{Create: func(int) (io.WriteCloser, error) {
		return nopCloser{writerFunc(func([]byte) (int, error) { return 0, full })}, nil
	}}
	if _, err := l.Write(b.Bytes()); !errors.Is(err, full) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func crcOf(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// Whatever arrives, in whatever pieces, is what comes out of them, and is unpacked as it would
// have been as a whole.
func FuzzLoose(f *testing.F) {
	var own, stored bytes.Buffer
	if _, err := Write(&own, []Member{member("INV-1.xml", bytes.Repeat([]byte("<line/>"), 30)), member("INV-1_a.pdf", noise(700))}); err != nil {
		f.Fatal(err)
	}
	zw := zip.NewWriter(&stored)
	for _, name := range []string{"a.bin", "b.bin"} {
		data := noise(300)
		w, err := zw.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, CRC32: crcOf(data), CompressedSize64: 300, UncompressedSize64: 300})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{own.Bytes(), stored.Bytes()} {
		f.Add(seed, uint16(0))
		f.Add(seed, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint16) { agree(t, data, int(step)+1) })
}
