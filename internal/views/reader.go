package views

import (
	"context"
	"fmt"
	"sync"

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

	once  sync.Once
	turns chan struct{}
}

// atOnce is how many questions read the ledger at a time. It has four connections for those
// who read, and who transfers must not wait for who looks.
const atOnce = 2

// View reads the ledger when it is the question's turn.
func (r *Reader) View(ctx context.Context, f func(*ledger.Tx) error) error {
	r.once.Do(func() { r.turns = make(chan struct{}, atOnce) })
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.Ledger.View(ctx, f)
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

// Events are the latest of a partner, or of everybody if none is named, the newest first.
func (r *Reader) Events(ctx context.Context, partner string, limit int) (events []ledger.Event, err error) {
	err = r.View(ctx, func(tx *ledger.Tx) (err error) {
		if partner == "" {
			events, err = tx.NewestEvents(limit)
		} else {
			events, err = tx.RecentEvents(partner, limit)
		}
		return err
	})
	return events, err
}
