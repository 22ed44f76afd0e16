package alarms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// ErrLasts means that an alarm ends when what is wrong does, and not because somebody says so.
var ErrLasts = errors.New("it lasts: it ends by itself when what is wrong is over")

// Done ends an alarm because somebody says that it was dealt with.
func Done(ctx context.Context, l *ledger.Ledger, id, by string, now time.Time) (a ledger.RaisedAlarm, err error) {
	err = l.Update(ctx, func(tx *ledger.Tx) (err error) {
		if a, err = tx.Alarm(id); err != nil {
			return err
		}
		switch {
		case !a.Over.IsZero():
			return fmt.Errorf("it is over since %s", a.Over.UTC().Format(time.DateTime+" UTC"))
		case slices.Contains(lasting, a.Code):
			return ErrLasts
		}
		a.Over, a.Ended, a.Open = now.UTC(), by+" says that it was dealt with", 0
		return errors.Join(tx.EndAlarmItems(a.ID), tx.SaveAlarm(&a, true))
	})
	return a, err
}

// Check says which receivers are owed a message that did not reach them.
func Check(ctx context.Context, l *ledger.Ledger) (findings []ledger.Finding, err error) {
	err = l.View(ctx, func(tx *ledger.Tx) error {
		rows, err := tx.AlarmReceivers()
		for _, r := range rows {
			if r.Owed != nil && r.Tries > 0 {
				findings = append(findings, ledger.Finding{Fact: fmt.Sprintf("alarms do not reach %s since %s: %s", r.Name, r.Failing.Format(time.DateTime+" UTC"), r.Reason), Hint: "as2drop alarm test " + r.Name + " says more; they are told again by themselves"})
			}
		}
		return err
	})
	return findings, err
}
