package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// RaisedAlarm is something that is wrong, or was, as receivers of alarms are told of it.
type RaisedAlarm struct {
	ID       string    `json:"id"`
	Key      string    `json:"key"` // the same while it lasts
	Partner  string    `json:"partner,omitempty"`
	Code     string    `json:"code"` // that of the event or problem
	Level    Level     `json:"level"`
	Since    time.Time `json:"since"`
	Last     time.Time `json:"last"`  // when it was met last
	Count    int       `json:"count"` // how often it was met
	Open     int       `json:"open"`  // transfers among them that nothing has become of
	Text     string    `json:"text"`
	Hint     string    `json:"hint,omitempty"`
	Examples []Example `json:"examples,omitempty"` // the first few
	// Notice is something that happened, and nothing that lasts: its end is not told.
	Notice bool      `json:"notice,omitempty"`
	Calm   bool      `json:"calm,omitempty"` // there is time left: it is told at its steps, and not each day
	News   int       `json:"news"`           // counted up with all that is worth telling
	Over   time.Time `json:"over,omitzero"`
	Ended  string    `json:"ended,omitempty"` // by what
}

// Example is one of the things that an alarm is about.
type Example struct {
	At      time.Time `json:"at"`
	Subject string    `json:"subject,omitempty"` // transfer or received message
	Text    string    `json:"text"`
}

// ToldAlarm is how far a receiver was told of an alarm. It is written with the intent to
// tell; Sent says that the message arrived.
type ToldAlarm struct {
	Alarm    string    `json:"alarm"`
	Receiver string    `json:"receiver"`
	News     int       `json:"news"`
	Over     bool      `json:"over,omitempty"` // its end was told
	At       time.Time `json:"at"`
	Message  string    `json:"message"`
	Thread   string    `json:"thread"` // the message that told of it first
	Sent     time.Time `json:"sent,omitzero"`
	// Before is what was told before the message, until that arrives; nil = nothing was.
	Before *ToldAlarm `json:"before,omitempty"`
}

// AlarmReceiver is somebody who is told of alarms.
type AlarmReceiver struct {
	Name    string    `json:"name"`
	Sent    time.Time `json:"sent,omitzero"` // when a message arrived last
	Owed    *AlarmMsg `json:"owed,omitempty"`
	Tries   int       `json:"tries,omitempty"` // of the owed message, that failed
	Due     time.Time `json:"due,omitzero"`    // of the next try
	Failing time.Time `json:"failing,omitzero"`
	Reason  string    `json:"reason,omitempty"` // why the last try failed, or whom it did not reach
	Hint    string    `json:"hint,omitempty"`
}

// AlarmMsg is one message about alarms. It is not changed once it is owed.
type AlarmMsg struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Alarms  []string        `json:"alarms"`
	Threads []string        `json:"threads,omitempty"` // messages that told of them first
	Subject string          `json:"subject"`
	Text    string          `json:"text"`
	JSON    json.RawMessage `json:"json"`
}

// SaveAlarm records an alarm. live says whether it is open, or its end has to be told.
func (tx *Tx) SaveAlarm(a *RaisedAlarm, live bool) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return tx.exec("alarm", `INSERT INTO alarms (id, key, live, over, body) VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET live=excluded.live, over=excluded.over, body=excluded.body`,
		a.ID, a.Key, live, nanos(a.Over), string(body))
}

// Alarm reads one alarm.
func (tx *Tx) Alarm(id string) (RaisedAlarm, error) {
	return one[RaisedAlarm](tx, "alarm "+id, `SELECT body FROM alarms WHERE id=?`, id)
}

// OpenAlarm reads the open alarm of a key; ErrNotFound means that there is none.
func (tx *Tx) OpenAlarm(key string) (RaisedAlarm, error) {
	return one[RaisedAlarm](tx, "alarm "+key, `SELECT body FROM alarms WHERE key=? AND over=0`, key)
}

// LiveAlarms are those that are open, or of whose end somebody may have to be told.
func (tx *Tx) LiveAlarms() ([]RaisedAlarm, error) {
	return all[RaisedAlarm](tx, `SELECT body FROM alarms INDEXED BY alarms_live WHERE live=1 ORDER BY id`)
}

// PastAlarms are those that are over, latest first.
func (tx *Tx) PastAlarms(limit int) ([]RaisedAlarm, error) {
	return all[RaisedAlarm](tx, `SELECT body FROM alarms WHERE over>0 ORDER BY over DESC LIMIT ?`, limit)
}

// ForgetAlarms deletes those that were over before a moment, with all that is known of them.
func (tx *Tx) ForgetAlarms(before time.Time) error {
	const old = `(SELECT id FROM alarms WHERE over>0 AND over<?)`
	return errors.Join(
		tx.exec("alarms", `DELETE FROM alarm_told WHERE alarm IN `+old, nanos(before)),
		tx.exec("alarms", `DELETE FROM alarm_items WHERE alarm IN `+old, nanos(before)),
		tx.exec("alarms", `DELETE FROM alarms WHERE over>0 AND over<?`, nanos(before)))
}

// AddAlarmItem records that an alarm is about a transfer. document is the key of its files.
func (tx *Tx) AddAlarmItem(alarm, subject, partner, document string) error {
	return tx.exec("alarm item", `INSERT INTO alarm_items (subject, alarm, partner, document) VALUES (?,?,?,?) ON CONFLICT DO NOTHING`, subject, alarm, partner, document)
}

// AlarmItem is a transfer that an alarm is about.
type AlarmItem struct{ Alarm, Subject string }

// AlarmItemsOf are the items about a transfer, and those of the same partner about earlier
// ones with the same document; "" = about the transfer alone.
func (tx *Tx) AlarmItemsOf(subject, partner, document string) (items []AlarmItem, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT alarm, subject FROM alarm_items WHERE subject=?
		UNION SELECT alarm, subject FROM alarm_items WHERE ?<>'' AND partner=? AND document=? AND subject<?`, subject, document, partner, document, subject)
	if err != nil {
		return nil, wrap(err, "alarm items")
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		var i AlarmItem
		if err := rows.Scan(&i.Alarm, &i.Subject); err != nil {
			return nil, wrap(err, "alarm items")
		}
		items = append(items, i)
	}
	return items, wrap(rows.Err(), "alarm items")
}

// AnyAlarmItem reports whether an alarm is about a transfer of a partner.
func (tx *Tx) AnyAlarmItem(partner string) (bool, error) {
	_, found, err := tx.text(`SELECT subject FROM alarm_items WHERE partner=? LIMIT 1`, partner)
	return found, wrap(err, "alarm items")
}

// AnyItemOf reports whether an alarm is about any transfer still.
func (tx *Tx) AnyItemOf(alarm string) (bool, error) {
	_, found, err := tx.text(`SELECT subject FROM alarm_items WHERE alarm=? LIMIT 1`, alarm)
	return found, wrap(err, "alarm items")
}

// EndAlarmItem takes a transfer out of an alarm.
func (tx *Tx) EndAlarmItem(i AlarmItem) error {
	return tx.exec("alarm item", `DELETE FROM alarm_items WHERE subject=? AND alarm=?`, i.Subject, i.Alarm)
}

// EndAlarmItems takes all transfers out of an alarm.
func (tx *Tx) EndAlarmItems(alarm string) error {
	return tx.exec("alarm items", `DELETE FROM alarm_items WHERE alarm=?`, alarm)
}

// AlarmItems is how many transfers an alarm is about.
func (tx *Tx) AlarmItems(alarm string) (n int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM alarm_items WHERE alarm=?`, alarm).Scan(&n)
	return n, wrap(err, "alarm items")
}

// SaveTold records how far a receiver was told of an alarm.
func (tx *Tx) SaveTold(t *ToldAlarm) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.exec("told alarm", `INSERT INTO alarm_told (alarm, receiver, body) VALUES (?,?,?) ON CONFLICT (alarm, receiver) DO UPDATE SET body=excluded.body`, t.Alarm, t.Receiver, string(body))
}

// ToldOf is how far each receiver was told of an alarm.
func (tx *Tx) ToldOf(alarm string) ([]ToldAlarm, error) {
	return all[ToldAlarm](tx, `SELECT body FROM alarm_told WHERE alarm=? ORDER BY receiver`, alarm)
}

// Untell forgets that a receiver was told of an alarm.
func (tx *Tx) Untell(alarm, receiver string) error {
	return tx.exec("told alarm", `DELETE FROM alarm_told WHERE alarm=? AND receiver=?`, alarm, receiver)
}

// SaveReceiver records how a receiver fares.
func (tx *Tx) SaveReceiver(r *AlarmReceiver) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.exec("receiver of alarms", `INSERT INTO alarm_receivers (name, body) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET body=excluded.body`, r.Name, string(body))
}

// AlarmReceivers are those who were told of anything, by name.
func (tx *Tx) AlarmReceivers() ([]AlarmReceiver, error) {
	return all[AlarmReceiver](tx, `SELECT body FROM alarm_receivers ORDER BY name`)
}

// DeleteReceiver forgets a receiver.
func (tx *Tx) DeleteReceiver(name string) error {
	return tx.exec("receiver of alarms", `DELETE FROM alarm_receivers WHERE name=?`, name)
}

// LastEvent is the number of the latest event, 0 if there is none.
func (tx *Tx) LastEvent() (id int64, err error) {
	var last sql.NullInt64
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT max(id) FROM events`).Scan(&last)
	return last.Int64, wrap(err, "events")
}

// EventsAfter are the events that came after one, in their order.
func (tx *Tx) EventsAfter(id int64, limit int) ([]Event, error) {
	return all[Event](tx, `SELECT json_set(body, '$.id', id) FROM events WHERE id>? ORDER BY id LIMIT ?`, id, limit)
}

// SentBetween is when something of a partner was filed first in a stretch of time, both ends
// included; zero = nothing was.
func (tx *Tx) SentBetween(partner string, from, to time.Time) (time.Time, error) {
	return tx.firstBetween(`SELECT min(filed) FROM transfers WHERE partner=? AND filed>=? AND filed<=?`, partner, from, to)
}

// ReceivedBetween is when a message of a partner came first in a stretch of time.
func (tx *Tx) ReceivedBetween(partner string, from, to time.Time) (time.Time, error) {
	return tx.firstBetween(`SELECT min(at) FROM received WHERE partner=? AND at>=? AND at<=?`, partner, from, to)
}

func (tx *Tx) firstBetween(query, partner string, from, to time.Time) (time.Time, error) {
	var at sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, query, partner, max(nanos(from), 1), nanos(to)).Scan(&at)
	return fromNanos(at.Int64), wrap(err, "past")
}
