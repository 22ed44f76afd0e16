package bundle

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkArrive has a zip of a file that cannot be compressed come in and be unpacked, on
// disk: as a whole, and laid down as it comes. Nothing is synced.
func BenchmarkArrive(b *testing.B) {
	const size = 64 << 20
	path := filepath.Join(b.TempDir(), "zip")
	sent, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer sent.Close() // written and read here alone
	if _, err := Write(sent, []Member{member("scan.pdf", noise(size))}); err != nil {
		b.Fatal(err)
	}
	info, err := sent.Stat()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	name := func(kind string, n int) string { return filepath.Join(dir, fmt.Sprint(kind, n)) }
	create := func(i int, _ string) (io.WriteCloser, error) { return os.Create(name("file", i)) }
	arrive := func(w io.Writer) {
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(sent, 0, info.Size()), make([]byte, 128<<10)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			whole, err := os.Create(name("whole", 0))
			if err != nil {
				b.Fatal(err)
			}
			arrive(whole)
			if _, err := Unpack(whole, info.Size(), Limits{}, create); err != nil {
				b.Fatal(err)
			}
			whole.Close() // as above
		}
	})
	b.Run("loose", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			l := &Loose{Create: func(n int) (io.WriteCloser, error) { return os.Create(name("place", n)) }}
			arrive(l)
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			j := &Joined{Loose: l, Open: func(n int) (Place, error) { return os.Open(name("place", n)) }}
			if entries, err := j.Unpack(Limits{}, create); err != nil || !entries[0].Loose {
				b.Fatal(entries, err)
			}
			j.Close() // as above
		}
	})
}
