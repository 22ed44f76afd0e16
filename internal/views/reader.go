package views

import (
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// Reader answers the questions. It is safe for concurrent use. Its methods:
//
//	Overview(ctx, now) (Overview, error)
//	PartnerOverview(ctx, name, now) (PartnerOverview, error)
//	Transfers(ctx, Search, now) (Page[Transfer], error)
//	Transfer(ctx, id, now) (Message, error)
//	Incoming(ctx, IncomingSearch, now) (Page[Incoming], error)
//	IncomingMessage(ctx, id, now) (IncomingMessage, error)
//	Parties(now) Parties
//	Schedule(ctx, partner, from, count) (Schedule, error)
//	Wish(ctx, id) (ledger.Wish, error)
//
// What is not there is ledger.ErrNotFound.
type Reader struct {
	Ledger *ledger.Ledger
	Config func() *config.Config     // that is in force
	Status func() *status.Status     // the newest one; nil = none was taken yet
	Posted func(id string) *Progress // of a POST that is under way; nil = nobody knows
}
