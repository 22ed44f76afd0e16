package crashtest

import (
	"errors"
	"io/fs"
	"os"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
)

// PutBack puts the ledger of one disk in the place of that of another one, as who
// restores a backup does; from nil = the ledger is lost.
func PutBack(to, from *simdisk.Disk) {
	target := to.Outside("")
	for _, name := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm"} {
		if err := target.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			Must(err)
		}
		if from == nil {
			continue
		}
		b, err := fsx.ReadFile(from.Outside(""), name, 64<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		Must(err)
		f, err := target.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		Must(err)
		_, err = f.Write(b)
		Must(errors.Join(err, f.Sync(), f.Close()))
	}
	to.SyncAll()
}
