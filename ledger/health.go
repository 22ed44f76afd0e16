package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// Trouble is a partner whose messages fail: since when, and why the last one did.
type Trouble struct {
	Partner string    `json:"partner"`
	Since   time.Time `json:"since"`
	Last    time.Time `json:"last"`
	Count   int       `json:"count"` // attempts that failed in a row
	Reason  string    `json:"reason"`
	Hint    string    `json:"hint,omitempty"`
}

// AddTrouble records one more failure of a partner. Since is kept from the first one.
func (tx *Tx) AddTrouble(partner, reason, hint string, at time.Time) error {
	t, err := tx.Trouble(partner)
	if errors.Is(err, ErrNotFound) {
		t, err = Trouble{Partner: partner, Since: at}, nil
	}
	if err != nil {
		return err
	}
	t.Last, t.Reason, t.Hint, t.Count = at, reason, hint, t.Count+1
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.exec("trouble", `INSERT INTO troubles (partner, body) VALUES (?,?) ON CONFLICT (partner) DO UPDATE SET body=excluded.body`, partner, string(body))
}

// Trouble reads that of a partner; ErrNotFound means that there is none.
func (tx *Tx) Trouble(partner string) (Trouble, error) {
	return one[Trouble](tx, "trouble of "+partner, `SELECT body FROM troubles WHERE partner=?`, partner)
}

// EndTrouble ends that of a partner and returns what it was; ErrNotFound means that there
// was none.
func (tx *Tx) EndTrouble(partner string) (Trouble, error) {
	t, err := tx.Trouble(partner)
	if err != nil {
		return t, err
	}
	return t, tx.exec("trouble", `DELETE FROM troubles WHERE partner=?`, partner)
}

// Load is how much of a partner is under way, and when something moved last.
type Load struct {
	Open, Held   int       // transfers
	Oldest       time.Time // of the open ones, when it was claimed; zero if there is none
	LastFiled    time.Time
	LastReceived time.Time
}

// Load reads that of a partner. It costs a look at each open transfer's place in an index,
// and at no other.
func (tx *Tx) Load(partner string) (l Load, err error) {
	var oldest sql.NullString
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*), coalesce(sum(held), 0), min(id) FROM transfers WHERE partner=? AND open=1`, partner).Scan(&l.Open, &l.Held, &oldest)
	if err != nil {
		return l, wrap(err, "transfers")
	}
	if oldest.Valid {
		t, err := tx.Transfer(oldest.String)
		if err != nil {
			return l, err
		}
		l.Oldest = t.Created
	}
	var filed, received sql.NullInt64
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT (SELECT max(filed) FROM transfers WHERE partner=?), (SELECT max(at) FROM received WHERE partner=?)`, partner, partner).Scan(&filed, &received)
	l.LastFiled, l.LastReceived = fromNanos(filed.Int64), fromNanos(received.Int64)
	return l, wrap(err, "transfers")
}

// Told is what was told of a subject last; empty = nothing.
func (tx *Tx) Told(subject string) (value string, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT value FROM told WHERE subject=?`, subject).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, wrap(err, "told")
}

// Tell records what was told of a subject.
func (tx *Tx) Tell(subject, value string) error {
	return tx.exec("told", `INSERT INTO told (subject, value) VALUES (?,?) ON CONFLICT (subject) DO UPDATE SET value=excluded.value`, subject, value)
}
