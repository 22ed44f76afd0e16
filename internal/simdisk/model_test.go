//go:build unix

// On Windows each refused call is tried for a second, in case another program has the
// file open, and a thousand of them are too many. The suite in package fsx runs there.

package simdisk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
)

// step is one random call, made on the simulated disk and in a real folder.
type step struct{ op, a, b string }

func (s step) run(fsys fsx.FS) error {
	switch s.op {
	case "write":
		return write(fsys, s.a, s.a+s.b, "!")
	case "mkdir":
		return fsys.Mkdir(s.a, 0o700)
	case "remove":
		return fsys.Remove(s.a)
	case "rename":
		return fsys.RenameNoReplace(s.a, s.b)
	case "move":
		return fsx.Move(fsys, s.a, s.b)
	case "publish":
		return fsx.Rewrite(fsys, s.a, 0o600, []byte(s.b))
	case "mkdirs":
		return fsx.MkdirAll(fsys, s.a, 0o700)
	case "clear":
		return fsx.RemoveAll(fsys, s.a)
	case "sync":
		return fsx.SyncFile(fsys, s.a)
	}
	// Systems differ in whether a file can be synced as if it were a folder.
	if info, err := fsys.Lstat(s.a); err != nil || !info.IsDir() {
		return err
	}
	return fsys.SyncDir(s.a)
}

// kind is what a caller can tell about an error. Where a file stands in the place of a
// folder, systems differ in whether they say so or that there is nothing behind it.
func kind(err error) string {
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	for _, k := range []error{fsx.ErrTargetTaken, fsx.ErrGone, fs.ErrExist, fs.ErrNotExist} {
		if errors.Is(err, k) {
			return k.Error()
		}
	}
	return fmt.Sprint(err != nil)
}

func steps(t *rapid.T, most int) []step {
	name := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a"})
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			rapid.SampledFrom([]string{"write", "mkdir", "remove", "rename", "move", "publish", "mkdirs", "clear", "sync", "syncdir"}).Draw(t, "op"),
			name.Draw(t, "a"), name.Draw(t, "b"),
		}
	})
	return rapid.SliceOfN(one, 1, most).Draw(t, "steps")
}

// list reads a whole tree through the interface.
func list(fsys fsx.FS, dir string, into map[string]string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			into[name] = "folder"
			if err := list(fsys, name, into); err != nil {
				return err
			}
			continue
		}
		b, err := fsx.ReadFile(fsys, name, 1<<16)
		if err != nil {
			return err
		}
		into[name] = "=" + string(b)
	}
	return nil
}

// TestSimulatedLikeReal makes the same random calls on both and compares every result
// and what is there in the end.
func TestSimulatedLikeReal(t *testing.T) {
	real, err := fsx.OpenRoot(t.TempDir())
	must(t, err)
	t.Cleanup(func() { real.Close() }) // nothing is written through the handle of a folder
	rapid.Check(t, func(t *rapid.T) {
		for _, name := range []string{"a", "b", "d", "e", "a.part", "b.part", "d.part", "e.part"} {
			if err := fsx.RemoveAll(real, name); err != nil {
				t.Fatal(err)
			}
		}
		simulated := simdisk.New().Root("x")
		for i, s := range steps(t, 12) {
			if r, v := s.run(real), s.run(simulated); kind(r) != kind(v) {
				t.Fatalf("step %d, %v: really %v, simulated %v", i, s, r, v)
			}
		}
		r, v := map[string]string{}, map[string]string{}
		if err := errors.Join(list(real, ".", r), list(simulated, ".", v)); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(r, v) {
			t.Fatalf("really %v, simulated %v", r, v)
		}
	})
}

// TestPowerCutProperties: with everything kept or synced a power cut is a kill; with
// anything lost the disk is still one that can be read and written.
func TestPowerCutProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := simdisk.New()
		for _, s := range steps(t, 40) {
			_ = s.run(d.Root("x")) // most of them make no sense, and the disk says so
		}
		killed := d.Kill().Tree()
		if cut := d.PowerCut(simdisk.All).Tree(); !maps.Equal(cut, killed) {
			t.Fatalf("kill %v, everything kept %v", killed, cut)
		}
		kept := map[int]bool{}
		for _, ch := range d.Unsynced() {
			kept[ch.Seq] = rapid.Bool().Draw(t, ch.Label)
		}
		some := d.PowerCut(func(ch simdisk.Change) bool { return kept[ch.Seq] })
		tree := map[string]string{}
		if err := list(some.Root("."), ".", tree); err != nil {
			t.Fatal(err)
		}
		if again := some.PowerCut(simdisk.None).Tree(); !maps.Equal(again, some.Tree()) {
			t.Fatalf("a second power cut lost something: %v, %v", some.Tree(), again)
		}
		d.SyncAll()
		if cut := d.PowerCut(simdisk.None).Tree(); !maps.Equal(cut, killed) {
			t.Fatalf("kill %v, synced %v", killed, cut)
		}
	})
}
