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

// What root leaves in the folder of a service is the service's, and nothing else becomes so.
func TestGiveTree(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{os.MkdirAll(in("a/b"), 0o750), os.WriteFile(in("a/b/f"), nil, 0o640), os.WriteFile(other, nil, 0o600), os.Symlink(other, in("link")), os.Link(other, in("a/hard"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	me, want := os.Geteuid(), os.Geteuid()
	if me == 0 {
		want = 54321
		if err := os.Chown(dir, want, want); err != nil {
			t.Fatal(err)
		}
	}
	like, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := GiveTree(dir, like); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{in("a"): want, in("a/b"): want, in("a/b/f"): want, in("link"): want, in("a/hard"): me, other: me} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
	if info, err := os.Stat(in("a/b/f")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
