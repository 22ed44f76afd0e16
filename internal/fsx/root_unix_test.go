//go:build unix

package fsx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestLinksDoNotLeadOut plants links in the tree that lead out of it.
func TestLinksDoNotLeadOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "secret"), "SECRET")
	link(t, outside, filepath.Join(dir, "door"))
	link(t, filepath.Join(outside, "secret"), filepath.Join(dir, "window"))
	write(t, filepath.Join(dir, "a"), "A")
	fsys := openRoot(t, dir)

	if b, err := ReadFile(fsys, "window", 100); err == nil {
		t.Errorf("read %q through a link", b)
	}
	calls := map[string]error{
		"rename into":   fsys.RenameNoReplace("a", "door/a"),
		"rename out of": fsys.RenameNoReplace("door/secret", "b"),
		"replace":       fsys.Replace("a", "door/secret"),
		"remove":        fsys.Remove("door/secret"),
		"sync":          fsys.SyncDir("door"),
	}
	for call, err := range calls {
		if err == nil {
			t.Errorf("%s a folder behind a link", call)
		}
	}
	if err := RemoveAll(fsys, "door"); err != nil {
		t.Errorf("remove the link: %v", err)
	}
	if err := Move(fsys, "window", "moved"); err != nil {
		t.Errorf("move the link: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "secret")); string(b) != "SECRET" {
		t.Errorf("the file behind the link holds %q, %v", b, err)
	}
}

// TestMoveBetweenTwoPathsToOneFolder: removing the old name would remove the file.
func TestMoveBetweenTwoPathsToOneFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	link(t, "real", filepath.Join(dir, "alias"))
	write(t, filepath.Join(dir, "real", "a"), "A")
	if err := Move(openRoot(t, dir), "alias/a", "real/a"); !errors.Is(err, ErrTargetTaken) {
		t.Errorf("move: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "real", "a")); string(b) != "A" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// TestMoveFinishesLinkAndUnlink: a kill between the two left both names.
func TestMoveFinishesLinkAndUnlink(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"outbox", "work"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "outbox", "a"), "A")
	if err := os.Link(filepath.Join(dir, "outbox", "a"), filepath.Join(dir, "work", "a")); err != nil {
		t.Fatal(err)
	}
	fsys := openRoot(t, dir)
	if err := Move(fsys, "outbox/a", "work/a"); err != nil {
		t.Fatal(err)
	}
	if there, err := Exists(fsys, "outbox/a"); there || err != nil {
		t.Errorf("the old name: %v, %v", there, err)
	}
	if b, err := ReadFile(fsys, "work/a", 10); string(b) != "A" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// TestLinkNoReplace tries what serves file systems whose rename knows no flags.
func TestLinkNoReplace(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"from", "to", "from/folder", "to/taken"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "from", "a"), "A")
	write(t, filepath.Join(dir, "from", "folder", "f"), "F")
	write(t, filepath.Join(dir, "to", "b"), "B")
	from, to := openDir(t, filepath.Join(dir, "from")), openDir(t, filepath.Join(dir, "to"))
	cases := []struct {
		old, new string
		want     error
	}{
		{"a", "b", fs.ErrExist},
		{"a", "taken", fs.ErrExist},
		{"folder", "b", fs.ErrExist},
		{"folder", "taken", fs.ErrExist},
		{"none", "c", fs.ErrNotExist},
		{"a", "a", nil},
		{"folder", "folder", nil},
	}
	for _, c := range cases {
		if err := linkNoReplace(from, c.old, to, c.new); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v, want %v", c.old, c.new, err, c.want)
		}
	}
	for name, want := range map[string]string{"a": "A", "b": "B", "folder/f": "F"} {
		if b, err := os.ReadFile(filepath.Join(dir, "to", name)); string(b) != want {
			t.Errorf("%s holds %q, %v; want %q", name, b, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "from")); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func openRoot(t *testing.T, dir string) FS {
	t.Helper()
	fsys, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() }) // nothing is written through the handle of a folder
	return fsys
}

func openDir(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // opened for reading
	return f
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, old, name string) {
	t.Helper()
	if err := os.Symlink(old, name); err != nil {
		t.Fatal(err)
	}
}

// TestShareGivesTheGroup gives a file and a link to a group of this process.
func TestShareGivesTheGroup(t *testing.T) {
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	gid := os.Getegid()
	switch {
	case os.Geteuid() == 0:
		gid = 12345
	case len(groups) > 0:
		gid = groups[len(groups)-1] // perhaps another one
	}
	g, err := LookupGroup(strconv.Itoa(gid))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Usable(); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "A")
	write(t, filepath.Join(dir, "target"), "A")
	link(t, "target", filepath.Join(dir, "b"))
	fsys := openRoot(t, dir)
	for _, name := range []string{"a", "b"} {
		if err := fsys.Share(name, *g); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]int{"a": gid, "b": gid, "target": os.Getegid()} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
	if err := Grant(fsys, "a", Access{Group: g, File: 0o604}); err != nil {
		t.Error(err)
	}
}

func TestGroupsThatCannotBeUsed(t *testing.T) {
	if g, err := LookupGroup("no such group"); err == nil || !strings.Contains(err.Error(), `no group "no such group"`) {
		t.Errorf("%v %v", g, err)
	}
	if err := openRoot(t, t.TempDir()).Share(".", Group{ID: "x"}); err == nil {
		t.Error("given to nobody")
	}
	dir := filepath.Join(t.TempDir(), "inner", "partner")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	g := &Group{Name: "erp", ID: "54321"}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.Reachable(dir); err == nil || !strings.Contains(err.Error(), "the group erp cannot come to "+dir) || !strings.Contains(err.Error(), "drwx------") {
		t.Error(err)
	}
	own := &Group{Name: "own", ID: strconv.Itoa(os.Getegid())}
	if err := os.Chmod(filepath.Dir(dir), 0o710); err != nil {
		t.Fatal(err)
	}
	if err := own.Reachable(dir); err != nil && strings.Contains(err.Error(), "inner is ") {
		t.Error(err)
	}
}

// What is found by name is known again as the file that is open, with its owner and its mode.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	fsys := openRoot(t, dir)
	write(t, filepath.Join(dir, "a"), "A")
	write(t, filepath.Join(dir, "b"), "A")
	f, err := fsys.OpenFile("a", ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // opened for reading: nothing can be lost
	open, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "b": false} {
		info, err := fsys.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := Same(info, open); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && name == "a" {
			is := open.Sys().(*syscall.Stat_t)
			ok = st.Uid == is.Uid && st.Gid == is.Gid && st.Mode == is.Mode && st.Nlink == is.Nlink && st.Size == is.Size
		}
		if !ok {
			t.Errorf("%s: %+v", name, info.Sys())
		}
	}
}
