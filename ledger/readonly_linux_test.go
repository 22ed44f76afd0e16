package ledger

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A ledger, or its folder, that we may not write to is told from one that is locked or
// damaged. Root may write everywhere, so the test does without being root.
func TestReadOnly(t *testing.T) {
	for name, c := range map[string]struct {
		file, dir os.FileMode
		kind      FaultKind
	}{
		"the file":                     {0o444, 0o777, FaultReadOnly},
		"the file and the folder":      {0o444, 0o555, FaultReadOnly},
		"we may not even read it":      {0o000, 0o777, FaultUnreadable},
		"we may not look into its dir": {0o666, 0o000, FaultUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "ledger.db")
			filled(t, file, 3)
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Chmod(file+suffix, c.file); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			for parent := filepath.Dir(dir); parent != os.TempDir() && len(parent) > 1; parent = filepath.Dir(parent) {
				if err := os.Chmod(parent, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, c.dir); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(dir, 0o777) // so that it can be removed
			runtime.LockOSThread()     // the user is the thread's
			if err := unix.Setfsuid(65534); err != nil {
				t.Fatal(err)
			}
			l, err := Open(file, Options{})
			_ = unix.Setfsuid(os.Getuid()) // it was ours before
			runtime.UnlockOSThread()
			if err == nil {
				l.Close()
				t.Fatal("it opens")
			}
			f := FaultOf(err)
			if f == nil || f.Kind != c.kind || !strings.Contains(err.Error(), file) || f.Hint() == "" {
				t.Errorf("%v", err)
			}
		})
	}
}
