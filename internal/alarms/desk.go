package alarms

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
)

// Desk keeps the alarms of a ledger.
type Desk struct {
	Ledger  *ledger.Ledger
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
	Name    string         // of this installation, for people
	Version string         // of the program
	Zone    *time.Location // of moments in texts
	Policy  Policy
	// Receivers are those who are told. Without any nothing is gathered.
	Receivers []Receiver
}

// Policy is when messages are sent.
type Policy struct {
	GroupWait      time.Duration // after the first news
	GroupInterval  time.Duration // between two messages to one receiver
	UpdateInterval time.Duration // between two messages about more of the same
	Repeat         time.Duration // of what lasts; 0 = never
}

// Receiver is one who is told.
type Receiver struct {
	Name     string
	Level    ledger.Level    // from which on
	Partners []string        // and of nobody else; nil = all, and the agent itself
	Hours    schedule.Window // in which it is told
	Channel  Channel
}

// Channel is a way to somebody.
type Channel interface {
	// What is where it leads, for people, without secrets.
	What() string
	// Send sends one message and tells each step that it has made. An error is a *Failure,
	// but for a *Partly, with which the message counts as sent.
	Send(ctx context.Context, m *Message, told func(Step)) error
}

// Message is what a receiver gets.
type Message struct {
	ledger.AlarmMsg
	Test bool
}

// Step is one thing that was done to send a message.
type Step struct {
	What string // such as "TLS"
	Saw  string
}

// Failure is why a message was not sent.
type Failure struct {
	Step string // the one that failed
	Fact string
	Hint string // what the operator can do
}

func (f *Failure) Error() string { return f.Step + ": " + f.Fact }

// Partly is a message that reached some of those whom it was for.
type Partly struct{ Failure }

// Condition is something that is wrong now.
type Condition struct {
	Level   ledger.Level
	Partner string
	Code    string
	Subject string // tells apart what is wrong in the same way; usually empty
	Since   time.Time
	Text    string
	Hint    string
}

func (c *Condition) key() string { return key(c.Partner, c.Code, c.Subject) }

func key(partner, code, subject string) string { return partner + " " + code + " " + subject }

// cursor is the subject in the ledger under which the last event that was gathered stands.
const cursor = "alarms gathered"

// gathered reads it; ok says that there is one.
func gathered(tx *ledger.Tx) (id int64, ok bool, err error) {
	text, err := tx.Told(cursor)
	if err != nil || text == "" {
		return 0, false, err
	}
	id, err = strconv.ParseInt(text, 10, 64)
	return id, err == nil, err
}

// Idle notes that nobody is told of anything: what happens from now on is not told later,
// what was raised is not followed any more, and nobody is owed a message.
func (d *Desk) Idle(ctx context.Context) error {
	err := d.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if _, ok, err := gathered(tx); err != nil || ok {
			return errors.Join(err, ledger.ErrExists)
		}
		return nil
	})
	if !errors.Is(err, ledger.ErrExists) {
		return err
	}
	return d.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		live, err := tx.LiveAlarms()
		if err != nil {
			return err
		}
		for i := range live {
			a := &live[i]
			if a.Over.IsZero() {
				a.Over, a.Ended, a.Open = d.Now().UTC(), "nobody is told of alarms any more", 0
			}
			err = errors.Join(err, tx.EndAlarmItems(a.ID), tx.SaveAlarm(a, false))
		}
		_, rerr := d.receivers(tx)
		return errors.Join(err, rerr, tx.Tell(cursor, ""))
	})
}
