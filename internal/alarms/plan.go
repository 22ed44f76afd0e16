package alarms

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// state is what a receiver is to be told of an alarm.
type state string

const (
	raised state = "raised"
	more   state = "more"  // of the same
	still  state = "still" // it lasts
	over   state = "over"
	was    state = "was" // it is over already, and nobody was told
)

// telling is one alarm that a receiver is to be told of.
type telling struct {
	alarm *ledger.RaisedAlarm
	state state
}

// matches reports whether a receiver wants to know of an alarm.
func (r *Receiver) matches(a *ledger.RaisedAlarm) bool {
	switch {
	case a.Level != ledger.Alarm && r.Level == ledger.Alarm:
		return false
	case a.Key == key("", status.CodeUntold, r.Name):
		return false // by the time that it is told it is over
	}
	return len(r.Partners) == 0 || slices.Contains(r.Partners, a.Partner)
}

// about is what a receiver is to be told of one alarm, and from when on; nil = nothing.
func (p *Policy) about(r *Receiver, a *ledger.RaisedAlarm, told *ledger.ToldAlarm) (*telling, time.Time) {
	wanted := r.matches(a)
	switch {
	case told == nil && !wanted, told != nil && told.Over:
		return nil, time.Time{}
	case told == nil && !a.Over.IsZero() && !a.Notice:
		return &telling{a, was}, time.Time{}
	case told == nil:
		return &telling{a, raised}, time.Time{}
	case !a.Over.IsZero() && !a.Notice:
		return &telling{a, over}, time.Time{}
	case wanted && told.News < a.News:
		return &telling{a, more}, told.At.Add(p.UpdateInterval)
	case wanted && a.Over.IsZero() && !a.Notice && !a.Calm && p.Repeat > 0:
		return &telling{a, still}, told.At.Add(p.Repeat)
	}
	return nil, time.Time{}
}

// decision is what follows for one receiver.
type decision struct {
	tell []telling // now, in one message; empty = nothing
	next time.Time // when to decide anew, if nothing happens before; zero = never
	owes bool      // there is something to tell, now or later
}

// decide is what a receiver is to be told now. live are all alarms that are open or whose
// end may have to be told, told how far the receiver was told of each. first is since when
// there has been something new, sent when the last message arrived. It is pure.
func (p *Policy) decide(r *Receiver, live []ledger.RaisedAlarm, told map[string]*ledger.ToldAlarm, first, sent, now time.Time) (d decision) {
	later := func(at time.Time) {
		if at.After(now) && (d.next.IsZero() || at.Before(d.next)) {
			d.next = at
		}
	}
	fresh := false
	for i := range live {
		t, from := p.about(r, &live[i], told[live[i].ID])
		if t == nil {
			continue
		}
		d.owes = d.owes || t.state != still
		if from.After(now) {
			later(from)
			continue
		}
		fresh = fresh || t.state == raised || t.state == was
		d.tell = append(d.tell, *t)
	}
	if len(d.tell) == 0 {
		return d
	}
	ready := now
	if wait := first.Add(p.GroupWait); fresh && wait.After(ready) {
		ready = wait
	}
	if wait := sent.Add(p.GroupInterval); !sent.IsZero() && wait.After(ready) {
		ready = wait
	}
	if ready = r.Hours.Next(ready); !ready.Equal(now) { // zero: they never begin again
		return decision{next: ready, owes: d.owes}
	}
	slices.SortFunc(d.tell, func(a, b telling) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.alarm.Since.Compare(b.alarm.Since), cmp.Compare(a.alarm.Key, b.alarm.Key))
	})
	return d
}

// rank puts what is new and worst first.
func (t telling) rank() int {
	n := slices.Index([]state{raised, more, still, was, over}, t.state)
	if t.alarm.Level != ledger.Alarm {
		n += 10
	}
	return n
}

// Pending is since when there has been something new for each receiver: it does not have to
// survive a restart.
type Pending map[string]time.Time

// Plan commits what each receiver is to be told now as a message that is owed, unless one is
// owed already. It returns when to plan anew if nothing happens before; zero = never. With
// hurry nobody waits for more news.
func (d *Desk) Plan(ctx context.Context, pending Pending, hurry bool) (next time.Time, err error) {
	err = d.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		live, err := tx.LiveAlarms()
		if err != nil {
			return err
		}
		told, err := tellings(tx, live, d.Now())
		if err != nil {
			return err
		}
		known, err := d.receivers(tx)
		if err != nil {
			return err
		}
		owing := map[string]bool{} // alarms that somebody is still to be told of
		for i := range d.Receivers {
			at, err := d.planFor(tx, &d.Receivers[i], known[d.Receivers[i].Name], live, told, owing, pending, hurry)
			if err != nil {
				return err
			}
			if !at.IsZero() && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
		return settle(tx, live, owing)
	})
	return next, err
}

// tellings is how far whom was told of what: by receiver, then by alarm.
func tellings(tx *ledger.Tx, live []ledger.RaisedAlarm, now time.Time) (map[string]map[string]*ledger.ToldAlarm, error) {
	all := map[string]map[string]*ledger.ToldAlarm{}
	for i := range live {
		of, err := tx.ToldOf(live[i].ID)
		if err != nil {
			return nil, err
		}
		for j := range of {
			t := &of[j]
			if ahead(t.At, now) {
				t.At = time.Time{}
			}
			if all[t.Receiver] == nil {
				all[t.Receiver] = map[string]*ledger.ToldAlarm{}
			}
			all[t.Receiver][t.Alarm] = t
		}
	}
	return all, nil
}

// receivers are the rows of those who are in the config; the others are forgotten.
func (d *Desk) receivers(tx *ledger.Tx) (map[string]*ledger.AlarmReceiver, error) {
	rows, err := tx.AlarmReceivers()
	if err != nil {
		return nil, err
	}
	known := map[string]*ledger.AlarmReceiver{}
	for _, r := range d.Receivers {
		known[r.Name] = &ledger.AlarmReceiver{Name: r.Name}
	}
	for i := range rows {
		r := &rows[i]
		if known[r.Name] != nil {
			known[r.Name] = r
			continue
		}
		if err := tx.DeleteReceiver(r.Name); err != nil {
			return nil, err
		}
		if r.Owed == nil {
			continue
		}
		e := ledger.Event{At: d.Now().UTC(), Level: ledger.Warning, Code: "alarm-dropped", Text: "receiver " + r.Name + " left the config before it was told: " + r.Owed.Subject}
		if err := tx.AddEvent(e); err != nil {
			return nil, err
		}
	}
	return known, nil
}

func (d *Desk) planFor(tx *ledger.Tx, r *Receiver, row *ledger.AlarmReceiver, live []ledger.RaisedAlarm, told map[string]map[string]*ledger.ToldAlarm, owing map[string]bool, pending Pending, hurry bool) (next time.Time, err error) {
	now := d.Now()
	policy := d.Policy
	if hurry {
		policy.GroupWait, policy.GroupInterval = 0, 0
	}
	mine := told[r.Name]
	for i := range live {
		if t, _ := policy.about(r, &live[i], mine[live[i].ID]); t != nil {
			owing[live[i].ID] = true
		}
	}
	if row.Owed != nil { // the rest is told when this has arrived
		for _, id := range row.Owed.Alarms {
			owing[id] = true
		}
		return time.Time{}, nil
	}
	if ahead(pending[r.Name], now) {
		delete(pending, r.Name)
	}
	if ahead(row.Sent, now) {
		row.Sent = time.Time{}
	}
	dec := policy.decide(r, live, mine, cmp.Or(pending[r.Name], now), row.Sent, now)
	if !dec.owes {
		delete(pending, r.Name)
	} else if pending[r.Name].IsZero() {
		pending[r.Name] = now
	}
	if len(dec.tell) == 0 {
		return dec.next, nil
	}
	delete(pending, r.Name)
	id, err := ledger.NewID(now, d.Rand)
	if err != nil {
		return time.Time{}, err
	}
	row.Owed, err = d.compose(id, r, dec.tell, mine, now)
	if err != nil {
		return time.Time{}, err
	}
	if row.Failing.IsZero() { // else it is tried when its turn comes
		row.Tries, row.Due = 0, now.UTC()
	}
	for _, t := range dec.tell {
		fresh := ledger.ToldAlarm{Alarm: t.alarm.ID, Receiver: r.Name, News: t.alarm.News, Over: !t.alarm.Over.IsZero() && !t.alarm.Notice, At: now.UTC(), Message: id, Thread: id}
		if former := mine[t.alarm.ID]; former != nil {
			fresh.Thread, fresh.Before = former.Thread, former
		}
		err = errors.Join(err, tx.SaveTold(&fresh))
		owing[t.alarm.ID] = true
	}
	return now, errors.Join(err, tx.SaveReceiver(row))
}

// settle puts alarms away that are over and of which nobody has to be told any more.
func settle(tx *ledger.Tx, live []ledger.RaisedAlarm, owing map[string]bool) error {
	for i := range live {
		if a := &live[i]; !a.Over.IsZero() && !owing[a.ID] {
			if err := tx.SaveAlarm(a, false); err != nil {
				return err
			}
		}
	}
	return nil
}
