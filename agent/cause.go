package agent

import (
	"errors"
	"io/fs"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/outbox"
)

// Causes that all partners on a volume have in common.
const (
	causeSpace    = "space"
	causeReadOnly = "read-only"
)

// cause is what a trouble is told as, and what can be done about it: a thousand transfers
// on a full volume are one alarm and not a thousand.
func (w *worker) cause(what string, err error) (cause, hint string) {
	folder := w.box().partner.Folder
	switch {
	case errors.Is(err, outbox.ErrNoSpace) || fsx.NoSpace(err):
		return causeSpace, "make room on the volume of " + folder + "; it goes on by itself then"
	case fsx.WriteProtected(err):
		return causeReadOnly, "the volume of " + folder + " is read-only: was it mounted so, or did the system make it so after a disk error? it goes on by itself once it can be written to"
	case errors.Is(err, fs.ErrPermission):
		return "rights", "the agent must be able to read, write and rename in " + folder + ": see owner and rights of what is named; it goes on by itself then"
	}
	return what, "it is tried again by itself"
}
