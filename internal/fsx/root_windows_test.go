package fsx

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// hold opens a file or folder as another program does.
func hold(t *testing.T, name string, access, share uint32) windows.Handle {
	t.Helper()
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(p, access, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func folder(t *testing.T) (string, FS) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("A"), 0o600); err != nil {
		t.Fatal(err)
	}
	fsys, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() }) // nothing is written through the handle of a folder
	return dir, fsys
}

func TestBusyWhileSomebodyWrites(t *testing.T) {
	dir, fsys := folder(t)
	if fsys.Busy("a") {
		t.Error("busy although nobody has it open")
	}
	const all = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h := hold(t, filepath.Join(dir, "a"), windows.GENERIC_WRITE, all)
	if !fsys.Busy("a") {
		t.Error("not busy although somebody has it open for writing")
	}
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
	if fsys.Busy("a") {
		t.Error("busy although it was closed")
	}
}

// TestMoveOfAFileInUse: the tries are bounded, the file stays, and once it is closed
// the move works.
func TestMoveOfAFileInUse(t *testing.T) {
	dir, fsys := folder(t)
	h := hold(t, filepath.Join(dir, "a"), windows.GENERIC_READ, windows.FILE_SHARE_READ)
	err := Move(fsys, "a", "b")
	if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		t.Errorf("move of a file in use: %v", err)
	}
	if there, err := Exists(fsys, "b"); there || err != nil {
		t.Errorf("target: %v, %v", there, err)
	}
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
	if err := Move(fsys, "a", "b"); err != nil {
		t.Errorf("move after it was closed: %v", err)
	}
}

// TestMoveOfAFolderInUse: a command window whose current folder it is keeps a folder
// where it is, as does an open file in it.
func TestMoveOfAFolderInUse(t *testing.T) {
	dir, fsys := folder(t)
	if err := MkdirAll(fsys, "work/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Move(fsys, "a", "work/x/a"); err != nil {
		t.Fatal(err)
	}
	h := hold(t, filepath.Join(dir, "work", "x"), windows.FILE_LIST_DIRECTORY, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE)
	if err := Move(fsys, "work/x", "sent"); !InUse(err) {
		t.Errorf("move of a folder in use: %v", err)
	}
	if b, err := ReadFile(fsys, "work/x/a", 10); string(b) != "A" {
		t.Errorf("the file in it holds %q, %v", b, err)
	}
	if there, err := Exists(fsys, "sent"); there || err != nil {
		t.Errorf("target: %v, %v", there, err)
	}
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
	if err := Move(fsys, "work/x", "sent"); err != nil {
		t.Errorf("move after it was closed: %v", err)
	}
	if b, err := ReadFile(fsys, "sent/a", 10); string(b) != "A" {
		t.Errorf("the file in it holds %q, %v", b, err)
	}
}

// TestDeniedSaysWhy: Windows gives one answer for rights and for an open file in a folder.
func TestDeniedSaysWhy(t *testing.T) {
	tries := 0
	err := retryBusy(func() error { tries++; return windows.ERROR_ACCESS_DENIED })
	if !errors.Is(err, windows.ERROR_ACCESS_DENIED) || !strings.Contains(err.Error(), "another program has it open") || tries != busyTries {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

// TestBusyWhileItsRemovalIsPending: Wine removes such a file at once, so only the meaning
// of the status can be tried.
func TestBusyWhileItsRemovalIsPending(t *testing.T) {
	if !meansBusy(windows.STATUS_DELETE_PENDING) || meansBusy(windows.STATUS_ACCESS_DENIED) || meansBusy(windows.STATUS_OBJECT_NAME_NOT_FOUND) {
		t.Error("the wrong status means busy")
	}
}

// TestReadOnlyFile: the attribute keeps nobody from moving, and us not from removing.
func TestReadOnlyFile(t *testing.T) {
	dir, fsys := folder(t)
	if err := os.Chmod(filepath.Join(dir, "a"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := SyncFile(fsys, "a"); err != nil {
		t.Errorf("sync: %v", err)
	}
	if fsys.Busy("a") {
		t.Error("busy although nobody has it open")
	}
	if err := Move(fsys, "a", "b"); err != nil {
		t.Errorf("move: %v", err)
	}
	if info, err := fsys.Lstat("b"); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("after the move: %v, %v", info, err)
	}
	if err := RemoveAll(fsys, "b"); err != nil {
		t.Errorf("remove: %v", err)
	}
}

// TestBeyond260: every call on a path that Windows itself would refuse.
func TestBeyond260(t *testing.T) {
	long := strings.Repeat("l", 240)
	top, _ := folder(t)
	dir := filepath.Join(top, long, long)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	fsys, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() }) // nothing is written through the handle of a folder
	deep := long + "/" + long
	if err := MkdirAll(fsys, deep, 0o700); err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("n", 250) + ".xml" // 254, and ".part" would be too long
	if err := Publish(fsys, deep+"/f", 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "F"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := Move(fsys, deep+"/f", long+"/"+name); err != nil {
		t.Errorf("move: %v", err)
	}
	if b, err := ReadFile(fsys, long+"/"+name, 10); string(b) != "F" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	h := hold(t, longPath(dir, long+"/"+name), windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE)
	if !fsys.Busy(long + "/" + name) {
		t.Error("not busy although somebody has it open for writing")
	}
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
	if n, err := fsys.Free(); err != nil || n == 0 {
		t.Errorf("free: %d, %v", n, err)
	}
	if err := RemoveAll(fsys, long); err != nil {
		t.Errorf("remove: %v", err)
	}
}

// TestCaseIsOneName: nothing is overwritten by a name in other letters.
func TestCaseIsOneName(t *testing.T) {
	dir, fsys := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "INV-1.xml"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Move(fsys, "a", "inv-1.XML"); !errors.Is(err, ErrTargetTaken) {
		t.Errorf("move over INV-1.xml: %v", err)
	}
	if err := Move(fsys, "INV-1.xml", "inv-1.XML"); err != nil {
		t.Errorf("other letters for the same file: %v", err)
	}
	entries, err := fsys.ReadDir(".")
	if err != nil || len(entries) != 2 { // Wine keeps the old letters
		t.Errorf("%v, %v", entries, err)
	}
	if b, err := ReadFile(fsys, "inv-1.XML", 10); string(b) != "1" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestLongPath(t *testing.T) {
	long := strings.Repeat("x", 250)
	cases := map[string]string{
		longPath(`C:\data`, "outbox/a"):       `\\?\C:\data\outbox\a`,
		longPath(`c:\`, "outbox/"+long):       `\\?\c:\outbox\` + long,
		longPath(`\\host\share\edi`, long):    `\\?\UNC\host\share\edi\` + long,
		longPath(`//host/share`, "outbox/in"): `\\?\UNC\host\share\outbox\in`,
		longPath(`\\?\C:\data`, "a/"+long):    `\\?\C:\data\a\` + long,
		longPath(`C:/data/`, "."):             `\\?\C:\data`,
		longPath(`C:\data`, "INV-1.xml."):     `\\?\C:\data\INV-1.xml.`,
		longPath(`C:\data`, "nul.txt"):        `\\?\C:\data\nul.txt`,
	}
	for got, want := range cases {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
