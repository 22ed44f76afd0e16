package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/naming"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// InsertTransfer adds a transfer. Its Version becomes 1.
func (tx *Tx) InsertTransfer(t *Transfer) error {
	t.Version = 1
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = tx.insert("transfer "+t.ID,
		`INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, filed, kept, line, content, fold, body) VALUES (?,?,?,?,?,?,?,?,1,?,?,?,?,?,?,?)`,
		t.ID, t.Partner, t.Key, t.State, t.State.Open(), t.Rests(), nanos(t.Due), nanos(t.Created), t.MessageID, nanos(t.Filed), t.kept(), t.line(), t.content(), naming.ClaimKey(t.Key), string(body))
	if err != nil {
		return err
	}
	return tx.addWords(wordsOfTransfer, t.ID, t.Partner, t.names())
}

// SaveTransfer replaces a transfer if nobody did since it was read, and counts its
// Version up. A lost race is ErrLost.
func (tx *Tx) SaveTransfer(t *Transfer) error {
	old := t.Version
	t.Version++
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = tx.replace("transfer "+t.ID,
		`UPDATE transfers SET state=?, open=?, held=?, due=?, version=?, message_id=?, filed=?, kept=?, line=?, content=?, body=? WHERE id=? AND version=?`,
		t.State, t.State.Open(), t.Rests(), nanos(t.Due), t.Version, t.MessageID, nanos(t.Filed), t.kept(), t.line(), t.content(), string(body), t.ID, old)
	if err != nil {
		t.Version = old
	}
	return err
}

// Transfer reads one transfer.
func (tx *Tx) Transfer(id string) (Transfer, error) {
	return one[Transfer](tx, "transfer "+id, `SELECT body FROM transfers WHERE id=?`, id)
}

// TransferByMessageID finds a transfer by its Message-ID, with or without angle
// brackets, as receipts repeat it.
func (tx *Tx) TransferByMessageID(messageID string) (Transfer, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(messageID), "<"), ">")
	return one[Transfer](tx, fmt.Sprintf("transfer with Message-ID %q", messageID),
		`SELECT body FROM transfers WHERE message_id=? ORDER BY id DESC LIMIT 1`, "<"+bare+">")
}

// DueTransfers are those of a partner that something is to be done for at the moment,
// held ones and those that wait for their turn not among them, oldest due first.
func (tx *Tx) DueTransfers(partner string, at time.Time, limit int) ([]Transfer, error) {
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND open=1 AND held=0 AND due<=? ORDER BY due LIMIT ?`, partner, nanos(at), limit)
}

// OpenTransfers are all of a partner that are not filed or undone, held ones too.
func (tx *Tx) OpenTransfers(partner string) ([]Transfer, error) {
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND open=1 ORDER BY held, due`, partner)
}

// RecentTransfers are those of a partner that were created before a moment (zero: no
// limit), latest first.
func (tx *Tx) RecentTransfers(partner string, before time.Time, limit int) ([]Transfer, error) {
	end := int64(1<<63 - 1)
	if !before.IsZero() {
		end = nanos(before)
	}
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND created<? ORDER BY created DESC LIMIT ?`, partner, end, limit)
}

// FindTransfers finds by identifier, by the beginning of one, by key or by Message-ID, the
// oldest first. There is no limit: whoever asks for others uses FindNewestTransfers.
func (tx *Tx) FindTransfers(what string) ([]Transfer, error) { return tx.FindNewestTransfers(what, -1) }

// FindNewestTransfers finds so many at most, the newest of them, the oldest first.
func (tx *Tx) FindNewestTransfers(what string, limit int) ([]Transfer, error) {
	if t, err := tx.Transfer(what); err == nil || !errors.Is(err, ErrNotFound) {
		return []Transfer{t}, err
	}
	for _, query := range []string{
		`SELECT body FROM transfers WHERE key=? ORDER BY id DESC LIMIT ?`,
		`SELECT body FROM transfers WHERE message_id=? ORDER BY id DESC LIMIT ?`,
	} {
		if ts, err := all[Transfer](tx, query, what, limit); err != nil || len(ts) > 0 {
			slices.Reverse(ts)
			return ts, err
		}
	}
	if len(what) < 4 {
		return nil, nil
	}
	ts, err := all[Transfer](tx, `SELECT body FROM transfers WHERE id>=? AND id<? ORDER BY id DESC LIMIT ?`, what, what+"~", limit)
	slices.Reverse(ts)
	return ts, err
}

// OpenAttempt records that a POST is about to be made. A transfer that has an open
// attempt already gives ErrExists.
func (tx *Tx) OpenAttempt(a Attempt) error {
	a.Outcome = OutcomeOpen
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return tx.insert(fmt.Sprintf("attempt %d of transfer %s", a.N, a.Transfer),
		`INSERT INTO attempts (transfer, n, outcome, process, body) VALUES (?,?,?,?,?)`, a.Transfer, a.N, a.Outcome, a.Process, string(body))
}

// CloseAttempt records how an open attempt ended; one that waited for its receipt is
// closed a second time. Any other is ErrLost.
func (tx *Tx) CloseAttempt(a Attempt) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("attempt %d of transfer %s", a.N, a.Transfer)
	const update = `UPDATE attempts SET outcome=?, body=? WHERE transfer=? AND n=? AND outcome=?`
	err = tx.replace(what, update, a.Outcome, string(body), a.Transfer, a.N, OutcomeOpen)
	if err == nil {
		return tx.posted(a)
	}
	if errors.Is(err, ErrLost) {
		err = tx.replace(what, update, a.Outcome, string(body), a.Transfer, a.N, OutcomeWaiting)
	}
	return err
}

// AddAttempt records an attempt that has ended, as it is read back from the evidence.
func (tx *Tx) AddAttempt(a Attempt) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return tx.insert(fmt.Sprintf("attempt %d of transfer %s", a.N, a.Transfer),
		`INSERT INTO attempts (transfer, n, outcome, process, body) VALUES (?,?,?,?,?)`, a.Transfer, a.N, a.Outcome, a.Process, string(body))
}

// Attempts of a transfer, in order.
func (tx *Tx) Attempts(transfer string) ([]Attempt, error) {
	return all[Attempt](tx, `SELECT body FROM attempts WHERE transfer=? ORDER BY n`, transfer)
}

// --- what every table shares ---

func (tx *Tx) insert(what, query string, args ...any) error {
	_, err := tx.tx.ExecContext(tx.ctx, query, args...)
	var se *sqlite.Error
	if errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT {
		return fmt.Errorf("ledger: %s: %w", what, ErrExists)
	}
	return wrap(err, what)
}

// replace runs an UPDATE that must hit one row.
func (tx *Tx) replace(what, query string, args ...any) error {
	result, err := tx.tx.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return wrap(err, what)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = ErrLost
	}
	return wrap(err, what)
}

func (tx *Tx) exec(what, query string, args ...any) error {
	_, err := tx.tx.ExecContext(tx.ctx, query, args...)
	return wrap(err, what)
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: %s: %w", what, err)
}

// one reads the body of one row.
func one[T any](tx *Tx, what, query string, args ...any) (T, error) {
	var v T
	var body string
	err := tx.ctx.Err()
	if err == nil {
		// It is over soon: nobody has to watch whether it is still wanted.
		err = tx.tx.QueryRowContext(context.WithoutCancel(tx.ctx), query, args...).Scan(&body)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	tx.rows.Add(1)
	if err == nil {
		err = json.Unmarshal([]byte(body), &v)
	}
	return v, wrap(err, what)
}

// all reads the bodies of rows. Each query has an index that leads to them: it is enough to
// look for each row whether it is still wanted.
func all[T any](tx *Tx, query string, args ...any) ([]T, error) {
	if err := tx.ctx.Err(); err != nil {
		return nil, wrap(err, tableOf(query))
	}
	rows, err := tx.tx.QueryContext(context.WithoutCancel(tx.ctx), query, args...)
	if err != nil {
		return nil, wrap(err, tableOf(query))
	}
	defer rows.Close() // rows.Err tells
	var list []T
	for rows.Next() {
		if err := tx.ctx.Err(); err != nil {
			return nil, wrap(err, tableOf(query))
		}
		tx.rows.Add(1)
		var body string
		var v T
		if err := rows.Scan(&body); err != nil {
			return nil, wrap(err, tableOf(query))
		}
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			return nil, wrap(err, tableOf(query))
		}
		list = append(list, v)
	}
	return list, wrap(rows.Err(), tableOf(query))
}

// tableOf names a query's table in errors.
func tableOf(query string) string {
	_, rest, _ := strings.Cut(query, "FROM ")
	table, _, _ := strings.Cut(rest, " ")
	return table
}

// nanos is how moments are stored: nanoseconds since 1970, UTC; 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
