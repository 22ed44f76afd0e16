package ledger

import (
	"database/sql"
	"errors"
	"time"
)

// Rests reports whether nothing is done for a transfer until somebody or something else
// lets it go on.
func (t *Transfer) Rests() bool { return t.Hold != "" || t.Behind }

// line is the place of a transfer that holds up those behind it; 0 = it does not.
func (t *Transfer) line() int64 {
	if t.Blocks || t.State.Open() && (t.Verdict == VerdictNone || t.State == StateReopening) {
		return t.Turn
	}
	return 0
}

// content is the digest of the document while the transfer stands for its delivery.
func (t *Transfer) content() string {
	if t.State == StateUndone || t.Verdict != VerdictNone && !t.Verdict.Sent() {
		return ""
	}
	for _, m := range t.Members {
		if m.Role == RoleDocument {
			return m.SHA256
		}
	}
	return ""
}

// Head is the transfer of a partner that must be settled before any other that goes in
// order; ErrNotFound means that there is none.
func (tx *Tx) Head(partner string) (Transfer, error) {
	return one[Transfer](tx, "first in line for "+partner, `SELECT body FROM transfers WHERE partner=? AND line>0 ORDER BY line, created, id LIMIT 1`, partner)
}

// LastTurn is the place of the last in line, 0 for none.
func (tx *Tx) LastTurn(partner string) (int64, error) {
	var n int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT line FROM transfers WHERE partner=? AND line>0 ORDER BY line DESC LIMIT 1`, partner).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, wrap(err, "transfers")
}

// FailedInLine is the failed transfer of a key that holds up those behind it;
// ErrNotFound means that there is none.
func (tx *Tx) FailedInLine(partner, key string) (Transfer, error) {
	return one[Transfer](tx, "failed transfer of "+key, `SELECT body FROM transfers WHERE key=? AND partner=? AND line>0 AND open=0 LIMIT 1`, key, partner)
}

// WithDocument are the transfers of a partner, created since a moment, that brought a
// document of this SHA-256 to the partner or are about to, oldest first.
func (tx *Tx) WithDocument(partner, sha256 string, since time.Time, limit int) ([]Transfer, error) {
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND content=? AND content<>'' AND created>=? ORDER BY created, id LIMIT ?`, partner, sha256, nanos(since), limit)
}
