package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// takeAway has a partner's folder look as if its volume were not mounted, until it is
// given back. On Windows a folder that is in use cannot be renamed, so there its marker
// alone goes away.
func takeAway(t *testing.T, folder string) (giveBack func()) {
	t.Helper()
	if runtime.GOOS == "windows" {
		folder = filepath.Join(folder, markerFile)
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(folder, folder+".away")
	return func() { rename(folder+".away", folder) }
}

// volumesVanish skips a test that puts another folder in the place of one in use.
func volumesVanish(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a folder in use stays where it is, see TestAFolderInUseStaysWhereItIs; what happens without its marker is tested by others")
	}
}
