package views

import (
	"errors"

	"github.com/as2drop/as2drop/ledger"
)

// Story is a transfer or received message with everything that happened.
type Story struct {
	Transfer *ledger.Transfer  `json:"transfer,omitempty"`
	Received *ledger.Received  `json:"received,omitempty"`
	Refusal  *ledger.Refusal   `json:"refusal,omitempty"`
	Stored   *ledger.Stored    `json:"stored,omitempty"`
	Owed     *ledger.OwedMDN   `json:"owed_receipt,omitempty"`
	Attempts []ledger.Attempt  `json:"attempts,omitempty"`
	Hooks    []ledger.OwedHook `json:"hooks,omitempty"`
	Wishes   []ledger.Wish     `json:"wishes,omitempty"`
	Events   []ledger.Event    `json:"events"`
}

// maxFound is how many of one name are told of, the newest of them: a key may be that of
// every transfer there is, and all identifiers of a year begin alike.
const maxFound = 200

// Find tells of what an identifier, the beginning of one, a key or a Message-ID names: of
// 200 transfers and 200 received messages at most, the newest of them.
func Find(tx *ledger.Tx, what string) (stories []Story, err error) {
	transfers, err := tx.FindNewestTransfers(what, maxFound)
	if err != nil {
		return nil, err
	}
	for _, t := range transfers {
		s := Story{Transfer: &t}
		if s.Attempts, err = tx.Attempts(t.ID); err != nil {
			return nil, err
		}
		if s.Hooks, err = tx.HooksOf(t.ID); err != nil {
			return nil, err
		}
		if s.Wishes, err = tx.WishesOf(t.ID); err != nil {
			return nil, err
		}
		if s.Events, err = tx.EventsOf(t.ID); err != nil {
			return nil, err
		}
		stories = append(stories, s)
	}
	ids := []string{what}
	received, err := tx.FindReceived(what, maxFound)
	if err != nil {
		return nil, err
	}
	if len(received) > 0 {
		ids = ids[:0]
	}
	for _, r := range received {
		ids = append(ids, r.ID)
	}
	for _, id := range ids {
		s, err := incoming(tx, id)
		if err != nil {
			return nil, err
		}
		if s != nil {
			stories = append(stories, *s)
		}
	}
	return stories, nil
}

// incoming tells of a message that was received, refused, or stored and not opened yet;
// nil if there is none.
func incoming(tx *ledger.Tx, id string) (*Story, error) {
	var s Story
	known := false
	for _, read := range []func() error{
		func() error { r, err := tx.Received(id); s.Received = found(&known, r, err); return err },
		func() error { r, err := tx.Refusal(id); s.Refusal = found(&known, r, err); return err },
		func() error { r, err := tx.Stored(id); s.Stored = found(&known, r, err); return err },
		func() error { r, err := tx.OwedMDN(id); s.Owed = found(&known, r, err); return err },
		func() (err error) { s.Attempts, err = tx.Attempts(id); return err },
		func() (err error) { s.Hooks, err = tx.HooksOf(id); return err },
		func() (err error) { s.Wishes, err = tx.WishesOf(id); return err },
		func() (err error) { s.Events, err = tx.EventsOf(id); return err },
	} {
		if err := read(); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, err
		}
	}
	if !known {
		return nil, nil
	}
	return &s, nil
}

// found is a row that could be read, or nil.
func found[T any](known *bool, row T, err error) *T {
	if err != nil {
		return nil
	}
	*known = true
	return &row
}

// WithoutCredentials takes user and password out of the addresses in a story.
func (s *Story) WithoutCredentials() {
	if s.Stored != nil {
		s.Stored.URL = withoutCredentials(s.Stored.URL)
	}
	if s.Owed != nil {
		s.Owed.URL = withoutCredentials(s.Owed.URL)
	}
	clean(s.Attempts)
}
