package outbox

import (
	"io"
	"path"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// changedDir in the folder of a transfer holds what hooks made before it was sent: files
// that were sent in place of the dropped ones of the same names, or beside them. The files
// as dropped stay what and where they are.
const changedDir = "changed-by-hook"

// outgoing is a file as it is sent: a dropped one, or what a hook made.
type outgoing struct {
	name  string
	role  ledger.Role
	size  int64
	mtime int64   // nanoseconds since 1970
	place string  // in the partner's folder
	sum   *string // where sealing notes its SHA-256
}

// outgoing says what is sent of a transfer whose files are in a folder, the document first.
// Whoever looks at what the partner is going to get asks here and nowhere else.
func (o *Outbox) outgoing(t *ledger.Transfer, dir string) (files []outgoing) {
	place := map[string]int{}
	for i := range t.Members {
		m := &t.Members[i]
		if m.Role == ledger.RoleMarker {
			continue
		}
		place[m.Name] = len(files)
		files = append(files, outgoing{m.Name, m.Role, m.Size, m.MTime, path.Join(dir, m.Name), &m.SHA256})
	}
	for i := range t.Changed {
		c := &t.Changed[i]
		f := outgoing{c.Name, c.Role, c.Size, c.MTime, path.Join(dir, changedDir, c.Name), &c.SHA256}
		if at, ok := place[c.Name]; ok {
			files[at] = f
		} else {
			files = append(files, f)
		}
	}
	return files
}

// open opens a file to be read once.
func (o *Outbox) open(f outgoing) (io.ReadCloser, error) {
	return o.p.Folder.OpenFile(f.place, fsx.ReadOnly, 0)
}
