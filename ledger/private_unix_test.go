//go:build unix

package ledger

import (
	"os"
	"path/filepath"
	"testing"
)

// Partners, file names and receipts are nobody else's, also where the data folder was made
// by somebody who left it open.
func TestTheLedgerIsForItsOwnerAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", filepath.Base(name), info.Mode())
		}
	}
}
