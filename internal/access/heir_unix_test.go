//go:build unix

package access

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What root makes in the folder of a service belongs to the service; what anybody makes in
// a folder of his own stays his.
func TestHeir(t *testing.T) {
	dir := t.TempDir()
	want := os.Geteuid()
	if want == 0 {
		want = 54321
		if err := os.Chown(dir, want, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := MkdirAll(filepath.Join(dir, "keys", "2027")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "keys", "2027", "as2.key")
	f, err := Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "keys"), filepath.Join(dir, "keys", "2027"), file} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to %d, want %d; mode %v", path, got, want, info.Mode())
		}
	}
}
