package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// What is made here is private from the beginning, and what others make is not.
func TestMadePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if Exposed(folder) {
			t.Errorf("%s is exposed", folder)
		}
	}
	if err := MkdirAll(dir); err != nil {
		t.Errorf("again: %v", err)
	}
	file := filepath.Join(dir, "key")
	f, err := Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("secret"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if Exposed(file) {
		t.Error("the file is exposed")
	}
	if b, err := os.ReadFile(file); string(b) != "secret" {
		t.Errorf("we read %q, %v", b, err)
	}
	if _, err := Create(file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if err := MkdirAll(file); err == nil {
		t.Error("a file became a folder")
	}
	if err := MkdirAll(filepath.Join(file, "x")); err == nil {
		t.Error("a folder was made in a file")
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if expose(t, open); !Exposed(open) {
		t.Error("not exposed although everybody may read it")
	}
	if Exposed(filepath.Join(dir, "none")) {
		t.Error("what is not there is exposed")
	}
}

// What is there already can be made private, too.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "key"), filepath.Join(dir, "folder")
	if err := errors.Join(os.WriteFile(file, []byte("secret"), 0o600), os.Mkdir(folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, folder} {
		expose(t, path)
		for range 2 {
			if err := Private(path); err != nil {
				t.Fatal(err)
			}
			if Exposed(path) && keepsLists() {
				t.Errorf("%s is exposed although it is private", path)
			}
		}
	}
	if b, err := os.ReadFile(file); string(b) != "secret" {
		t.Errorf("we read %q, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "x"), nil, 0o600); err != nil {
		t.Errorf("we cannot write into the folder: %v", err)
	}
	if Private(filepath.Join(dir, "none")) == nil {
		t.Error("what is not there was made private")
	}
}
