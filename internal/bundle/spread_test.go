package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// catalogue is a text that deflates, with base64 in it, as UBL documents have it.
func catalogue(size int) []byte {
	r := rand.New(rand.NewPCG(8, 9))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "<Line><ID>%d</ID><Item>bolt %d</Item><Quantity>%d</Quantity></Line>\n", r.IntN(100000), r.IntN(50), r.IntN(20))
		if r.IntN(100) == 0 {
			object := make([]byte, 3000)
			for i := range object {
				object[i] = byte(r.Uint32())
			}
			b.WriteString(base64.StdEncoding.EncodeToString(object))
		}
	}
	return b.Bytes()[:size]
}

func memberOf(name string, data []byte) Member {
	return Member{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// Members that all cores deflate come out of the standard library's reader as they went in,
// small ones and others between them, and not a hundredth longer than from one core.
func TestSpreadMembersComeOutAsTheyWentIn(t *testing.T) {
	small := catalogue(5000)
	for _, size := range []int{spreadFrom, 5*blockSize - 1, 5*blockSize + 12345} {
		data := catalogue(size)
		synctest.Test(t, func(t *testing.T) {
			var all, alone bytes.Buffer
			written, err := Write(&all, []Member{memberOf("a.xml", data), memberOf("b.xml", small), memberOf("c.xml", data)})
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(data); written[0].SHA256 != hex.EncodeToString(sum[:]) {
				t.Error("the digest is of something else")
			}
			z, err := zip.NewReader(bytes.NewReader(all.Bytes()), int64(all.Len()))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range [][]byte{data, small, data} {
				f, err := z.File[i].Open()
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, member %d: other %d bytes, %v", size, i, len(got), err)
				}
			}
			c, err := newCompressor(&alone, deflateLevel)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if together := int(z.File[0].CompressedSize64); together > alone.Len()+alone.Len()/100 {
				t.Errorf("%d bytes deflate to %d, from one core to %d", size, together, alone.Len())
			}
		})
	}
}

var errFull = errors.New("no space left")

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Whatever ends the writing of a large member, its own error comes back and nothing goes on.
func TestSpreadEndsWithTheCall(t *testing.T) {
	data := catalogue(12 * blockSize)
	for _, room := range []int{0, 100, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			if _, err := Write(&full{room}, []Member{memberOf("a.xml", data)}); !errors.Is(err, errFull) {
				t.Errorf("room for %d bytes: %v", room, err)
			}
		})
	}
	for _, stated := range []int64{spreadFrom, int64(len(data)) - 1, int64(len(data)) + 1} {
		synctest.Test(t, func(t *testing.T) {
			m := memberOf("a.xml", data)
			m.Size = stated
			var changed *ChangedError
			if _, err := Write(io.Discard, []Member{m}); !errors.As(err, &changed) {
				t.Errorf("stated %d bytes: %v", stated, err)
			}
		})
	}
}

// panics calls f, and reports whether it panics with a text.
func panics(f func(), text string) (does bool) {
	defer func() { does = strings.HasPrefix(fmt.Sprint(recover()), text) }()
	f()
	return false
}

// unlucky panics when so many bytes have passed, as a writer and as a reader.
type unlucky struct{ left int }

func (u *unlucky) Write(p []byte) (int, error) {
	if u.left -= len(p); u.left < 0 {
		panic("no luck")
	}
	return len(p), nil
}

func (u *unlucky) Read(p []byte) (int, error) { clear(p); return u.Write(p) }

// unluckyAt panics when so many bytes were read.
type unluckyAt struct {
	*bytes.Reader
	unlucky
}

func (u *unluckyAt) ReadAt(p []byte, at int64) (int, error) {
	u.unlucky.Write(p)
	return u.Reader.ReadAt(p, at)
}

type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Close() error                { return nil }

// A panic of what is written to is the caller's, who knows which transfer it was. One of his
// own leaves nobody behind either.
func TestPanicsAreTheCallers(t *testing.T) {
	data := catalogue(12 * blockSize)
	var stored bytes.Buffer
	noise := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{7}).Read(noise) // never fails
	if _, err := Write(&stored, []Member{memberOf("a.bin", noise)}); err != nil {
		t.Fatal(err)
	}
	nowhere := func(int, string) (io.WriteCloser, error) { return nothing{}, nil }
	for name, f := range map[string]func(){
		"unpacked": func() {
			Unpack(&unluckyAt{bytes.NewReader(stored.Bytes()), unlucky{5 << 20}}, int64(stored.Len()), Limits{}, nowhere)
		},
		"written to": func() { Write(&unlucky{1 << 20}, []Member{memberOf("a.xml", data)}) },
		"a member": func() {
			Write(io.Discard, []Member{{Name: "a.xml", Size: 1 << 30, Open: func() (io.ReadCloser, error) { return io.NopCloser(&unlucky{5 << 20}), nil }}})
		},
		"copied":    func() { Copy(io.Discard, &unlucky{5 << 20}, "a.xml", 1<<30) },
		"copied to": func() { Copy(&unlucky{5 << 20}, bytes.NewReader(data), "a.xml", int64(len(data))) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if !panics(f, "no luck") {
					t.Error("no panic")
				}
			})
		})
	}
}

// What deflating a large document costs on one core and on all.
func BenchmarkSpread(b *testing.B) {
	const size = 16 << 20
	data := catalogue(size)
	for _, cores := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprint("cores=", cores), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			b.SetBytes(size)
			for b.Loop() {
				if _, err := Write(io.Discard, []Member{memberOf("a.xml", data)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
