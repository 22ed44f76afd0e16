package alarms

import (
	"context"
	"errors"
	"time"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/ledger"
)

const (
	firstRetry = 10 * time.Second // after a message that did not arrive; each wait is twice as long as the one before
	maxRetry   = 5 * time.Minute
	// rewriteAfter is how long a message is tried before it is written anew: by then other
	// things are so.
	rewriteAfter = time.Hour
)

// ahead reports whether a moment is further ahead than any wait: a clock that was wrong put
// it there, and it counts for nothing.
func ahead(t, now time.Time) bool { return t.After(now.Add(2 * maxRetry)) }

// Owed are the receivers to whom a message is owed, with when it is to be tried.
func (d *Desk) Owed(ctx context.Context) (map[string]time.Time, error) {
	due := map[string]time.Time{}
	err := d.Ledger.View(ctx, func(tx *ledger.Tx) error {
		rows, err := tx.AlarmReceivers()
		for _, r := range rows {
			if r.Owed == nil {
				continue
			}
			due[r.Name] = r.Due
			if ahead(r.Due, d.Now()) {
				due[r.Name] = d.Now()
			}
		}
		return err
	})
	return due, err
}

// find is a receiver of the config, nil if it is not in it.
func (d *Desk) find(name string) *Receiver {
	for i := range d.Receivers {
		if d.Receivers[i].Name == name {
			return &d.Receivers[i]
		}
	}
	return nil
}

// Deliver sends the message that is owed to one receiver, and commits what came of it. An
// error is a fault of ours; the message is still owed then.
func (d *Desk) Deliver(ctx context.Context, name string) error {
	r := d.find(name)
	row, err := d.row(ctx, name)
	if err != nil || r == nil || row.Owed == nil {
		return err
	}
	failpoint.Hit("after alarm intent")
	err = r.Channel.Send(ctx, &Message{AlarmMsg: *row.Owed}, func(Step) {})
	failpoint.Hit("after alarm")
	if err != nil && ctx.Err() != nil {
		return nil // the agent stops: it is sent again
	}
	return d.conclude(context.WithoutCancel(ctx), row.Owed.ID, r, err)
}

// TellWithout sends a message about one thing that is wrong, without the ledger: for when
// that cannot be used.
func (d *Desk) TellWithout(ctx context.Context, r *Receiver, c Condition) error {
	now := d.Now()
	id, err := ledger.NewID(now, d.Rand)
	if err != nil {
		return err
	}
	a := &ledger.RaisedAlarm{ID: id, Key: c.key(), Partner: c.Partner, Code: c.Code, Level: c.Level, Since: c.Since, Last: now, Count: 1, Text: c.Text, Hint: c.Hint}
	m, err := d.compose(id, r, []telling{{a, raised}}, nil, now)
	if err != nil {
		return err
	}
	err = r.Channel.Send(ctx, &Message{AlarmMsg: *m}, func(Step) {})
	if partly := (*Partly)(nil); errors.As(err, &partly) {
		return nil
	}
	return err
}

func (d *Desk) row(ctx context.Context, name string) (row ledger.AlarmReceiver, err error) {
	err = d.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { row, err = rowOf(tx, name); return err })
	return row, err
}

func rowOf(tx *ledger.Tx, name string) (row ledger.AlarmReceiver, err error) {
	rows, err := tx.AlarmReceivers()
	for _, r := range rows {
		if r.Name == name {
			return r, nil
		}
	}
	return ledger.AlarmReceiver{Name: name}, err
}

// conclude commits what came of sending a message.
func (d *Desk) conclude(ctx context.Context, message string, r *Receiver, result error) error {
	now := d.Now().UTC()
	var row ledger.AlarmReceiver
	err := d.Ledger.Update(ctx, func(tx *ledger.Tx) (err error) {
		if row, err = rowOf(tx, r.Name); err != nil {
			return err
		}
		if row.Owed == nil || row.Owed.ID != message {
			return nil // the receiver left the config meanwhile
		}
		var partly *Partly
		var failure *Failure
		switch {
		case result == nil || errors.As(result, &partly):
			err = arrived(tx, &row, now)
			row.Failing, row.Reason, row.Hint = time.Time{}, "", ""
			if partly != nil {
				row.Failing, row.Reason, row.Hint = now, partly.Error(), partly.Hint
			}
		case errors.As(result, &failure):
			row.Reason, row.Hint = failure.Error(), failure.Hint
			err = failed(tx, &row, now)
		default:
			row.Reason, row.Hint = result.Error(), ""
			err = failed(tx, &row, now)
		}
		return errors.Join(err, tx.SaveReceiver(&row))
	})
	if err != nil {
		return err
	}
	if row.Reason != "" {
		d.Log.Error("alarms", "receiver", r.Name, "to", r.Channel.What(), "error", row.Reason, "hint", row.Hint, "tries", row.Tries)
	} else {
		d.Log.Info("alarms told", "receiver", r.Name, "to", r.Channel.What(), "message", message)
	}
	return nil
}

// arrived records that the owed message of a receiver has arrived.
func arrived(tx *ledger.Tx, row *ledger.AlarmReceiver, now time.Time) error {
	err := eachTold(tx, row, func(t *ledger.ToldAlarm) error { t.Sent, t.Before = now, nil; return tx.SaveTold(t) })
	row.Owed, row.Sent, row.Tries, row.Due = nil, now, 0, time.Time{}
	return err
}

// failed records that it has not. After rewriteAfter it is withdrawn: what it was about
// counts as told so far as it was before.
func failed(tx *ledger.Tx, row *ledger.AlarmReceiver, now time.Time) error {
	row.Tries++
	row.Due = now.Add(min(firstRetry<<min(row.Tries-1, 20), maxRetry))
	if row.Failing.IsZero() {
		row.Failing = now
	}
	if now.Sub(row.Owed.At) < rewriteAfter {
		return nil
	}
	err := eachTold(tx, row, func(t *ledger.ToldAlarm) error {
		if t.Before != nil {
			return tx.SaveTold(t.Before)
		}
		return tx.Untell(t.Alarm, t.Receiver)
	})
	row.Owed = nil
	return err
}

// eachTold calls f for what the owed message of a receiver tells.
func eachTold(tx *ledger.Tx, row *ledger.AlarmReceiver, f func(*ledger.ToldAlarm) error) error {
	for _, id := range row.Owed.Alarms {
		of, err := tx.ToldOf(id)
		if err != nil {
			return err
		}
		for i := range of {
			if of[i].Receiver == row.Name && of[i].Message == row.Owed.ID {
				if err := f(&of[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
