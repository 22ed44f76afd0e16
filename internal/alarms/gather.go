package alarms

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

const (
	eventsAtOnce = 500 // that one commit takes in
	maxExamples  = 5   // of an alarm
	// noticeFor is how long more of the same belongs to a notice.
	noticeFor = time.Hour
	// settled is how long after an event the conditions are sure to say so too: they may have
	// been looked at while it was being committed.
	settled = 5 * time.Second
	// keepFor is how long an alarm is kept that is over.
	keepFor = 30 * 24 * time.Hour
)

// lasting are the codes that a status has while something lasts. An event of that code
// begins the alarm; that it is over the status says.
var lasting = []string{status.CodeLedger, status.CodeSpace, status.CodeConfig, status.CodeConsole, status.CodeFolder, status.CodeHangs, status.CodePaused, status.CodeFailing, status.CodeBehind, status.CodeHeld,
	status.CodeHooks, status.CodeRestart, status.CodeExpiry, status.CodeUntold, status.CodeNoSent, status.CodeNoGot}

// early are the codes of what somebody has to be told of although a status only warns of it:
// there is time left, or it may turn out to be normal.
var early = []string{status.CodeExpiry, status.CodeNoSent, status.CodeNoGot}

// Codes of events about transfers, of which something is to become.
const (
	eventFailed  = "failed"
	eventSent    = "sent"
	eventDismiss = "operator-dismiss"
)

// Gather brings the alarms up to date: with the events that have come since the last time,
// and with what is wrong now. now are the conditions as of a moment, which must not be before
// those of the last call. It reports whether there are more events to gather.
func (d *Desk) Gather(ctx context.Context, now []Condition, at time.Time) (more bool, err error) {
	err = d.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		g := &gathering{d: d, tx: tx, at: at.UTC(), changed: map[string]*ledger.RaisedAlarm{}, count: map[string]bool{}}
		if more, err = g.events(); err != nil {
			return err
		}
		if !more { // else an event may be about the end of what it began
			err = g.conditions(now)
		}
		return errors.Join(err, g.save(), tx.ForgetAlarms(d.Now().Add(-keepFor)))
	})
	return more, err
}

// gathering is one pass, in one transaction.
type gathering struct {
	d       *Desk
	tx      *ledger.Tx
	at      time.Time
	changed map[string]*ledger.RaisedAlarm // by key: read, and to be saved
	count   map[string]bool                // alarms whose transfers are to be counted anew: once, there may be many
}

// open is the open alarm of a key, made if there is none.
func (g *gathering) open(partner, code, subject string, since time.Time) (*ledger.RaisedAlarm, error) {
	k := key(partner, code, subject)
	if a := g.changed[k]; a != nil && a.Over.IsZero() {
		return a, nil
	}
	a, err := g.tx.OpenAlarm(k)
	if errors.Is(err, ledger.ErrNotFound) {
		id, err := ledger.NewID(g.d.Now(), g.d.Rand)
		if err != nil {
			return nil, err
		}
		a = ledger.RaisedAlarm{ID: id, Key: k, Partner: partner, Code: code, Since: since.UTC()}
		if err := g.end(k); err != nil { // one that ended in this very pass
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	g.changed[k] = &a
	return &a, nil
}

// end saves an alarm of this pass before another one takes its key.
func (g *gathering) end(key string) error {
	a := g.changed[key]
	if a == nil {
		return nil
	}
	delete(g.changed, key)
	return g.put(a)
}

func (g *gathering) save() error {
	for _, a := range g.changed {
		if err := g.put(a); err != nil {
			return err
		}
	}
	return nil
}

func (g *gathering) put(a *ledger.RaisedAlarm) (err error) {
	if g.count[a.ID] {
		if a.Open, err = g.tx.AlarmItems(a.ID); err != nil {
			return err
		}
	}
	return g.tx.SaveAlarm(a, true)
}

// events takes in what has come since the last time.
func (g *gathering) events() (more bool, err error) {
	last, ok, err := gathered(g.tx)
	if err != nil {
		return false, err
	}
	if !ok { // nobody was told before: the past is past
		if last, err = g.tx.LastEvent(); err != nil {
			return false, err
		}
		return false, g.tx.Tell(cursor, number(last))
	}
	events, err := g.tx.EventsAfter(last, eventsAtOnce)
	if err != nil || len(events) == 0 {
		return false, err
	}
	for i := range events {
		if err := g.event(&events[i]); err != nil {
			return false, err
		}
	}
	return len(events) == eventsAtOnce, g.tx.Tell(cursor, number(events[len(events)-1].ID))
}

func (g *gathering) event(e *ledger.Event) error {
	if e.Subject != "" {
		if err := g.became(e); err != nil {
			return err
		}
	}
	// That a certificate expires is told at each of its steps. Which receiver is not reached
	// the condition says.
	if e.Level != ledger.Alarm && e.Code != status.CodeExpiry || e.Code == status.CodeUntold {
		return nil
	}
	a, err := g.open(e.Partner, e.Code, "", e.At)
	if err != nil {
		return err
	}
	lasts := slices.Contains(lasting, e.Code)
	// What lasts is told once, by whichever of event and condition comes first; but each step
	// of a certificate's end is.
	if !lasts || a.News == 0 || e.Code == status.CodeExpiry && e.At.Sub(a.Since) > settled {
		a.News++
	}
	a.Level, a.Last, a.Hint = ledger.Alarm, e.At, e.Hint
	a.Count++
	a.Notice = e.Code != eventFailed && !lasts
	a.Text = e.Text
	if len(a.Examples) < maxExamples {
		a.Examples = append(a.Examples, ledger.Example{At: e.At, Subject: e.Subject, Text: e.Text})
	}
	if e.Code != eventFailed {
		return nil
	}
	t, err := g.tx.Transfer(e.Subject)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	g.count[a.ID] = true
	return g.tx.AddAlarmItem(a.ID, e.Subject, e.Partner, t.Key)
}

// became ends what an alarm says of a transfer, when an event says what has become of it.
func (g *gathering) became(e *ledger.Event) error {
	if e.Code != eventSent && e.Code != eventFailed && e.Code != eventDismiss {
		return nil
	}
	if any, err := g.tx.AnyAlarmItem(e.Partner); err != nil || !any {
		return err
	}
	t, err := g.tx.Transfer(e.Subject)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	document := ""
	if e.Code == eventSent {
		document = t.Key // the earlier ones with it are dealt with
	}
	var ended []ledger.AlarmItem
	for _, subject := range []string{e.Subject, t.RetryOf} {
		if subject == "" || subject == e.Subject && e.Code == eventFailed {
			continue
		}
		items, err := g.tx.AlarmItemsOf(subject, e.Partner, document)
		if err != nil {
			return err
		}
		ended = append(ended, items...)
	}
	for _, i := range ended {
		if err := g.endItem(i, e); err != nil {
			return err
		}
	}
	return nil
}

// endItem takes a transfer out of an alarm; with the last one it is over.
func (g *gathering) endItem(i ledger.AlarmItem, e *ledger.Event) error {
	if err := g.tx.EndAlarmItem(i); err != nil {
		return err
	}
	a, err := g.byID(i.Alarm)
	if err != nil || a == nil {
		return err
	}
	g.count[a.ID] = true
	left, err := g.tx.AnyItemOf(a.ID)
	if err != nil {
		return err
	}
	// One that failed again is another failure, which is told; it does not end the alarm.
	if !left && e.Code != eventFailed {
		a.Over, a.Ended = e.At.UTC(), e.Text
	}
	return nil
}

// byID is an open alarm, nil if it is not open any more.
func (g *gathering) byID(id string) (*ledger.RaisedAlarm, error) {
	for _, a := range g.changed {
		if a.ID == id {
			return a, nil
		}
	}
	a, err := g.tx.Alarm(id)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && !a.Over.IsZero() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g.changed[a.Key] = &a
	return &a, nil
}

// conditions raises what is wrong now, and ends what is not wrong any more.
func (g *gathering) conditions(now []Condition) error {
	seen := map[string][]string{}
	for i := range now {
		c := &now[i]
		seen[c.key()] = append(seen[c.key()], c.Text)
		if err := g.condition(c, strings.Join(seen[c.key()], "; ")); err != nil {
			return err
		}
	}
	live, err := g.tx.LiveAlarms()
	if err != nil {
		return err
	}
	for i := range live {
		a := &live[i]
		if fresh := g.changed[a.Key]; fresh != nil && fresh.ID == a.ID {
			a = fresh
		}
		if !a.Over.IsZero() || seen[a.Key] != nil || a.Code == eventFailed {
			continue
		}
		if fresh := a.Notice && g.d.Now().Sub(a.Last) < noticeFor || !a.Notice && g.at.Sub(a.Last) < settled; fresh && !ahead(a.Last, g.d.Now()) {
			continue
		}
		a.Over = g.at
		g.changed[a.Key] = a
	}
	return nil
}

func (g *gathering) condition(c *Condition, text string) error {
	since := c.Since
	if since.IsZero() {
		since = g.at
	}
	a, err := g.open(c.Partner, c.Code, c.Subject, since)
	if err != nil {
		return err
	}
	level := c.Level
	if slices.Contains(early, c.Code) {
		level = ledger.Alarm
	}
	if a.News == 0 || a.Level == ledger.Warning && level == ledger.Alarm {
		a.News++ // it is new, or has got worse
	}
	calm := c.Code == status.CodeExpiry && c.Level != ledger.Alarm
	a.Calm = calm && (a.Calm || text == c.Text) // of several, each must be
	a.Level, a.Text, a.Hint, a.Last, a.Count = level, text, c.Hint, g.at, max(a.Count, 1)
	return nil
}
