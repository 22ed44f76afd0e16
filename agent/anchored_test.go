package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

// What is missing in a folder that was opened, and is not the partner's any more, is not
// taken for missing: a claim would be undone, a publication be held for taken by a reader.
func TestAFolderThatWasReplacedSaysNothingOfWhatIsMissing(t *testing.T) {
	asks := map[string]func(fsx.FS) error{
		"open": func(f fsx.FS) error {
			_, err := f.OpenFile("outbox/a", fsx.ReadOnly, 0)
			return err
		},
		"mkdir":   func(f fsx.FS) error { return f.Mkdir("away/a", 0o700) },
		"lstat":   func(f fsx.FS) error { _, err := f.Lstat("outbox/a"); return err },
		"readdir": func(f fsx.FS) error { _, err := f.ReadDir("away"); return err },
		"names":   func(f fsx.FS) error { _, err := f.Names("away"); return err },
		"each name": func(f fsx.FS) error {
			for _, err := range f.EachName("away") {
				return err
			}
			return nil
		},
		"entries": func(f fsx.FS) error {
			for _, err := range f.Entries("away") {
				return err
			}
			return nil
		},
		"rename":   func(f fsx.FS) error { return f.RenameNoReplace("outbox/a", "b") },
		"replace":  func(f fsx.FS) error { return f.Replace("outbox/a", "b") },
		"chmod":    func(f fsx.FS) error { return f.Chmod("outbox/a", 0o600) },
		"remove":   func(f fsx.FS) error { return f.Remove("outbox/a") },
		"sync":     func(f fsx.FS) error { return f.SyncDir("away") },
		"identity": func(f fsx.FS) error { _, err := f.Identity("outbox/a"); return err },
		"move":     func(f fsx.FS) error { return fsx.Move(f, "outbox/a", "b") },
	}
	if runtime.GOOS == "windows" {
		delete(asks, "chmod") // it does nothing there
	}
	missing := func(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fsx.ErrGone) }
	states := map[string]struct {
		change  func(t *testing.T, folder string)
		missing bool // and that is to be believed
	}{
		"in place":       {func(*testing.T, string) {}, true},
		"without marker": {func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, markerFile))) }, false},
		"replaced": {func(t *testing.T, folder string) {
			must(t, os.Rename(folder, folder+".away"), os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, markerFile), nil, 0o600))
		}, false},
		"away": {func(t *testing.T, folder string) { must(t, os.Rename(folder, folder+".away")) }, false},
	}
	for state, s := range states {
		t.Run(state, func(t *testing.T) {
			if state == "replaced" || state == "away" {
				volumesVanish(t)
			}
			folder := filepath.Join(t.TempDir(), "partner")
			must(t, os.MkdirAll(filepath.Join(folder, "outbox"), 0o700), os.WriteFile(filepath.Join(folder, markerFile), nil, 0o600))
			opened, err := fsx.OpenRoot(folder)
			must(t, err)
			defer opened.Close()
			s.change(t, folder)
			f := &anchored{opened, folder}
			for name, ask := range asks {
				if err := ask(f); err == nil || missing(err) != s.missing {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
