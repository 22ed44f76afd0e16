package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/naming"
)

// Stand is where a transfer stands, for those who look for one: each is in exactly one.
type Stand string

const (
	StandOpen    Stand = "open"    // under way
	StandWaiting Stand = "waiting" // posted; the receipt comes later
	StandHeld    Stand = "held"    // until somebody releases it
	StandSent    Stand = "sent"
	StandFailed  Stand = "failed"
	StandUndone  Stand = "undone" // the claim was undone, the files are back
)

// Stands are all of them.
var Stands = []Stand{StandOpen, StandWaiting, StandHeld, StandSent, StandFailed, StandUndone}

// Stand is where the transfer stands. The column of that name says the same.
func (t *Transfer) Stand() Stand {
	switch {
	case t.State == StateUndone:
		return StandUndone
	case t.State == StateFiled && (t.Verdict == VerdictNone || t.Verdict.Sent()):
		return StandSent
	case t.State == StateFiled:
		return StandFailed
	case t.Hold != "":
		return StandHeld
	case t.State == StateWaiting:
		return StandWaiting
	}
	return StandOpen
}

// Wanted says which transfers or messages are looked for. The zero value wants all.
type Wanted struct {
	Partner  string
	Stand    Stand     // of transfers
	Word     string    // the beginning of a word of a file name
	From, To time.Time // from the one on and before the other; zero = no limit
	Before   string    // older than the one of this identifier
	Limit    int       // how many
}

// Found are those that were looked for, the newest first.
type Found[T any] struct {
	Rows []T
	// Reached is the identifier down to which was looked, where a search ended before it
	// had found enough; empty = nothing older is left, or enough was found.
	Reached string
}

// bounds are the identifiers between which is looked: from the first on and before the
// last.
func (w Wanted) bounds() (first, last string) {
	last = "~" // after every identifier
	if !w.From.IsZero() {
		first = firstID(w.From)
	}
	if !w.To.IsZero() {
		last = firstID(w.To)
	}
	if w.Before != "" {
		last = min(last, w.Before)
	}
	return first, last
}

// NewestTransfers are the transfers that are wanted.
func (tx *Tx) NewestTransfers(w Wanted) (Found[Transfer], error) {
	if w.Word != "" {
		return named(tx, wordsOfTransfer, w, tx.Transfer, func(t *Transfer) bool { return w.Stand == "" || t.Stand() == w.Stand })
	}
	first, last := w.bounds()
	var f Found[Transfer]
	var err error
	switch {
	case w.Partner != "" && w.Stand != "":
		f.Rows, err = all[Transfer](tx, `SELECT body FROM transfers INDEXED BY transfers_partnerstand WHERE partner=? AND stand=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?`, w.Partner, w.Stand, first, last, w.Limit)
	case w.Partner != "":
		f.Rows, err = all[Transfer](tx, `SELECT body FROM transfers INDEXED BY transfers_newest WHERE partner=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?`, w.Partner, first, last, w.Limit)
	case w.Stand != "":
		f.Rows, err = all[Transfer](tx, `SELECT body FROM transfers INDEXED BY transfers_stand WHERE stand=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?`, w.Stand, first, last, w.Limit)
	default:
		f.Rows, err = all[Transfer](tx, `SELECT body FROM transfers WHERE id>=? AND id<? ORDER BY id DESC LIMIT ?`, first, last, w.Limit)
	}
	return f, err
}

// NewestReceived are the accepted messages that are wanted.
func (tx *Tx) NewestReceived(w Wanted) (Found[Received], error) {
	if w.Word != "" {
		return named(tx, wordsOfReceived, w, tx.Received, func(*Received) bool { return true })
	}
	first, last := w.bounds()
	var f Found[Received]
	var err error
	if w.Partner != "" {
		f.Rows, err = all[Received](tx, `SELECT body FROM received INDEXED BY received_newest WHERE partner=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?`, w.Partner, first, last, w.Limit)
	} else {
		f.Rows, err = all[Received](tx, `SELECT body FROM received WHERE id>=? AND id<? ORDER BY id DESC LIMIT ?`, first, last, w.Limit)
	}
	return f, err
}

// NewestRefusals are the refusals that are wanted; words count for nothing.
func (tx *Tx) NewestRefusals(w Wanted) ([]Refusal, error) {
	first, last := w.bounds()
	if w.Partner != "" {
		return all[Refusal](tx, `SELECT body FROM refusals INDEXED BY refusals_newest WHERE partner=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?`, w.Partner, first, last, w.Limit)
	}
	return all[Refusal](tx, `SELECT body FROM refusals WHERE id>=? AND id<? ORDER BY id DESC LIMIT ?`, first, last, w.Limit)
}

// RefusalsOf are the refusals of a Message-ID, which has no angle brackets, the newest first.
func (tx *Tx) RefusalsOf(messageID string, limit int) ([]Refusal, error) {
	return all[Refusal](tx, `SELECT body FROM refusals WHERE json_extract(body, '$.message_id')=? ORDER BY id DESC LIMIT ?`, messageID, limit)
}

// NewestStored are the messages that nobody has opened yet; words count for nothing.
func (tx *Tx) NewestStored(w Wanted) ([]Stored, error) {
	first, last := w.bounds()
	return all[Stored](tx, `SELECT body FROM stored INDEXED BY stored_newest WHERE open=1 AND id>=? AND id<? AND (?='' OR partner=?) ORDER BY id DESC LIMIT ?`, first, last, w.Partner, w.Partner, w.Limit)
}

// WishesOf a transfer or message, the oldest first.
func (tx *Tx) WishesOf(id string) ([]Wish, error) {
	return all[Wish](tx, `SELECT body FROM wishes WHERE json_extract(body, '$.transfer')=? ORDER BY id`, id)
}

// How much one search by a word looks at.
const (
	fewMatches = 2000   // names that one looks up by their word, and puts in order
	manyWords  = 60_000 // words that one goes through otherwise, the newest first
	manyRows   = 1500   // rows that one reads to see whether they are wanted
)

// named are those with a name that has the word. A word that few have is looked up; one
// that many have is looked for among the newest.
func named[T any](tx *Tx, what int, w Wanted, read func(string) (T, error), wanted func(*T) bool) (f Found[T], err error) {
	word := wordOf(naming.Fold(w.Word, true))
	first, last := w.bounds()
	ids, few, err := tx.idsOfWord(what, word, w.Partner, first, last)
	reached := ""
	if err == nil && !few {
		ids, reached, err = tx.newestOfWord(what, word, w.Partner, first, last)
	}
	if err != nil {
		return f, wrap(err, "words")
	}
	for i, id := range ids {
		if len(f.Rows) == w.Limit {
			return f, nil
		}
		if i == manyRows {
			f.Reached = ids[i-1]
			return f, nil
		}
		row, err := read(id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return f, err
		}
		if wanted(&row) {
			f.Rows = append(f.Rows, row)
		}
	}
	if len(f.Rows) < w.Limit {
		f.Reached = reached
	}
	return f, nil
}

// after is behind all words that begin so.
func after(word string) string { return word + "\U0010FFFF" }

// idsOfWord are those with the word, the newest first. few is false if there are too many.
func (tx *Tx) idsOfWord(what int, word, partner, first, last string) (ids []string, few bool, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT id, partner FROM words WHERE what=? AND word>=? AND word<? LIMIT ?`, what, word, after(word), fewMatches+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close() // rows.Err tells
	n := 0
	for ; rows.Next(); n++ {
		tx.rows.Add(1)
		var id, whose string
		if err := rows.Scan(&id, &whose); err != nil {
			return nil, false, err
		}
		if id >= first && id < last && (partner == "" || partner == whose) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	return slices.Compact(ids), n <= fewMatches, rows.Err()
}

// newestOfWord goes through the words of the newest. reached is where it stopped, empty if
// it came to the end.
func (tx *Tx) newestOfWord(what int, word, partner, first, last string) (ids []string, reached string, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT id FROM (SELECT id, word, partner FROM words INDEXED BY words_newest WHERE what=? AND id>=? AND id<? ORDER BY id DESC LIMIT ?)
		WHERE word>=? AND word<? AND (?='' OR partner=?) LIMIT ?`, what, first, last, manyWords, word, after(word), partner, partner, manyRows)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close() // rows.Err tells
	n := 0
	for ; rows.Next(); n++ {
		tx.rows.Add(1)
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, "", err
		}
		if len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, "", err
	}
	if n == manyRows {
		return ids, ids[len(ids)-1], nil
	}
	reached, _, err = tx.text(`SELECT id FROM words INDEXED BY words_newest WHERE what=? AND id>=? AND id<? ORDER BY id DESC LIMIT 1 OFFSET ?`, what, first, last, manyWords-1)
	return ids, reached, err
}

// PlaceOf is the moment that an identifier was made at, to the millisecond.
func PlaceOf(id string) (time.Time, error) {
	var ms int64
	if len(id) < 10 {
		return time.Time{}, fmt.Errorf("%q is no identifier: it is too short", id)
	}
	for _, c := range []byte(id[:10]) {
		n := strings.IndexByte(alphabet, c)
		if n < 0 {
			return time.Time{}, fmt.Errorf("%q is no identifier: %q is not among its letters", id, c)
		}
		ms = ms<<5 | int64(n)
	}
	return time.UnixMilli(ms).UTC(), nil
}
