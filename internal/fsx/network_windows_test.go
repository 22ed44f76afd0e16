package fsx

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// The run under Wine has a share \\server\share and a network drive N: (.ci/wine.sh).
func TestNetwork(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir: "", `\\?\` + dir: "", `C:\`: "", "c:/windows": "",
		`\\server\share`: "network share", `//server/share/edi`: "network share", `\\?\UNC\server\share\edi`: "network share", `\\?\unc\server\share`: "network share",
		`N:\`: "network drive", `n:\edi\acme`: "network drive", `\\?\N:\edi`: "network drive",
	} {
		if got, err := Network(path); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
}

// Every recipe works in the folder of a share, and on a network drive.
func TestOnAShare(t *testing.T) {
	for _, share := range []string{`\\server\share`, `N:\`} {
		dir, err := os.MkdirTemp(share, "as2drop-test-")
		if err != nil {
			t.Fatal(err)
		}
		fsys, err := OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(fsys.Close(), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		})
		long := strings.Repeat("l", 200)
		for _, folder := range []string{"outbox", "sent/" + long + "/" + long} {
			if err := MkdirAll(fsys, folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := Publish(fsys, "outbox/a", 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "A"); return err }); err != nil {
			t.Fatal(err)
		}
		if err := Move(fsys, "outbox/a", "sent/"+long+"/"+long+"/a"); err != nil {
			t.Errorf("%s: %v", share, err)
		}
		if fsys.Busy("sent/" + long + "/" + long + "/a") {
			t.Errorf("%s: busy although nobody has it open", share)
		}
		if n, err := fsys.Free(); err != nil || n == 0 {
			t.Errorf("%s: free: %d, %v", share, n, err)
		}
		if err := ProveSameVolume(fsys, "outbox", "sent"); err != nil {
			t.Errorf("%s: %v", share, err)
		}
	}
}
