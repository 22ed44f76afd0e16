//go:build unix

package fsx_test

import (
	"io/fs"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

func TestGrantSetsTheMode(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		mkdir(t, fsys, "d")
		put(t, fsys, "d/f", "x")
		mode := func(name string, want fs.FileMode) {
			t.Helper()
			info, err := fsys.Lstat(name)
			if err != nil || info.Mode() != want {
				t.Errorf("%s is %v, want %v: %v", name, info.Mode(), want, err)
			}
		}
		grant := func(name string, a fsx.Access) {
			t.Helper()
			if err := fsx.Grant(fsys, name, a); err != nil {
				t.Error(err)
			}
		}
		grant("d/f", fsx.Access{})
		mode("d/f", 0o640)
		a := fsx.Access{File: 0o664, Dir: 0o770 | fs.ModeSetgid} // more than any umask lets through
		grant("d/f", a)
		mode("d", fs.ModeDir|0o750)
		mode("d/f", 0o664)
		for range 2 {
			grant("d", a)
			mode("d", fs.ModeDir|fs.ModeSetgid|0o770)
		}
		if err := fsx.Grant(fsys, "gone", a); err == nil {
			t.Error("rights for what is not there")
		}
	})
}
