package views

import (
	"errors"
	"net/url"
	"slices"

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
		if err := s.read(tx, t.ID); err != nil {
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
	var err1, err2, err3, err4 error
	s.Received, err1 = maybe(tx.Received(id))
	s.Refusal, err2 = maybe(tx.Refusal(id))
	s.Stored, err3 = maybe(tx.Stored(id))
	s.Owed, err4 = maybe(tx.OwedMDN(id))
	if err := errors.Join(err1, err2, err3, err4); err != nil || s.Received == nil && s.Refusal == nil && s.Stored == nil && s.Owed == nil {
		return nil, err
	}
	return &s, s.read(tx, id)
}

// maybe is a row, or nil if there is none.
func maybe[T any](row T, err error) (*T, error) {
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &row, nil
}

// read reads what was done and what happened, of a transfer and of a message alike.
func (s *Story) read(tx *ledger.Tx, id string) error {
	var err1, err2, err3, err4 error
	s.Attempts, err1 = tx.Attempts(id)
	s.Hooks, err2 = tx.HooksOf(id)
	s.Wishes, err3 = tx.WishesOf(id)
	s.Events, err4 = tx.EventsOf(id)
	return errors.Join(err1, err2, err3, err4)
}

// gaveUp reports whether one of the hooks was given up, so that it can be run again.
func gaveUp(hooks []ledger.OwedHook) bool {
	return slices.ContainsFunc(hooks, func(h ledger.OwedHook) bool { return h.Outcome == ledger.HookGaveUp })
}

// WithoutCredentials takes user and password out of the addresses in a story.
func (s *Story) WithoutCredentials() {
	if s.Stored != nil {
		s.Stored.URL = withoutCredentials(s.Stored.URL)
	}
	if s.Owed != nil {
		s.Owed.URL = withoutCredentials(s.Owed.URL)
	}
	for i := range s.Attempts {
		s.Attempts[i].URL = withoutCredentials(s.Attempts[i].URL)
	}
}

// withoutCredentials is a URL without user and password.
func withoutCredentials(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = nil
	return u.String()
}
