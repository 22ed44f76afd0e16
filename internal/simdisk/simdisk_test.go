package simdisk_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
)

// must fails the test on an error in setting the scene.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// write writes a file in one call per piece, without a sync.
func write(fsys fsx.FS, name string, pieces ...string) error {
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := io.WriteString(f, p); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// names lists a disk as "name=content" with folders ending in a slash.
func names(t *testing.T, d *simdisk.Disk) string {
	t.Helper()
	var list []string
	for name, e := range d.Tree() {
		if e.Folder {
			list = append(list, name+"/")
			continue
		}
		b, err := fsx.ReadFile(d.Outside("."), name, 1<<20)
		must(t, err)
		list = append(list, name+"="+string(b))
	}
	slices.Sort(list)
	return strings.ReplaceAll(strings.Join(list, " "), "\x00", "0")
}

func want(t *testing.T, what string, d *simdisk.Disk, expected string) {
	t.Helper()
	if got := names(t, d); got != expected {
		t.Errorf("%s: %s, want %s", what, got, expected)
	}
}

func TestDataIsDurableOnceTheFileWasSynced(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, write(root, "f", "one", "two", "three"), root.SyncDir("."))
	want(t, "kill", d.Kill(), "f=onetwothree")
	want(t, "name durable, data not", d.PowerCut(simdisk.None), "f=")
	var single []string
	for _, ch := range d.Unsynced() {
		single = append(single, names(t, d.PowerCut(simdisk.AllBut(ch))))
	}
	if got := strings.Join(single, ", "); got != "f=000twothree, f=one000three, f=onetwo" {
		t.Errorf("each single write lost: %s", got)
	}
	must(t, fsx.SyncFile(root, "f"))
	want(t, "synced", d.PowerCut(simdisk.None), "f=onetwothree")
	if left := d.Unsynced(); len(left) != 0 {
		t.Errorf("unsynced after sync: %v", left)
	}
}

func TestSyncOfAFileDoesNotMakeItsNameDurable(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, write(root, "f", "x"), fsx.SyncFile(root, "f"))
	want(t, "no folder sync", d.PowerCut(simdisk.None), "")
	must(t, root.SyncDir("."))
	want(t, "folder sync", d.PowerCut(simdisk.None), "f=x")
}

func TestTruncationIsAChange(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, write(root, "f", "before"))
	d.SyncAll()
	must(t, write(root, "f", "new"))
	want(t, "both lost", d.PowerCut(simdisk.None), "f=before")
	want(t, "truncation lost", d.PowerCut(simdisk.AllBut(d.Unsynced()[0])), "f=newore")
	want(t, "write lost", d.PowerCut(simdisk.AllBut(d.Unsynced()[1])), "f=")
}

func TestRenameIsUndoneUntilItsFoldersWereSynced(t *testing.T) {
	start := simdisk.New()
	root := start.Outside(".")
	must(t, root.Mkdir("a", 0o700), root.Mkdir("b", 0o700), write(root, "a/f", "x"))
	start.SyncAll()

	within := start.Clone()
	root = within.Root(".")
	must(t, root.RenameNoReplace("a/f", "a/g"))
	want(t, "within a folder", within.PowerCut(simdisk.None), "a/ a/f=x b/")
	if n := len(within.Unsynced()); n != 1 {
		t.Errorf("a rename within a folder is %d changes", n)
	}
	must(t, root.SyncDir("a"))
	want(t, "within a folder, synced", within.PowerCut(simdisk.None), "a/ a/g=x b/")

	across := start.Clone()
	root = across.Root(".")
	must(t, root.RenameNoReplace("a/f", "b/f"))
	changes := across.Unsynced()
	if len(changes) != 2 {
		t.Fatalf("a rename across folders is %d changes", len(changes))
	}
	want(t, "none kept", across.PowerCut(simdisk.None), "a/ a/f=x b/")
	want(t, "the new name lost", across.PowerCut(simdisk.AllBut(changes[0])), "a/ a/f=x b/")
	want(t, "the end of the old name lost", across.PowerCut(simdisk.AllBut(changes[1])), "a/ a/f=x b/ b/f=x")

	wrong := across.Clone()
	must(t, wrong.Root(".").SyncDir("a"))
	want(t, "source synced first", wrong.PowerCut(simdisk.None), "a/ b/")
	must(t, root.SyncDir("b"))
	want(t, "target synced", across.PowerCut(simdisk.None), "a/ a/f=x b/ b/f=x")
	must(t, root.SyncDir("a"))
	want(t, "both synced", across.PowerCut(simdisk.None), "a/ b/ b/f=x")
}

func TestFolderMovesInOneChange(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, root.Mkdir("work", 0o700), root.Mkdir("work/t", 0o700), root.Mkdir("sent", 0o700), write(root, "work/t/f", "x"))
	d.SyncAll()
	must(t, root.RenameNoReplace("work/t", "sent/t"))
	if n := len(d.Unsynced()); n != 1 {
		t.Errorf("it is %d changes", n)
	}
	want(t, "lost", d.PowerCut(simdisk.None), "sent/ work/ work/t/ work/t/f=x")
	must(t, root.SyncDir("sent"))
	want(t, "synced", d.PowerCut(simdisk.None), "sent/ sent/t/ sent/t/f=x work/")
}

// TestFolderThatMovedDoesNotComeBack: its first name was never synced, and must not
// appear later, when the folder that it was in is synced or kept.
func TestFolderThatMovedDoesNotComeBack(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, root.Mkdir("sent", 0o700), root.SyncDir("."))
	must(t, root.Mkdir("t", 0o700), root.RenameNoReplace("t", "sent/t"), root.SyncDir("sent"))
	want(t, "kept", d.PowerCut(simdisk.All), "sent/ sent/t/")
	must(t, root.SyncDir("."))
	want(t, "synced", d.PowerCut(simdisk.None), "sent/ sent/t/")
}

func TestRemovalIsUndoneUntilTheFolderWasSynced(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, write(root, "f", "x"))
	d.SyncAll()
	must(t, root.Remove("f"))
	want(t, "lost", d.PowerCut(simdisk.None), "f=x")
	must(t, root.SyncDir("."))
	want(t, "synced", d.PowerCut(simdisk.None), "")
}

func TestStopAtFreezesTheWorld(t *testing.T) {
	whole := simdisk.New()
	must(t, write(whole.Root("."), "f", "x"))
	if got := strings.Join(whole.Ticks(), ", "); got != "before open f, after open f, before write 1 f, after write 1 f, close f" {
		t.Fatalf("ticks: %s", got)
	}
	if got := whole.Points(); !slices.Equal(got, []int{1, 3, 5}) {
		t.Errorf("points: %v", got)
	}
	for n, expected := range map[int]string{1: "", 2: "f=", 3: "f=", 4: "f=x", 5: "f=x"} {
		d := simdisk.New()
		d.StopAt(n)
		root := d.Root(".")
		err := write(root, "f", "x")
		if !errors.Is(err, simdisk.ErrStopped) || !d.Stopped() {
			t.Errorf("tick %d: %v", n, err)
		}
		frozen := len(d.Ticks())
		later := []error{root.Mkdir("d", 0o700), root.Remove("f"), root.SyncDir("."), root.RenameNoReplace("f", "g"), d.Tick("post")}
		_, lstat := root.Lstat(".")
		_, free := root.Free()
		for _, err := range append(later, lstat, free) {
			if !errors.Is(err, simdisk.ErrStopped) {
				t.Errorf("tick %d, later: %v", n, err)
			}
		}
		if len(d.Ticks()) != frozen || frozen != n {
			t.Errorf("tick %d: the clock stands at %d, then %d", n, frozen, len(d.Ticks()))
		}
		want(t, "what is left", d.Kill(), expected)
		must(t, d.Kill().Root(".").Mkdir("d", 0o700))
		must(t, write(d.Outside("."), "theirs", "y"))
	}
}

func TestFailAt(t *testing.T) {
	run := func(n int, fault error) (*simdisk.Disk, error) {
		d := simdisk.New()
		d.FailAt(n, fault)
		return d, write(d.Root("."), "f", "12345678")
	}
	d, err := run(3, syscall.ENOSPC)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full: %v", err)
	}
	want(t, "full", d, "f=1234")
	d, err = run(3, syscall.EIO)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("broken: %v", err)
	}
	want(t, "broken", d, "f=")
	d, err = run(4, syscall.EIO)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("broken after the write: %v", err)
	}
	want(t, "broken after the write", d, "f=12345678")
	must(t, write(d.Root("."), "g", "the disk goes on"))
}

func TestFailedSyncLosesTheDataForGood(t *testing.T) {
	d := simdisk.New()
	root := d.Root(".")
	must(t, write(root, "f", "lost"), root.SyncDir("."))
	f, err := root.OpenFile("f", os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	d.FailAt(len(d.Ticks())+1, syscall.EIO)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v", err)
	}
	must(t, f.Sync())
	want(t, "read", d, "f=lost")
	want(t, "after a second sync", d.PowerCut(simdisk.All), "f=")
	_, err = f.Write([]byte("+new"))
	must(t, err, f.Sync(), f.Close())
	want(t, "what was written later is there", d.PowerCut(simdisk.None), "f=0000+new")
}

func TestOthersActInBetween(t *testing.T) {
	d := simdisk.New()
	d.Root("outbox")
	d.At(3, func() {
		if err := write(d.Outside("outbox"), "theirs", "y"); err != nil {
			t.Error(err)
		}
	})
	must(t, write(d.Root("outbox"), "ours", "x"))
	want(t, "both", d, "outbox/ outbox/ours=x outbox/theirs=y")
	if n := len(d.Ticks()); n != 5 {
		t.Errorf("%d ticks: the others' calls tick too", n)
	}
}

func TestBusyWhileSomebodyElseWrites(t *testing.T) {
	d := simdisk.New()
	f, err := d.Outside("outbox").OpenFile("f", os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	root := d.Root("outbox")
	if !root.Busy("f") {
		t.Error("not busy")
	}
	must(t, f.Close())
	if root.Busy("f") {
		t.Error("still busy")
	}
	ours, err := root.OpenFile("f", os.O_WRONLY, 0)
	must(t, err)
	if root.Busy("f") {
		t.Error("busy by our own hand")
	}
	must(t, ours.Close())
}

func TestClonesAreIndependent(t *testing.T) {
	d := simdisk.New()
	must(t, write(d.Root("."), "f", "before"))
	c := d.Clone()
	f, err := c.Root(".").OpenFile("f", os.O_WRONLY, 0)
	must(t, err)
	_, err = f.Write([]byte("AFT"))
	must(t, err, c.Root(".").Mkdir("d", 0o700))
	want(t, "the clone", c, "d/ f=AFTore")
	want(t, "the first one", d, "f=before")
	must(t, write(d.Root("."), "f", "x"))
	want(t, "the clone later", c, "d/ f=AFTore")
	if a, b := d.Tree()["f"].ID, c.Tree()["f"].ID; a != b {
		t.Errorf("one file, two identities: %s, %s", a, b)
	}
	if len(d.Kill().Unsynced()) != len(d.Unsynced()) {
		t.Error("a kill made something durable")
	}
}

func TestRootsAreSubtrees(t *testing.T) {
	d := simdisk.New()
	d.Root("partners/acme")
	must(t, write(d.Root("partners/acme"), "f", "x"))
	d.SyncAll()
	want(t, "durable without a tick", d.PowerCut(simdisk.None), "partners/ partners/acme/ partners/acme/f=x")
	if _, err := d.Root("partners/other").Lstat("../acme/f"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one partner sees another: %v", err)
	}
	d.SetFree(7)
	if free, err := d.Root(".").Free(); free != 7 || err != nil {
		t.Errorf("free: %d, %v", free, err)
	}
	must(t, d.Root(".").Close())
}

func TestRightsAreDurableOnceTheFileWasSynced(t *testing.T) {
	d := simdisk.New()
	fsys := d.Root("a")
	must(t, write(fsys, "f", "x"), fsx.SyncFile(fsys, "f"), fsys.SyncDir("."))
	must(t, fsys.Chmod("f", 0o666), fsys.Share("f", fsx.Group{ID: "7"}))
	rights := func(what string, d *simdisk.Disk, mode fs.FileMode, group string) {
		t.Helper()
		if e := d.Tree()["a/f"]; e.Mode != mode || e.Group != group {
			t.Errorf("%s: %v of %q, want %v of %q", what, e.Mode, e.Group, mode, group)
		}
	}
	rights("killed", d.Kill(), 0o666, "7")
	rights("power cut", d.PowerCut(simdisk.None), 0o600, "")
	must(t, fsys.SyncDir("."))
	rights("only the folder synced", d.PowerCut(simdisk.None), 0o600, "")
	must(t, fsx.SyncFile(fsys, "f"))
	rights("synced", d.PowerCut(simdisk.None), 0o666, "7")
}
