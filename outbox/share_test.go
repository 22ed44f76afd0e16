package outbox

import (
	"context"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

var shared = fsx.Access{Group: &fsx.Group{Name: "erp", ID: "7"}, File: 0o660, Dir: fs.ModeSetgid | 0o770}

func sharing() *world {
	w := newWorld(accept)
	w.set = func(p *Partner) { p.Access = shared }
	return w
}

// unshared lists what lies in a folder without the rights that it should have.
func unshared(d *simdisk.Disk, prefix string) (names []string) {
	for name, e := range d.Tree() {
		want := shared.File
		if e.Folder {
			want = fs.ModeDir | shared.Dir
		}
		if strings.HasPrefix(name, prefix) && (e.Mode != want || e.Group != "7") {
			names = append(names, name+" is "+e.Mode.String()+" of "+e.Group)
		}
	}
	return names
}

func TestFiledWithRights(t *testing.T) {
	w := sharing()
	must(run(w))
	if wrong := unshared(w.disk, "acme/sent/"); len(wrong) > 0 {
		t.Error(wrong)
	}
	for name, e := range w.disk.Tree() {
		if e.Group != "" && !strings.HasPrefix(name, "acme/sent/") {
			t.Errorf("%s was given away too", name)
		}
	}
	w = sharing()
	w.answers = []answer{reject}
	must(run(w))
	if wrong := unshared(w.disk, "acme/failed/"); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// At no moment is anything in sent without its rights, also after a power cut.
func TestRightsInTheCrashMatrix(t *testing.T) {
	t.Parallel()
	standing := func(cw crashtest.World) []string { return unshared(cw.(*world).disk, "acme/sent/2026-11-23/INV") }
	final := func(cw crashtest.World) []string { return unshared(cw.(*world).disk, "acme/sent/") }
	s := crashtest.Scenario{Run: run, Standing: standing, Final: final, After: "mark answer"}
	r := crashtest.Matrix(sharing(), s)
	t.Logf("%d cases of %d", r.Cases, r.Left)
	for _, p := range r.Problems {
		t.Error(p)
	}
	// The matrix notices when rights are not durable before the rename.
	w := sharing()
	w.mutate.fs = func(f fsx.FS) fsx.FS {
		return crashtest.Lazy{FS: f, Dir: func(string) bool { return false }, File: func(n string) bool { return strings.HasSuffix(n, "INV-1.xml") && strings.HasPrefix(n, workDir) }}
	}
	s.Enough = 1
	if r := crashtest.Matrix(w, s); len(r.Problems) == 0 {
		t.Errorf("%d cases, and nothing was noticed", r.Cases)
	}
}

// What is dropped keeps its mode and its time, unless the config says otherwise.
func TestFiledAsDropped(t *testing.T) {
	dir := t.TempDir()
	root, err := fsx.OpenRoot(dir)
	must(err)
	defer root.Close() // only read from
	for _, f := range Folders() {
		must(fsx.MkdirAll(root, f, 0o750))
	}
	old := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, mode := range map[string]fs.FileMode{"INV-1.xml": 0o604, "INV-1_scan.pdf": 0o640} {
		file := path.Join(dir, outboxDir, name)
		must(os.WriteFile(file, []byte(dropped[name]), 0o600))
		must(os.Chmod(file, mode))
		must(os.Chtimes(file, old, old))
	}
	w := newWorld(accept)
	w.mutate.fs = func(fsx.FS) fsx.FS { return root }
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // all was read
	o := w.outbox(l)
	tr := carry(t, o, scan(t, o).Claimed[0])
	for name, mode := range map[string]fs.FileMode{"INV-1.xml": 0o604, "INV-1_scan.pdf": 0o640} {
		info, err := os.Stat(path.Join(dir, tr.FilePath, name))
		if err != nil || !info.ModTime().Equal(old) || os.PathSeparator == '/' && info.Mode() != mode {
			t.Errorf("%s: %v %v %v", name, info.Mode(), info.ModTime(), err)
		}
	}
}

// A file that belongs to somebody else is filed as it is, and that is told once.
func TestFilesOfOthers(t *testing.T) {
	w := sharing()
	drop(w, "INV-2")
	w.mutate.fs = func(f fsx.FS) fsx.FS { return ofOthers{f} }
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // all was read
	o := w.outbox(l)
	told := 0
	for _, id := range scan(t, o).Claimed {
		if tr := carry(t, o, id); tr.State != ledger.StateFiled {
			t.Errorf("%s: %s", tr.State, tr.Reason)
		}
		told += strings.Count(codes(t, o, id), "warning files-foreign")
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	// The agent's own files are another matter.
	w = sharing()
	w.mutate.fs = func(f fsx.FS) fsx.FS { return ofNobody{f} }
	l2 := w.ledger()
	defer func() { l2.Close(); w.disk.Release() }() // all was read
	o = w.outbox(l2)
	id := scan(t, o).Claimed[0]
	var err error
	for again := true; again && err == nil; {
		again, err = o.Step(context.Background(), id)
	}
	if err == nil || row(t, o, id).State != ledger.StateSettled {
		t.Errorf("filed without rights: %v", err)
	}
}

type ofOthers struct{ fsx.FS }

func (f ofOthers) Share(name string, g fsx.Group) error {
	if strings.Contains(name, "INV-") {
		return fs.ErrPermission
	}
	return f.FS.Share(name, g)
}

type ofNobody struct{ fsx.FS }

func (ofNobody) Share(string, fsx.Group) error { return fs.ErrPermission }

// Who reads what was sent may remove the folder of a day as soon as it is done with it: the
// next one has its rights too.
func TestFiledWithRightsInADayThatWasRemoved(t *testing.T) {
	w := sharing()
	l := w.ledger()
	t.Cleanup(func() { must(l.Close()); w.disk.Release() })
	o := w.outbox(l)
	for _, name := range []string{"", "INV-2.xml"} {
		if name != "" {
			w.write(path.Join(outboxDir, name), "<Invoice/>")
		}
		ob := NewObserver()
		report, err := o.Scan(t.Context(), ob)
		must(err)
		o.Take(t.Context(), ob)
		done, _, err := o.Carry(t.Context(), report.Claimed[0], func() bool { return true })
		must(err)
		if done.State != ledger.StateFiled {
			t.Fatal(done.State, done.Hold)
		}
		if wrong := unshared(w.disk, "acme/sent/"); len(wrong) > 0 {
			t.Error(wrong)
		}
		must(fsx.RemoveAll(o.p.Folder, path.Dir(done.FilePath)))
	}
}
