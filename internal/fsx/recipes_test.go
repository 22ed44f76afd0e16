package fsx_test

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
)

func TestMove(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "outbox", "work", "work/t1")
		put(t, fsys, "outbox/a", "A")
		put(t, fsys, "work/t1/member", "M")
		for range 2 { // the second time it was done before
			if err := fsx.Move(fsys, "outbox/a", "work/a"); err != nil {
				t.Fatal(err)
			}
			if err := fsx.Move(fsys, "work/t1", "t1"); err != nil {
				t.Fatal(err)
			}
		}
		holds(t, fsys, "work/a", "A")
		holds(t, fsys, "outbox/a", "")
		holds(t, fsys, "t1/member", "M")

		put(t, fsys, "outbox/a", "another A")
		err := fsx.Move(fsys, "outbox/a", "work/a")
		if !errors.Is(err, fsx.ErrTargetTaken) || !strings.Contains(err.Error(), `"outbox/a"`) || !strings.Contains(err.Error(), `"work/a"`) {
			t.Errorf("onto another file: %v", err)
		}
		holds(t, fsys, "work/a", "A")
		holds(t, fsys, "outbox/a", "another A")
		if err := fsx.Move(fsys, "outbox/none", "work/none"); !errors.Is(err, fsx.ErrGone) {
			t.Errorf("nothing to nowhere: %v", err)
		}
	})
}

func TestMoveOfOneEntryToItselfKeepsIt(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "d")
		put(t, fsys, "d/a", "A")
		for _, name := range []string{"d/a", "d/./a"} {
			if err := fsx.Move(fsys, "d/a", name); err != nil {
				t.Errorf("to %s: %v", name, err)
			}
			holds(t, fsys, "d/a", "A")
		}
		// Where case does not count, these are one entry too.
		if err := fsx.Move(fsys, "d/a", "d/A"); err != nil {
			t.Fatal(err)
		}
		holds(t, fsys, "d/A", "A")
	})
}

// racing makes somebody else take the name after Move has looked and before it renames.
type racing struct {
	fsx.FS
	take func()
}

func (r *racing) RenameNoReplace(oldname, newname string) error {
	r.take()
	return r.FS.RenameNoReplace(oldname, newname)
}

func TestTargetRacedIntoPlaceSurvives(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		put(t, fsys, "ours", "OURS")
		race := &racing{fsys, func() { put(t, fsys, "target", "THEIRS") }}
		if err := fsx.Move(race, "ours", "target"); !errors.Is(err, fsx.ErrTargetTaken) {
			t.Errorf("move: %v", err)
		}
		holds(t, fsys, "target", "THEIRS")
		holds(t, fsys, "ours", "OURS")

		race.take = func() { put(t, fsys, "published", "THEIRS") }
		err := fsx.Publish(race, "published", 0o640, func(w io.Writer) error {
			_, err := io.WriteString(w, "OURS")
			return err
		})
		if !errors.Is(err, fsx.ErrTargetTaken) {
			t.Errorf("publish: %v", err)
		}
		holds(t, fsys, "published", "THEIRS")
		holds(t, fsys, "published.part", "")
	})
}

// TestManyMoversOneWinner races for real: of all that want one name, one gets it and
// no content is lost.
func TestManyMoversOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for _, name := range names {
			put(t, fsys, name, name)
		}
		var wg sync.WaitGroup
		errs := make([]error, len(names))
		for i, name := range names {
			wg.Go(func() { errs[i] = fsx.Move(fsys, name, "target") })
		}
		wg.Wait()
		winner := slices.Index(errs, nil)
		if winner < 0 {
			t.Fatalf("nobody won: %v", errs)
		}
		for i, name := range names {
			if i == winner {
				holds(t, fsys, name, "")
				holds(t, fsys, "target", name)
				continue
			}
			if !errors.Is(errs[i], fsx.ErrTargetTaken) {
				t.Errorf("%s: %v", name, errs[i])
			}
			holds(t, fsys, name, name)
		}
	})
}

func TestPublish(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "work")
		put(t, fsys, "work/message.part", "what a crash left, longer than the new content")
		write := func(w io.Writer) error {
			if _, err := fsys.Lstat("work/message"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the name is there before the content: %v", err)
			}
			_, err := io.WriteString(w, "sealed")
			return err
		}
		if err := fsx.Publish(fsys, "work/message", 0o600, write); err != nil {
			t.Fatal(err)
		}
		holds(t, fsys, "work/message", "sealed")
		holds(t, fsys, "work/message.part", "")

		broken := errors.New("the source broke")
		err := fsx.Publish(fsys, "work/other", 0o600, func(w io.Writer) error {
			if _, err := io.WriteString(w, "half"); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("a broken source: %v", err)
		}
		holds(t, fsys, "work/other", "")
		holds(t, fsys, "work/other.part", "")
	})
}

func TestRewrite(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		for _, text := range []string{"a first, longer version", "the second"} {
			if err := fsx.Rewrite(fsys, "transfer.json", 0o600, []byte(text)); err != nil {
				t.Fatal(err)
			}
			holds(t, fsys, "transfer.json", text)
			holds(t, fsys, "transfer.json.part", "")
		}
	})
}

func TestMkdirAll(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		for range 2 {
			if err := fsx.MkdirAll(fsys, "sent/2026-11-23/INV-1", 0o750); err != nil {
				t.Fatal(err)
			}
		}
		if info, err := fsys.Lstat("sent/2026-11-23/INV-1"); err != nil || !info.IsDir() {
			t.Errorf("%v, %v", info, err)
		}
		if err := fsx.MkdirAll(fsys, ".", 0o750); err != nil {
			t.Errorf("the root: %v", err)
		}
		put(t, fsys, "file", "x")
		if err := fsx.MkdirAll(fsys, "file", 0o750); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v", err)
		}
		if err := fsx.MkdirAll(fsys, "file/below", 0o750); err == nil {
			t.Error("below a file")
		}
		if err := fsx.MkdirAll(fsys, "../out", 0o750); err == nil {
			t.Error("outside of the tree")
		}
	})
}

func TestRemoveAll(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		if err := fsx.MkdirAll(fsys, "a/b/c", 0o750); err != nil {
			t.Fatal(err)
		}
		put(t, fsys, "a/f", "x")
		put(t, fsys, "a/b/g", "x")
		put(t, fsys, "kept", "K")
		for _, name := range []string{"a", "a", "none/at/all"} {
			if err := fsx.RemoveAll(fsys, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if there, err := fsx.Exists(fsys, "a"); there || err != nil {
			t.Errorf("still there: %v, %v", there, err)
		}
		for _, name := range []string{"", ".", "a/..", "./", "..", "../x", "/"} {
			if err := fsx.RemoveAll(fsys, name); err == nil {
				t.Errorf("%q was removed", name)
			}
		}
		holds(t, fsys, "kept", "K")
	})
}

func TestProveSameVolume(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "outbox", "work", "sent")
		for _, folder := range []string{"outbox", "work", "sent"} {
			put(t, fsys, folder+"/.as2drop-probe", "what a crash left")
		}
		if err := fsx.ProveSameVolume(fsys, "outbox", "work", "sent"); err != nil {
			t.Fatal(err)
		}
		refused := &refusing{fsys}
		err := fsx.ProveSameVolume(refused, "outbox", "work")
		if !errors.Is(err, errCrossDevice) || !strings.Contains(err.Error(), `"outbox"`) || !strings.Contains(err.Error(), `"work"`) {
			t.Errorf("two volumes: %v", err)
		}
		for _, folder := range []string{"outbox", "work", "sent"} {
			if entries, err := fsys.ReadDir(folder); err != nil || len(entries) > 0 {
				t.Errorf("%s holds %v, %v", folder, entries, err)
			}
		}
		if err := fsx.ProveSameVolume(fsys, "outbox", "none"); err == nil {
			t.Error("a folder that is not there is on the same volume")
		}
	})
}

var errCrossDevice = errors.New("invalid cross-device link")

type refusing struct{ fsx.FS }

func (r *refusing) RenameNoReplace(string, string) error { return errCrossDevice }

func TestSyncFile(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		put(t, fsys, "dropped", "x")
		if err := fsx.SyncFile(fsys, "dropped"); err != nil {
			t.Error(err)
		}
		if err := fsx.SyncFile(fsys, "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing: %v", err)
		}
	})
}

// TestRecipesAreDurable looks at what a power cut leaves after each recipe returned,
// and at what it leaves at every tick before: the old state or the new one.
func TestRecipesAreDurable(t *testing.T) {
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, s)
			return err
		}
	}
	cases := []struct {
		name   string
		recipe func(fsx.FS) error
		old    func(fsx.FS) bool
		done   func(fsx.FS) bool
	}{
		{"move", func(f fsx.FS) error { return fsx.Move(f, "outbox/a", "work/a") },
			func(f fsx.FS) bool { return has(f, "outbox/a", "A") },
			func(f fsx.FS) bool { return has(f, "work/a", "A") && has(f, "outbox/a", "") }},
		{"move two and one sync of each folder", func(f fsx.FS) error {
			for _, name := range []string{"a", "two"} {
				if err := fsx.MoveUnsynced(f, "outbox/"+name, "work/"+name); err != nil {
					return err
				}
			}
			return errors.Join(f.SyncDir("work"), f.SyncDir("outbox"))
		},
			func(f fsx.FS) bool { return has(f, "outbox/a", "A") || has(f, "work/a", "A") },
			func(f fsx.FS) bool { return !has(f, "outbox/a", "A") && has(f, "work/a", "A") }},
		{"move with two names", func(f fsx.FS) error { return fsx.Move(f, "outbox/two", "work/two") },
			func(f fsx.FS) bool { return has(f, "outbox/two", "2") },
			func(f fsx.FS) bool { return has(f, "work/two", "2") && has(f, "outbox/two", "") }},
		{"move a folder", func(f fsx.FS) error { return fsx.Move(f, "outbox", "work/o") },
			func(f fsx.FS) bool { return has(f, "outbox/a", "A") },
			func(f fsx.FS) bool { return has(f, "work/o/a", "A") }},
		{"publish", func(f fsx.FS) error { return fsx.Publish(f, "work/p", 0o600, text("P")) },
			func(f fsx.FS) bool { return has(f, "work/p", "") },
			func(f fsx.FS) bool { return has(f, "work/p", "P") }},
		{"rewrite", func(f fsx.FS) error { return fsx.Rewrite(f, "outbox/a", 0o600, []byte("B")) },
			func(f fsx.FS) bool { return has(f, "outbox/a", "A") },
			func(f fsx.FS) bool { return has(f, "outbox/a", "B") }},
		{"two changes and one sync", func(f fsx.FS) error {
			for name, content := range map[string]string{"work/p": "P", "work/r": "R"} {
				if err := fsx.RewriteUnsynced(f, name, 0o600, []byte(content)); err != nil {
					return err
				}
			}
			return f.SyncDir("work")
		},
			func(f fsx.FS) bool {
				return (has(f, "work/p", "") || has(f, "work/p", "P")) && (has(f, "work/r", "") || has(f, "work/r", "R"))
			},
			func(f fsx.FS) bool { return has(f, "work/p", "P") && has(f, "work/r", "R") }},
		{"mkdir", func(f fsx.FS) error { return fsx.MkdirAll(f, "sent/x/y", 0o700) },
			func(fsx.FS) bool { return true },
			func(f fsx.FS) bool { _, err := f.Lstat("sent/x/y"); return err == nil }},
		{"remove", func(f fsx.FS) error { return fsx.RemoveAll(f, "outbox") },
			func(fsx.FS) bool { return true },
			func(f fsx.FS) bool { _, err := f.Lstat("outbox"); return errors.Is(err, fs.ErrNotExist) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			start := scene(t)
			whole := start.Clone()
			if err := c.recipe(whole.Root("box")); err != nil {
				t.Fatal(err)
			}
			if cut := whole.PowerCut(simdisk.None); !c.done(cut.Outside("box")) {
				t.Errorf("not durable at the end:\n%s", strings.Join(whole.Ticks(), "\n"))
			}
			for _, n := range whole.Points() {
				d := start.Clone()
				d.StopAt(n)
				if err := c.recipe(d.Root("box")); !errors.Is(err, simdisk.ErrStopped) {
					t.Fatalf("tick %d: %v", n, err)
				}
				keeps := []func(simdisk.Change) bool{simdisk.All, simdisk.None}
				for _, ch := range d.Unsynced() {
					keeps = append(keeps, simdisk.AllBut(ch))
				}
				for _, keep := range keeps {
					left := d.PowerCut(keep)
					if f := left.Outside("box"); !c.old(f) && !c.done(f) {
						t.Errorf("stop at tick %d (%s): neither old nor new: %v", n, whole.Ticks()[n-1], left.Tree())
					}
					again(t, c.recipe, left, c.done)
				}
				// What a killed process did not sync, the next one must: after a kill
				// and a whole second run nothing can be lost either.
				killed := d.Kill()
				if err := c.recipe(killed.Root("box")); err != nil && !errors.Is(err, fsx.ErrTargetTaken) {
					t.Errorf("again after a kill at tick %d: %v", n, err)
				} else if err == nil && !c.done(killed.PowerCut(simdisk.None).Outside("box")) {
					t.Errorf("a kill at tick %d, a second run, a power cut: lost", n)
				}
			}
		})
	}
}

// scene is a disk with a file A in the outbox, and a file 2 that has two names, of which
// work/two is not durable yet: this is how a killed link and unlink leaves it.
func scene(t *testing.T) *simdisk.Disk {
	t.Helper()
	d := simdisk.New()
	box := d.Outside("box")
	mkdir(t, box, "outbox", "work")
	put(t, box, "outbox/a", "A")
	put(t, box, "outbox/two", "2")
	d.SyncAll()
	if err := box.RenameNoReplace("outbox/two", "work/twin"); err != nil {
		t.Fatal(err)
	}
	d = d.PowerCut(simdisk.AllBut(d.Unsynced()[1]))
	box = d.Outside("box")
	if err := box.RenameNoReplace("work/twin", "work/two"); err != nil {
		t.Fatal(err)
	}
	if identity(t, box, "outbox/two") != identity(t, box, "work/two") {
		t.Fatal("one file with two names has two identities")
	}
	return d
}

// again repeats a recipe on what a power cut left.
func again(t *testing.T, recipe func(fsx.FS) error, d *simdisk.Disk, done func(fsx.FS) bool) {
	t.Helper()
	// A Publish that was finished finds its own file.
	if err := recipe(d.Root("box")); err != nil && !errors.Is(err, fsx.ErrTargetTaken) {
		t.Errorf("again: %v", err)
	}
	if !done(d.Outside("box")) {
		t.Error("again: not done")
	}
}

// has reports whether a file has this content; "" means that nothing has the name.
func has(fsys fsx.FS, name, want string) bool {
	got, err := fsx.ReadFile(fsys, name, 1<<20)
	if want == "" {
		return errors.Is(err, fs.ErrNotExist)
	}
	return err == nil && string(got) == want
}
