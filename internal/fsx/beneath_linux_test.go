package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
)

// both opens a tree in the quick way and by os.Root alone.
func both(t *testing.T, dir string) (quick *beneath, slow FS) {
	t.Helper()
	quick, ok := openRoot(t, dir).(*beneath)
	if !ok {
		t.Fatal("this kernel does not confine paths, or is not asked to")
	}
	slow, err := OpenByRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.Close() }) // a handle on a folder
	return quick, slow
}

// A name means the same to the kernel and to os.Root, whatever links are on the way.
func TestOneMeaningOfAName(t *testing.T) {
	for _, name := range []string{"real", "real/a", "in", "in/a", "deeper", "deeper/../a", "real/up", "real/up/b", "self", "self/a", "dangling", "file", "file/a",
		"door", "door/secret", "climb", "climb/x", "real/climb", "real/climb/x", "absolute", "absolute/a", "through", "through/b", "none", "none/a", "real/a/x",
		".", "..", "", "/", "/a", "real/", "real//a", "./real", "real/.", "in/.", "real/./a", "../x", "\xff"} {
		outside, dir := t.TempDir(), t.TempDir()
		write(t, filepath.Join(outside, "secret"), "SECRET")
		maze(t, filepath.Join(dir, "quick"), outside)
		maze(t, filepath.Join(dir, "slow"), outside)
		quick, _ := both(t, filepath.Join(dir, "quick"))
		same, slow := both(t, filepath.Join(dir, "slow"))
		for range 2 {
			i, err := same.Lstat(name)
			j, err2 := slow.Lstat(name)
			if (err == nil) != (err2 == nil) || err == nil && (i.Name() != j.Name() || i.Size() != j.Size() || i.Mode() != j.Mode() || !i.ModTime().Equal(j.ModTime())) {
				t.Errorf("%q: %v, %v; os.Root: %v, %v", name, i, err, j, err2)
			}
			a, err := same.Identity(name)
			b, err2 := slow.Identity(name)
			if a != b || (err == nil) != (err2 == nil) {
				t.Errorf("%q: identity %q, %v; os.Root: %q, %v", name, a, err, b, err2)
			}
			if got, want := calls(quick, name), calls(slow, name); !reflect.DeepEqual(got, want) {
				t.Errorf("%q\n    quick %q\n  os.Root %q", name, got, want)
			}
		}
		if b, err := os.ReadFile(filepath.Join(outside, "secret")); string(b) != "SECRET" {
			t.Errorf("%q: the file outside holds %q, %v", name, b, err)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
			t.Errorf("%q: outside: %v, %v", name, entries, err)
		}
	}
}

// maze makes a tree of folders and links, of which some lead out.
func maze(t *testing.T, dir, outside string) {
	t.Helper()
	for _, folder := range []string{"", "real", "real/deep", "full"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "real", "a"), "A")
	write(t, filepath.Join(dir, "full", "b"), "B")
	for name, target := range map[string]string{
		"in": "real", "deeper": "in/deep", "real/up": "../full", "self": "self", "dangling": "real/none", "file": "real/a",
		"door": outside, "climb": "..", "real/climb": "../..", "absolute": filepath.Join(dir, "real"), "through": "real/../full",
	} {
		link(t, target, filepath.Join(dir, name))
	}
}

// calls makes the same calls with a name and says what came of each.
func calls(f FS, name string) (answers []string) {
	note := func(what string, err error) {
		answer := "refused"
		for _, known := range []error{nil, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, fs.ErrPermission} {
			if errors.Is(err, known) {
				answer = fmt.Sprint(known)
			}
		}
		answers = append(answers, what+": "+answer)
	}
	text, err := ReadFile(f, name, 100)
	note("read "+string(text), err)
	note("sync", f.SyncDir(name))
	note("mkdir over it", f.Mkdir(name, 0o700))
	create := func(name string) error {
		file, err := f.OpenFile(name, CreateNew, 0o600)
		if err == nil {
			err = file.Close()
		}
		return err
	}
	note("create over it", create(name))
	note("mkdir below", f.Mkdir(name+"/folder", 0o700))
	note("create below", create(name+"/new"))
	note("rename", f.RenameNoReplace(name+"/new", name+"/newer"))
	note("rename onto", f.RenameNoReplace(name+"/newer", name+"/folder"))
	note("replace a folder", f.Replace(name+"/newer", name+"/folder"))
	note("replace", f.Replace(name+"/newer", name+"/b"))
	note("remove", f.Remove(name+"/b"))
	note("remove what is gone", f.Remove(name+"/b"))
	note("replace by a folder", f.Replace(name+"/folder", name+"/deep"))
	note("remove a folder", f.Remove(name+"/folder"))
	note("remove it", f.Remove(name))
	return answers
}

// Somebody who may write to the tree swaps a folder and a link that leads out, while the
// agent works in it.
func TestASwappedLinkDoesNotLeadOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "a"), "SECRET")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "d", "a"), "A")
	link(t, outside, filepath.Join(dir, "link"))
	quick, _ := both(t, dir)
	done := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		at := func(name string) string { return filepath.Join(dir, name) }
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			for _, move := range [][2]string{{"d", "aside"}, {"link", "d"}, {"d", "link"}, {"aside", "d"}} {
				if err := os.Rename(at(move[0]), at(move[1])); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	read := 0
	for read < 50 {
		if b, err := ReadFile(quick, "d/a", 100); err == nil {
			read++
			if string(b) != "A" {
				t.Fatalf("read %q", b)
			}
		}
		if f, err := quick.OpenFile("d/new", os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.Close() // nothing was written
		}
		_ = quick.Mkdir("d/folder", 0o700)    // it works or not
		_ = quick.Replace("d/new", "d/newer") // likewise
		_ = quick.Remove("d/newer")           // likewise
		if err := quick.SyncDir("d"); err != nil && read == 0 && errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
	}
	close(done)
	swapping.Wait()
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "a")); string(b) != "SECRET" {
		t.Errorf("the file outside holds %q, %v", b, err)
	}
}

// A folder that was renamed away is not found under its old name, and what is new there is.
func TestFoldersThatMove(t *testing.T) {
	dir := t.TempDir()
	fsys := openRoot(t, dir)
	for _, text := range []string{"first", "second"} {
		if err := errors.Join(MkdirAll(fsys, "work/t1", 0o700), Rewrite(fsys, "work/t1/a", 0o600, []byte(text))); err != nil {
			t.Fatal(err)
		}
		if b, err := ReadFile(fsys, "work/t1/a", 100); string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
		if err := Move(fsys, "work/t1", "sent-"+text); err != nil {
			t.Fatal(err)
		}
		if there, err := Exists(fsys, "work/t1/a"); there || err != nil {
			t.Errorf("still there: %v", err)
		}
	}
	// An open tree goes with its folder, and not with its name.
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir + "-moved") }) // of a test
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(fsys, "sent-second/a", 100); string(b) != "second" {
		t.Errorf("%q, %v", b, err)
	}
	if err := fsys.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"sync": fsys.SyncDir("sent-second"), "mkdir": fsys.Mkdir("x", 0o700), "remove": fsys.Remove("sent-second/a"),
		"replace": fsys.Replace("sent-second/a", "b"), "rename": fsys.RenameNoReplace("sent-second/a", "b"),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
}

func BenchmarkPath(b *testing.B) {
	dir := b.TempDir()
	slow, err := OpenByRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	quick, err := OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	if err := MkdirAll(slow, "partner/work/t1", 0o700); err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]FS{"os.Root": slow, "kernel": quick} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				file, err := f.OpenFile("partner/work/t1/a.part", os.O_CREATE|os.O_WRONLY, 0o600)
				if err == nil {
					err = file.Close()
				}
				if err == nil {
					_, err = f.Identity("partner/work/t1/a.part")
				}
				if err == nil {
					err = f.Replace("partner/work/t1/a.part", "partner/work/t1/a")
				}
				if err == nil {
					err = f.Remove("partner/work/t1/a")
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
