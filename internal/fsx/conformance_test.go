package fsx_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
)

// everywhere runs a test on a real folder and on a simulated disk: what the crash
// matrix proves on the second must hold on the first.
func everywhere(t *testing.T, f func(t *testing.T, fsys fsx.FS)) {
	t.Helper()
	for name, open := range map[string]func(string) (fsx.FS, error){"disk": fsx.OpenRoot, "disk by os.Root": fsx.OpenByRoot} {
		t.Run(name, func(t *testing.T) {
			fsys, err := open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := fsys.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, fsys)
		})
	}
	t.Run("simdisk", func(t *testing.T) { f(t, simdisk.New().Root("partners/acme")) })
}

func put(t *testing.T, fsys fsx.FS, name, text string) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, fsys fsx.FS, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := fsys.Mkdir(name, 0o750); err != nil {
			t.Fatal(err)
		}
	}
}

// holds fails unless the file has this content; "" means that nothing has the name.
func holds(t *testing.T, fsys fsx.FS, name, want string) {
	t.Helper()
	got, err := fsx.ReadFile(fsys, name, 1<<20)
	if want == "" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %q, %v", name, got, err)
		}
		return
	}
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
	}
}

func identity(t *testing.T, fsys fsx.FS, name string) fsx.ID {
	t.Helper()
	id, err := fsys.Identity(name)
	if err != nil || id == "" {
		t.Fatalf("identity of %s: %q, %v", name, id, err)
	}
	return id
}

func TestRenameNoReplace(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "outbox", "sent", "full", "full/x", "empty")
		put(t, fsys, "outbox/a", "A")
		put(t, fsys, "sent/b", "B")
		cases := []struct {
			old, new string
			want     error
		}{
			{"outbox/a", "sent/b", fs.ErrExist},
			{"outbox/a", "empty", fs.ErrExist},
			{"full", "empty", fs.ErrExist},
			{"full", "sent/b", fs.ErrExist},
			{"outbox/none", "sent/c", fs.ErrNotExist},
			{"outbox/a", "nowhere/a", fs.ErrNotExist},
			{"outbox/none", "sent/b", fs.ErrNotExist},
			{"outbox/a", "sent/a", nil},
			{"full", "sent/full", nil},
		}
		for _, c := range cases {
			if err := fsys.RenameNoReplace(c.old, c.new); !errors.Is(err, c.want) {
				t.Errorf("%s to %s: %v, want %v", c.old, c.new, err, c.want)
			}
		}
		holds(t, fsys, "sent/a", "A")
		holds(t, fsys, "sent/b", "B")
		holds(t, fsys, "outbox/a", "")
		if info, err := fsys.Lstat("sent/full/x"); err != nil || !info.IsDir() {
			t.Errorf("the folder did not move with what is in it: %v", err)
		}
		if err := fsys.RenameNoReplace("sent", "sent/full/inside"); err == nil {
			t.Error("a folder was moved into itself")
		}
		for _, name := range []string{".", "..", "sent/..", ""} {
			if err := fsys.RenameNoReplace("sent/a", name); err == nil {
				t.Errorf("renamed to %q", name)
			}
		}
	})
}

func TestReplace(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "folder")
		put(t, fsys, "new", "NEW")
		put(t, fsys, "old", "OLD")
		if err := fsys.Replace("new", "old"); err != nil {
			t.Fatal(err)
		}
		holds(t, fsys, "old", "NEW")
		holds(t, fsys, "new", "")
		if err := fsys.Replace("old", "folder"); err == nil {
			t.Error("a file took the place of a folder")
		}
		if err := fsys.Replace("none", "old"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("replace by nothing: %v", err)
		}
	})
}

func TestIdentitySurvivesRename(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "outbox", "work")
		put(t, fsys, "outbox/a", "same")
		put(t, fsys, "outbox/b", "same")
		a, b, folder := identity(t, fsys, "outbox/a"), identity(t, fsys, "outbox/b"), identity(t, fsys, "outbox")
		if a == b || a == folder {
			t.Fatalf("two things have the identity %q", a)
		}
		for _, move := range [][2]string{{"outbox/a", "work/a"}, {"outbox", "work/outbox"}} {
			if err := fsys.RenameNoReplace(move[0], move[1]); err != nil {
				t.Fatal(err)
			}
		}
		if id := identity(t, fsys, "work/a"); id != a {
			t.Errorf("file: %q became %q", a, id)
		}
		if id := identity(t, fsys, "work/outbox"); id != folder {
			t.Errorf("folder: %q became %q", folder, id)
		}
		if _, err := fsys.Identity("outbox/a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("identity of nothing: %v", err)
		}
	})
}

func TestConfinement(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		put(t, fsys, "a", "A")
		for _, name := range []string{"../a", "x/../../a", "/a", ""} {
			calls := map[string]func() error{
				"open":     func() error { _, err := fsys.OpenFile(name, os.O_RDONLY, 0); return err },
				"create":   func() error { _, err := fsys.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600); return err },
				"mkdir":    func() error { return fsys.Mkdir(name, 0o700) },
				"lstat":    func() error { _, err := fsys.Lstat(name); return err },
				"readdir":  func() error { _, err := fsys.ReadDir(name); return err },
				"names":    func() error { _, err := fsys.Names(name); return err },
				"entries":  func() error { _, err := listed(fsys, name); return err },
				"to":       func() error { return fsys.RenameNoReplace("a", name) },
				"from":     func() error { return fsys.RenameNoReplace(name, "b") },
				"replace":  func() error { return fsys.Replace("a", name) },
				"remove":   func() error { return fsys.Remove(name) },
				"syncdir":  func() error { return fsys.SyncDir(name) },
				"identity": func() error { _, err := fsys.Identity(name); return err },
			}
			for call, f := range calls {
				if err := f(); err == nil {
					t.Errorf("%s of %q was allowed", call, name)
				}
			}
		}
		holds(t, fsys, "a", "A")
	})
}

func TestErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "full")
		put(t, fsys, "full/a", "A")
		check := func(what string, err, want error) {
			t.Helper()
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		_, err := fsys.OpenFile("full/a", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		check("create what is there", err, fs.ErrExist)
		_, err = fsys.OpenFile("none", os.O_RDONLY, 0)
		check("open nothing", err, fs.ErrNotExist)
		_, err = fsys.OpenFile("none/a", os.O_CREATE|os.O_WRONLY, 0o600)
		check("create nowhere", err, fs.ErrNotExist)
		_, err = fsys.OpenFile("full", os.O_WRONLY, 0)
		check("write a folder", err, nil)
		check("mkdir over a folder", fsys.Mkdir("full", 0o700), fs.ErrExist)
		check("mkdir over a file", fsys.Mkdir("full/a", 0o700), fs.ErrExist)
		check("mkdir nowhere", fsys.Mkdir("none/x", 0o700), fs.ErrNotExist)
		check("remove a full folder", fsys.Remove("full"), nil)
		check("remove nothing", fsys.Remove("none"), fs.ErrNotExist)
		check("sync nothing", fsys.SyncDir("none"), fs.ErrNotExist)
		_, err = fsys.ReadDir("none")
		check("list nothing", err, fs.ErrNotExist)
		_, err = fsys.ReadDir("full/a")
		check("list a file", err, nil)
		_, err = fsys.Names("none")
		check("names of nothing", err, fs.ErrNotExist)
		_, err = fsys.Names("full/a")
		check("names of a file", err, nil)
		_, err = listed(fsys, "none")
		check("entries of nothing", err, fs.ErrNotExist)
		_, err = listed(fsys, "full/a")
		check("entries of a file", err, nil)
		_, err = fsys.Lstat("none")
		check("look at nothing", err, fs.ErrNotExist)
		if fsys.Busy("none") || fsys.Busy("full/a") {
			t.Error("busy although nobody has it open")
		}
		if free, err := fsys.Free(); err != nil || free == 0 {
			t.Errorf("free: %d, %v", free, err)
		}
	})
}

func TestFiles(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		f, err := fsys.OpenFile("f", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "hello, world"); err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 5)
		if n, err := f.ReadAt(part, 7); n != 5 || err != nil || string(part) != "world" {
			t.Errorf("read at 7: %q, %v", part[:n], err)
		}
		if n, err := f.ReadAt(part, 10); n != 2 || err != io.EOF {
			t.Errorf("read beyond the end: %d, %v", n, err)
		}
		if info, err := f.Stat(); err != nil || info.Size() != 12 || info.Name() != "f" || !info.Mode().IsRegular() {
			t.Errorf("stat: %v, %v", info, err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		end, err := fsys.OpenFile("f", os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(end, "!"); err != nil {
			t.Fatal(err)
		}
		if _, err := end.Read(part); err == nil {
			t.Error("read through a handle for writing")
		}
		if err := end.Close(); err != nil {
			t.Fatal(err)
		}
		holds(t, fsys, "f", "hello, world!")
		empty, err := fsys.OpenFile("f", os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := empty.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := fsys.Lstat("f"); err != nil || info.Size() != 0 {
			t.Errorf("emptied: %v, %v", info, err)
		}
		read, err := fsys.OpenFile("f", os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close() // opened for reading: nothing can be lost
		if _, err := read.Write([]byte("x")); err == nil {
			t.Error("written through a handle for reading")
		}
		if n, err := read.Read(part); n != 0 || err != io.EOF {
			t.Errorf("read of nothing: %d, %v", n, err)
		}
	})
}

func TestReadDirIsSorted(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "d")
		for _, name := range []string{"d/b", "d/a", "d/c.xml"} {
			put(t, fsys, name, "x")
		}
		mkdir(t, fsys, "d/B0")
		entries, err := fsys.ReadDir("d")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
			if info, err := e.Info(); err != nil || info.Name() != e.Name() || info.IsDir() != e.IsDir() {
				t.Errorf("%s: %v, %v", e.Name(), info, err)
			}
		}
		if got := strings.Join(names, " "); got != "B0 a b c.xml" {
			t.Errorf("listed %s", got)
		}
	})
}

// listed are the names that Entries lists, sorted.
func listed(fsys fsx.FS, dir string) (names []string, err error) {
	for info, ierr := range fsys.Entries(dir) {
		if ierr != nil {
			return nil, ierr
		}
		names = append(names, info.Name())
	}
	slices.Sort(names)
	return names, nil
}

// The four ways to list a folder tell the same, of one that does not fit into one piece too.
func TestWaysToListAFolder(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "d")
		for n, more := range []int{0, 1, 254, 1, 1, 300} {
			for i := range more {
				put(t, fsys, fmt.Sprintf("d/%d_%d", n, i), strings.Repeat("x", n))
			}
			entries, err := fsys.ReadDir("d")
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, e := range entries {
				want = append(want, e.Name())
			}
			names, err := fsys.Names("d")
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("%d names of %d: %v", len(names), len(want), err)
			}
			var each []string
			for n, err := range fsys.EachName("d") {
				if err != nil {
					t.Fatal(err)
				}
				each = append(each, n)
			}
			if slices.Sort(each); !slices.Equal(each, want) {
				t.Errorf("%d names of %d, one by one", len(each), len(want))
			}
			if names, err = listed(fsys, "d"); err != nil || !slices.Equal(names, want) {
				t.Errorf("%d entries of %d: %v", len(names), len(want), err)
			}
		}
		for n, err := range fsys.EachName("none") {
			if n != "" || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of a folder that is not there: %q, %v", n, err)
			}
		}
		mkdir(t, fsys, "d/e")
		for info, err := range fsys.Entries("d") {
			if err != nil {
				t.Fatal(err)
			}
			if same, err := fsys.Lstat("d/" + info.Name()); err != nil || same.Size() != info.Size() || !same.ModTime().Equal(info.ModTime()) || same.Mode() != info.Mode() {
				t.Errorf("%s: %v, %v: %v", info.Name(), info, same, err)
			}
			if info.Name() == "2_0" {
				break // whoever has seen enough ends it
			}
		}
	})
}

func TestReadFileHasALimit(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		put(t, fsys, "f", "12345")
		if b, err := fsx.ReadFile(fsys, "f", 5); err != nil || !bytes.Equal(b, []byte("12345")) {
			t.Errorf("at the limit: %q, %v", b, err)
		}
		if b, err := fsx.ReadFile(fsys, "f", 4); err == nil || b != nil || !strings.Contains(err.Error(), `"f"`) {
			t.Errorf("over the limit: %q, %v", b, err)
		}
	})
}

func TestReadPathHasALimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := fsx.ReadPath(file, 5); err != nil || string(b) != "12345" {
		t.Errorf("at the limit: %q, %v", b, err)
	}
	if b, err := fsx.ReadPath(file, 4); err == nil || b != nil || err.Error() != file+": longer than 4 bytes" {
		t.Errorf("over the limit: %q, %v", b, err)
	}
	if b, err := fsx.ReadPath(file+"x", 4); !errors.Is(err, fs.ErrNotExist) || b != nil {
		t.Errorf("not there: %q, %v", b, err)
	}
}
