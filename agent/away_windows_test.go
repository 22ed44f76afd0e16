package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

// The folder of a partner cannot be moved or replaced on Windows while the agent has it open:
// nobody can put another one in its place, as volumesVanish relies on. It can once it is closed.
func TestAFolderInUseStaysWhereItIs(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "partner")
	must(t, os.MkdirAll(filepath.Join(folder, "outbox"), 0o700), os.WriteFile(filepath.Join(folder, markerFile), nil, 0o600))
	opened, err := fsx.OpenRoot(folder)
	must(t, err)
	defer opened.Close() // nothing is written through it; a second time does no harm
	if err := os.Rename(folder, folder+".away"); !errors.Is(err, os.ErrPermission) && !fsx.InUse(err) {
		t.Errorf("it was moved: %v", err)
	}
	must(t, inPlace(folder, opened), opened.Close(), os.Rename(folder, folder+".away"))
}
