//go:build judges

package judges

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/bundle"
)

// zipStream has Java read a zip and returns what it found, one line per entry.
func zipStream(t *testing.T, zip []byte) result {
	t.Helper()
	return run(t, zip, "java", filepath.Join(programs, "ZipStream.java"))
}

// Java reads the zips of package bundle as a stream, whatever is in them.
func TestJudgeJavaStreamsOurZips(t *testing.T) {
	noise := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{7}).Read(noise)
	contents := []struct {
		name string
		data []byte
	}{
		{"INV-1001.xml", bytes.Repeat([]byte("<line>1</line>\n"), 200_000)},
		{"INV-1001_scan.pdf", noise},
		{"INV-1001_embedded.xml", []byte(base64.StdEncoding.EncodeToString(noise))},
		{"INV-1001_Prüfbericht ß 検査.txt", []byte("short")},
		{"INV-1001_empty.txt", nil},
		{"INV-1001_inner.zip", written(t, zip.Deflate)},
	}
	var members []bundle.Member
	var want strings.Builder
	for _, c := range contents {
		members = append(members, bundle.Member{
			Name: c.name, Size: int64(len(c.data)), Modified: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.data)), nil },
		})
		sum := sha256.Sum256(c.data)
		fmt.Fprintf(&want, "%s %d %s\n", hex.EncodeToString(sum[:]), len(c.data), c.name)
	}
	var ours bytes.Buffer
	if _, err := bundle.Write(&ours, members); err != nil {
		t.Fatal(err)
	}
	got := zipStream(t, ours.Bytes())
	if got.Code != 0 || got.Stdout != want.String() {
		t.Errorf("java says %d\n%s%swant\n%s", got.Code, got.Stdout, got.Stderr, want.String())
	}
}

// The judge is no nodder: it refuses what makes real receivers refuse, a stored entry
// with a data descriptor, which is what Go writes for an entry without compression.
func TestJudgeJavaRefusesStoredEntryWithDescriptor(t *testing.T) {
	if got := zipStream(t, written(t, zip.Deflate)); got.Code != 0 {
		t.Fatalf("java refuses a plain zip: %s", got.Stderr)
	}
	got := zipStream(t, written(t, zip.Store))
	if got.Code != 1 || !strings.Contains(got.Stderr, "EXT descriptor") {
		t.Errorf("java says %d\n%s%s", got.Code, got.Stdout, got.Stderr)
	}
}

// written is a zip of one entry by the standard library.
func written(t *testing.T, method uint16) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	entry, err := w.CreateHeader(&zip.FileHeader{Name: "a.txt", Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
