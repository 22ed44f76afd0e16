package views

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/as2drop/as2drop/internal/agenda"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// How far back the charts go.
const (
	hoursBack = 24
	daysBack  = 30
)

// Overview is the first page.
func (r *Reader) Overview(ctx context.Context, now time.Time) (Overview, error) {
	cfg, s := r.Config(), r.Status()
	o := Overview{At: now.UTC(), Today: dayOf(now, cfg.Location), Partners: []PartnerOverview{}, Problems: []status.Problem{}}
	if s != nil {
		o.Running, o.Version, o.Since, o.Looked = !s.Hangs(now), s.Version, s.Started, s.At
		o.Problems = append(o.Problems, s.Problems...)
	}
	err := r.View(ctx, func(tx *ledger.Tx) (err error) {
		if o.Hours, o.Days, err = charts(tx, "", now, cfg.Location); err != nil {
			return err
		}
		for _, p := range cfg.Partners {
			line, err := partnerLine(tx, s, p.Name, now, cfg.Location)
			if err != nil {
				return err
			}
			o.Partners = append(o.Partners, line)
		}
		return nil
	})
	return o, err
}

// PartnerOverview is the first page of one partner, with charts of his own; ErrNotFound of
// package ledger means that the config has none of the name.
func (r *Reader) PartnerOverview(ctx context.Context, name string, now time.Time) (p PartnerOverview, err error) {
	cfg := r.Config()
	if cfg.Partner(name) == nil {
		return p, unknown("the config has no partner %q", name)
	}
	err = r.View(ctx, func(tx *ledger.Tx) (err error) {
		if p, err = partnerLine(tx, r.Status(), name, now, cfg.Location); err == nil {
			p.Hours, p.Days, err = charts(tx, name, now, cfg.Location)
		}
		return err
	})
	return p, err
}

func partnerLine(tx *ledger.Tx, s *status.Status, name string, now time.Time, loc *time.Location) (p PartnerOverview, err error) {
	load, err := tx.Load(name)
	if err != nil {
		return p, err
	}
	p = PartnerOverview{Name: name, InFlight: load.Open - load.Held, Held: load.Held, LastReceived: load.LastReceived, State: status.StateOK, Words: stateWords[status.StateOK]}
	p.describe(s)
	today, err := tx.Slots(name, dayOf(now, loc), now.Add(ledger.SlotLength))
	for _, t := range today {
		*map[string]*int64{ledger.SlotSent: &p.SentToday, ledger.SlotFailed: &p.FailedToday, ledger.SlotReceived: &p.GotToday, ledger.SlotRefused: &p.RefusedToday}[t.What] += t.Count
	}
	if err != nil {
		return p, err
	}
	for stand, at := range map[ledger.Stand]*time.Time{ledger.StandSent: &p.LastSent, ledger.StandFailed: &p.LastFailed} {
		last, err := tx.LastOf(name, stand)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return p, err
		}
		*at = last.Filed
	}
	_, err = tx.Pause(name)
	p.Paused = err == nil
	if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	return p, err
}

// describe fills in what the agent saw of the partner.
func (p *PartnerOverview) describe(s *status.Status) {
	if s == nil {
		return
	}
	for _, seen := range s.Partners {
		if seen.Name == p.Name {
			p.State, p.Since, p.InOutbox, p.Ready = seen.State, seen.Since, seen.Files, seen.Ready
			p.Words = stateWords[seen.State]
		}
	}
	first := ""
	for _, problem := range s.Problems {
		switch {
		case problem.Partner != p.Name:
			continue
		case problem.Level == ledger.Alarm:
			p.Alarms++
		default:
			p.Warnings++
		}
		first = cmp.Or(first, problem.Text)
	}
	if first != "" && p.State != status.StateOK {
		p.Words = first
	}
}

// stateWords are the states of a partner for people, where no problem says more.
var stateWords = map[string]string{
	status.StateOK: "all is well", status.StateHeld: "transfers are held", status.StateBehind: "complete batches wait too long",
	status.StateFailing: "nobody gets through", status.StatePaused: "nothing is sent", status.StateFault: "its folder is not in order",
	status.StateHangs: "its folder does not answer",
}

// dayOf is when the day of a moment began.
func dayOf(at time.Time, loc *time.Location) time.Time {
	y, m, d := at.In(loc).Date()
	return dayFrom(y, m, d, loc)
}

// dayFrom is the first moment of a day. Where the clock is put forward at midnight, midnight
// is none.
func dayFrom(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if t.Day() != time.Date(y, m, d, 12, 0, 0, 0, loc).Day() {
		_, t = t.ZoneBounds()
	}
	return t
}

// charts are the hours and the days up to a moment, empty ones too. Days are as long as the
// clock of the zone makes them.
func charts(tx *ledger.Tx, partner string, now time.Time, loc *time.Location) (hours, days []Slot, err error) {
	first := now.Truncate(ledger.SlotLength).Add(-time.Duration(now.In(loc).Minute()) / 15 * 15 * time.Minute)
	for n := hoursBack - 1; n >= 0; n-- {
		hours = append(hours, Slot{From: first.Add(-time.Duration(n) * time.Hour).In(loc)})
	}
	y, m, d := now.In(loc).Date()
	for n := daysBack - 1; n >= 0; n-- {
		days = append(days, Slot{From: dayFrom(y, m, d-n, loc)})
	}
	found, err := tx.Slots(partner, days[0].From, now.Add(ledger.SlotLength))
	for _, s := range found {
		add(hours, s)
		add(days, s)
	}
	return hours, days, err
}

// add counts a slot where it belongs.
func add(list []Slot, s ledger.Slot) {
	for i := len(list) - 1; i >= 0; i-- {
		l := &list[i]
		if s.At.Before(l.From) {
			continue
		}
		switch s.What {
		case ledger.SlotSent:
			l.Sent += s.Count
			l.SentBytes += s.Bytes
		case ledger.SlotFailed:
			l.Failed += s.Count
		case ledger.SlotReceived:
			l.Received += s.Count
			l.ReceivedBytes += s.Bytes
		case ledger.SlotRefused:
			l.Refused += s.Count
		}
		return
	}
}

// MaxPlanned is how many of what repeats may be asked for.
const MaxPlanned = 10_000

// Schedule is what will happen from a moment on: of what repeats, and of the transfers and
// receipts of a partner, the next few. partner "" = all; one that the config does not have
// is ErrNotFound of package ledger.
func (r *Reader) Schedule(ctx context.Context, partner string, from time.Time, count int) (Schedule, error) {
	cfg := r.Config()
	if partner != "" && cfg.Partner(partner) == nil {
		return Schedule{}, unknown("the config has no partner %q", partner)
	}
	q := agenda.Question{Config: cfg, Partner: partner, From: from, Count: min(max(count, 1), MaxPlanned), Facts: map[string]agenda.Facts{}}
	err := r.View(ctx, func(tx *ledger.Tx) error {
		for _, p := range cfg.Partners {
			if partner != "" && partner != p.Name {
				continue
			}
			f, err := agenda.Read(tx, p.Name, q.Count)
			if err != nil {
				return err
			}
			q.Facts[p.Name] = f
		}
		return nil
	})
	return Plan(agenda.Of(q)), err
}

// Plan is a list of what will happen with the wall time of each moment.
func Plan(list agenda.List) Schedule {
	s := Schedule{Items: make([]Planned, len(list.Items)), LeftOut: list.LeftOut}
	for i, item := range list.Items {
		s.Items[i] = Planned{item, Local(item.At)}
	}
	return s
}

// Local is a moment as the clock on the wall shows it.
func Local(t time.Time) string { return t.Format("Mon 2006-01-02 15:04:05 MST -07:00") }
