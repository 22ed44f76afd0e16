package views

import (
	"context"
	"fmt"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Reader answers the questions. It is safe for concurrent use. What is not there is
// ErrNotFound of package ledger.
type Reader struct {
	Ledger *ledger.Ledger
	Config func() *config.Config     // that is in force
	Status func() *status.Status     // the newest one; nil = none was taken yet
	Posted func(id string) *Progress // of a POST that is under way; nil = nobody knows
	// Look looks into a partner's outbox, in bounded time. nil = nobody can.
	Look func(ctx context.Context, partner string) (Outbox, error)
}

// Outbox is what lies in a partner's outbox.
type Outbox struct {
	Ready   []naming.Batch
	Waiting []naming.Waiting
	Polled  string // why its events are not used; empty = they are
}

// unknownError is what is not there, in words; it is ErrNotFound of package ledger.
type unknownError string

func (e unknownError) Error() string { return string(e) }
func (e unknownError) Unwrap() error { return ledger.ErrNotFound }

func unknown(format string, args ...any) error { return unknownError(fmt.Sprintf(format, args...)) }
