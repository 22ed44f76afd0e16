package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// Thing is what retention removes of a transfer or a received message.
type Thing string

const (
	ThingSent     Thing = "sent"     // the folder in sent
	ThingFailed   Thing = "failed"   // the folder in failed
	ThingMessage  Thing = "message"  // as it travelled
	ThingEvidence Thing = "evidence" // everything else of the evidence, and the message
	ThingHistory  Thing = "history"  // attempts, and the header of what was sent
)

// bits of the column kept.
var bits = map[Thing]int{ThingSent: 1, ThingFailed: 2, ThingMessage: 4, ThingEvidence: 8, ThingHistory: 16}

// removing is the column kept while something is being removed.
const removing = 32

// Removal says what retention took away, and by which rule.
type Removal struct {
	What    Thing     `json:"what"`
	Rule    string    `json:"rule"` // as in the config: "sent: 90d"
	Begun   time.Time `json:"begun"`
	Done    time.Time `json:"done,omitzero"`     // zero = it is being removed
	Missing bool      `json:"missing,omitempty"` // it was not there any more
}

// Gone is the removal of a thing, nil if it was not removed.
func Gone(removed []Removal, what Thing) *Removal {
	for i := range removed {
		if removed[i].What == what {
			return &removed[i]
		}
	}
	return nil
}

// Removing is the removal that is under way, nil if there is none.
func Removing(removed []Removal) *Removal {
	for i := range removed {
		if removed[i].Done.IsZero() {
			return &removed[i]
		}
	}
	return nil
}

// kept adds up the things that are there and not removed.
func kept(removed []Removal, things ...Thing) (n int) {
	if Removing(removed) != nil {
		return removing
	}
	for _, what := range things {
		// The message lies with the evidence and goes with it.
		if Gone(removed, what) == nil && (what != ThingMessage || Gone(removed, ThingEvidence) == nil) {
			n |= bits[what]
		}
	}
	return n
}

func (t *Transfer) kept() int {
	if t.State != StateFiled {
		return 0
	}
	things := []Thing{ThingFailed, ThingHistory}
	if t.Verdict.Sent() {
		things[0] = ThingSent
	}
	if len(t.Sealed) > 0 {
		things = append(things, ThingMessage, ThingEvidence)
	}
	return kept(t.Removed, things...)
}

func (r *Received) kept() int {
	if r.State != ReceivedPublished {
		return 0
	}
	return kept(r.Removed, ThingMessage, ThingEvidence, ThingHistory)
}

func (r *Refusal) kept() int {
	switch {
	case r.Partner == "":
		return 0 // nothing lies in a folder of nobody
	case len(r.Receipt) == 0:
		return kept(r.Removed, ThingHistory)
	}
	return kept(r.Removed, ThingMessage, ThingEvidence, ThingHistory)
}

// Mark is how far a run of retention came; the zero value is the beginning.
type Mark struct {
	kept int
	at   int64
	id   string
}

// walk calls list for each value of kept that has a thing in it, from the mark on, until
// it finds rows. Rows that change leave the value, so nothing is looked at twice.
func (m *Mark) walk(bit int, list func() (found bool, err error)) error {
	for ; m.kept < removing; m.kept, m.at, m.id = m.kept+1, 0, "" {
		if m.kept&bit == 0 {
			continue
		}
		if found, err := list(); err != nil || found {
			return err
		}
	}
	return nil
}

// page reads the bodies of rows and moves a mark to the last of them. Its place is the one
// of the columns, which the order goes by, whatever the body says.
func page[T any](tx *Tx, m *Mark, query string, args ...any) ([]T, error) {
	rows, err := tx.tx.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return nil, wrap(err, tableOf(query))
	}
	defer rows.Close() // rows.Err tells
	var list []T
	for rows.Next() {
		var body string
		var v T
		err := rows.Scan(&body, &m.at, &m.id)
		if err == nil {
			err = json.Unmarshal([]byte(body), &v)
		}
		if err != nil {
			return nil, wrap(err, tableOf(query))
		}
		list = append(list, v)
	}
	return list, wrap(rows.Err(), tableOf(query))
}

// RemovableTransfers are transfers of a partner, filed by a moment, of which a thing is
// still there. It moves the mark on; no rows means that there are no more.
func (tx *Tx) RemovableTransfers(partner string, what Thing, by time.Time, m *Mark, limit int) (ts []Transfer, err error) {
	err = m.walk(bits[what], func() (bool, error) {
		ts, err = page[Transfer](tx, m, `SELECT body, filed, id FROM transfers WHERE partner=? AND kept=? AND filed<=? AND (filed, id)>(?,?) ORDER BY filed, id LIMIT ?`, partner, m.kept, nanos(by), m.at, m.id, limit)
		return len(ts) > 0, err
	})
	return ts, err
}

// RemovableReceived are the same for messages that were accepted by a moment.
func (tx *Tx) RemovableReceived(partner string, what Thing, by time.Time, m *Mark, limit int) (rs []Received, err error) {
	err = m.walk(bits[what], func() (bool, error) {
		rs, err = page[Received](tx, m, `SELECT body, at, id FROM received WHERE partner=? AND kept=? AND at<=? AND (at, id)>(?,?) ORDER BY at, id LIMIT ?`, partner, m.kept, nanos(by), m.at, m.id, limit)
		return len(rs) > 0, err
	})
	return rs, err
}

// RemovableRefusals are the same for messages that were refused by a moment.
func (tx *Tx) RemovableRefusals(partner string, what Thing, by time.Time, m *Mark, limit int) (rs []Refusal, err error) {
	err = m.walk(bits[what], func() (bool, error) {
		rs, err = page[Refusal](tx, m, `SELECT body, at, id FROM refusals WHERE partner=? AND kept=? AND at<=? AND (at, id)>(?,?) ORDER BY at, id LIMIT ?`, partner, m.kept, nanos(by), m.at, m.id, limit)
		return len(rs) > 0, err
	})
	return rs, err
}

// TransfersBeingRemoved are those of a partner of which something is being removed.
func (tx *Tx) TransfersBeingRemoved(partner string, limit int) ([]Transfer, error) {
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND kept=32 ORDER BY filed, id LIMIT ?`, partner, limit)
}

// ReceivedBeingRemoved are the accepted messages of which something is being removed.
func (tx *Tx) ReceivedBeingRemoved(partner string, limit int) ([]Received, error) {
	return all[Received](tx, `SELECT body FROM received WHERE partner=? AND kept=32 ORDER BY at, id LIMIT ?`, partner, limit)
}

// RefusalsBeingRemoved are the refused messages of which something is being removed.
func (tx *Tx) RefusalsBeingRemoved(partner string, limit int) ([]Refusal, error) {
	return all[Refusal](tx, `SELECT body FROM refusals WHERE partner=? AND kept=32 ORDER BY at, id LIMIT ?`, partner, limit)
}

// SaveRefusal records what retention removed of a refused message; nothing else of it
// ever changes.
func (tx *Tx) SaveRefusal(r Refusal) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.replace("refusal "+r.ID, `UPDATE refusals SET kept=?, body=? WHERE id=?`, r.kept(), string(body), r.ID)
}

// DeleteAttempts deletes the attempts of a transfer or message that is done with, and
// says how many.
func (tx *Tx) DeleteAttempts(of string) (int64, error) {
	return tx.delete("attempts", `DELETE FROM attempts WHERE transfer=? AND outcome NOT IN ('open', 'waiting')`, of)
}

// OldEvent is an event that retention may delete.
type OldEvent struct {
	ID    int64
	At    time.Time
	Bytes int64
}

// OldEvents are events of a partner ("" = the agent itself) before a moment, those of
// transfers that are under way not among them. It looks at limit events after one of them
// and returns the last it looked at, 0 when there are no more.
func (tx *Tx) OldEvents(partner string, before time.Time, after int64, limit int) (old []OldEvent, last int64, err error) {
	events, err := all[struct {
		Event
		Bytes int64 `json:"bytes"`
		Busy  int   `json:"busy"`
	}](tx, `SELECT json_set(body, '$.id', id, '$.bytes', length(body), '$.busy', EXISTS (SELECT 1 FROM transfers WHERE transfers.id=events.subject AND open=1))
		FROM events WHERE partner=? AND id>? ORDER BY id LIMIT ?`, partner, after, limit)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range events {
		if !e.At.Before(before) {
			return old, 0, nil // they are in the order of time
		}
		if last = e.ID; e.Busy == 0 {
			old = append(old, OldEvent{e.ID, e.At, e.Bytes})
		}
	}
	if len(events) < limit {
		last = 0
	}
	return old, last, nil
}

// DeleteEvent deletes one event.
func (tx *Tx) DeleteEvent(id int64) error {
	_, err := tx.delete("events", `DELETE FROM events WHERE id=?`, id)
	return err
}

// DeleteStored deletes messages of a partner that came before a moment and were opened
// since: what became of them has a row of its own.
func (tx *Tx) DeleteStored(partner string, before time.Time, limit int) (int64, error) {
	return tx.delete("stored", `DELETE FROM stored WHERE id IN (SELECT id FROM stored WHERE partner=? AND open=0 AND id<? LIMIT ?)`, partner, firstID(before), limit)
}

// DeleteWishes deletes wishes of before a moment that were dealt with.
func (tx *Tx) DeleteWishes(before time.Time, limit int) (int64, error) {
	return tx.delete("wishes", `DELETE FROM wishes WHERE id IN (SELECT id FROM wishes WHERE open=0 AND id<? LIMIT ?)`, firstID(before), limit)
}

func (tx *Tx) delete(what, query string, args ...any) (int64, error) {
	result, err := tx.tx.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, wrap(err, what)
	}
	n, err := result.RowsAffected()
	return n, wrap(err, what)
}

// PutEvent records an event, or an event anew that it recorded before.
func (tx *Tx) PutEvent(e *Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if e.ID != 0 {
		return tx.replace("event", `UPDATE events SET body=? WHERE id=?`, string(body), e.ID)
	}
	result, err := tx.tx.ExecContext(tx.ctx, `INSERT INTO events (partner, subject, body) VALUES (?,?,?)`, e.Partner, e.Subject, string(body))
	if err != nil {
		return wrap(err, "event")
	}
	tx.did(Deed{Kind: DeedEvent, Partner: e.Partner, Level: e.Level, Code: e.Code})
	e.ID, err = result.LastInsertId()
	return wrap(err, "event")
}

const metaRetention = "retention"

// LastRetention is when retention last ran to its end, zero for never.
func (tx *Tx) LastRetention() (time.Time, error) {
	text, err := tx.meta(metaRetention)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, wrap(err, metaRetention)
}

// SetLastRetention sets it; zero = it has never run.
func (tx *Tx) SetLastRetention(at time.Time) error {
	if at.IsZero() {
		return tx.exec(metaRetention, `DELETE FROM meta WHERE key=?`, metaRetention)
	}
	return tx.exec(metaRetention, `INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value`, metaRetention, at.UTC().Format(time.RFC3339Nano))
}

func (tx *Tx) meta(key string) (string, error) {
	var text string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT value FROM meta WHERE key=?`, key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return text, wrap(err, key)
}
