package ledger

import (
	"fmt"

	"github.com/as2drop/as2drop/internal/fsx"
)

// refuseNetwork refuses file systems whose locks SQLite cannot rely on.
func refuseNetwork(dir string) error {
	kind, err := fsx.Network(dir)
	if err == nil && kind != "" {
		err = fmt.Errorf("the ledger must be on a local disk, this is a %s; set data_dir to a local folder (partner folders may stay where they are)", kind)
	}
	return err
}
