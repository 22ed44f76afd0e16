package fsx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// hold opens a file as a program does that shares it with nobody.
func hold(t *testing.T, name string, access, share uint32) windows.Handle {
	t.Helper()
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(p, access, share, nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
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

func TestLongPath(t *testing.T) {
	long := strings.Repeat("x", 250)
	cases := map[string]string{
		longPath(`C:\data`, "outbox/a"):       `C:\data\outbox\a`,
		longPath(`C:\data`, "outbox/"+long):   `\\?\C:\data\outbox\` + long,
		longPath(`\\host\share\edi`, long):    `\\?\UNC\host\share\edi\` + long,
		longPath(`\\?\C:\data`, "a/"+long):    `\\?\C:\data\a\` + long,
		longPath(`\\host\share`, "outbox/in"): `\\host\share\outbox\in`,
	}
	for got, want := range cases {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
