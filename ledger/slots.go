package ledger

import "time"

// SlotLength is how long a slot is. Every day of every time zone is made of whole ones.
const SlotLength = 15 * time.Minute

// Slot is how much of something there was within a quarter of an hour.
type Slot struct {
	At    time.Time // its beginning, UTC
	What  string    // sent, failed, received, refused
	Count int64
	Bytes int64 // of the files; of refusals nobody knows
}

// What slots count.
const (
	SlotSent     = "sent"
	SlotFailed   = "failed"
	SlotReceived = "received"
	SlotRefused  = "refused"
)

// Slots are those of a partner from a moment on and before another, the oldest first;
// empty ones are left out. The partner "" is all of them together, and senders that nobody
// knows. A transfer counts when it was filed, a message when it came.
func (tx *Tx) Slots(partner string, from, to time.Time) (list []Slot, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT slot, what, n, bytes FROM slots WHERE partner=? AND slot>=? AND slot<? AND n>0 ORDER BY slot`,
		partner, nanos(from)/int64(SlotLength), (nanos(to)+int64(SlotLength)-1)/int64(SlotLength))
	if err != nil {
		return nil, wrap(err, "slots")
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		tx.rows.Add(1)
		var s Slot
		var at int64
		if err := rows.Scan(&at, &s.What, &s.Count, &s.Bytes); err != nil {
			return nil, wrap(err, "slots")
		}
		s.At = time.Unix(at*int64(SlotLength/time.Second), 0).UTC()
		list = append(list, s)
	}
	return list, wrap(rows.Err(), "slots")
}

// LastOf is the newest transfer of a partner that stands so; ErrNotFound means that there
// is none.
func (tx *Tx) LastOf(partner string, stand Stand) (Transfer, error) {
	return one[Transfer](tx, "last transfer of "+partner, `SELECT body FROM transfers INDEXED BY transfers_partnerstand WHERE partner=? AND stand=? ORDER BY id DESC LIMIT 1`, partner, stand)
}
