package alarms

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // bare machines and Windows have none

	"github.com/as2drop/as2drop/internal/schedule"
)

// past is the traffic of a partner in Vienna up to a moment: something at each of the moments
// of a schedule, a little late, unless skip says that it was left out.
func past(t *testing.T, text string, weeks int, now time.Time, skip func(time.Time) bool) *Traffic {
	t.Helper()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.Parse(text, vienna)
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Time
	for at := s.Next(now.AddDate(0, 0, -7*weeks)); !at.After(now); at = s.Next(at) {
		late := time.Duration(len(all)%5) * 4 * time.Minute
		if m := at.Add(late); !m.After(now) && (skip == nil || !skip(at)) {
			all = append(all, m)
		}
	}
	tr := &Traffic{What: Received, Grace: time.Hour, Zone: vienna, Begun: now.AddDate(-1, 0, 0), First: func(from, to time.Time) (time.Time, error) {
		for _, m := range all {
			if !m.Before(from) && !m.After(to) {
				return m, nil
			}
		}
		return time.Time{}, nil
	}}
	if len(all) > 0 {
		tr.Last = all[len(all)-1]
	}
	return tr
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	m, err := time.ParseInLocation("2006-01-02 15:04", text, vienna)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is usual follows weekdays and hours of the weeks before. 2026-11-26 is a Thursday;
// the clocks changed on 2026-10-25.
func TestUsual(t *testing.T) {
	since := func(moment string) func(time.Time) bool {
		return func(m time.Time) bool { return !m.Before(at(t, moment)) }
	}
	for name, c := range map[string]struct {
		schedule string
		weeks    int
		skip     func(time.Time) bool
		now      string
		want     string // part of why; empty = it is normal
	}{
		"daily, and today's is there":       {"daily at 9:00", 12, nil, "2026-11-26 12:00", ""},
		"daily, and it is a little late":    {"daily at 9:00", 12, since("2026-11-26 00:00"), "2026-11-26 09:50", ""},
		"daily, and it has not come":        {"daily at 9:00", 12, since("2026-11-26 00:00"), "2026-11-26 11:00", "nothing was received since Wed 2026-11-25 09:"},
		"on working days, and it is Sunday": {"Mon-Fri at 9:00", 12, nil, "2026-11-29 18:00", ""},
		"on working days, and it is Monday": {"Mon-Fri at 9:00", 12, since("2026-11-30 00:00"), "2026-11-30 11:00", "in 8 of the last 8 weeks"},
		"all day, and it is night":          {"every 15 minutes Mon-Fri 6-22", 12, nil, "2026-11-26 05:30", ""},
		"all day, and two hours of silence": {"every 15 minutes Mon-Fri 6-22", 12, since("2026-11-26 10:00"), "2026-11-26 12:15", "since Thu 2026-11-26 "},
		"all day, and one hour of silence":  {"every 15 minutes Mon-Fri 6-22", 12, since("2026-11-26 10:00"), "2026-11-26 11:00", ""},
		"a holiday among the weeks before": {"Mon-Fri at 9:00", 12, func(m time.Time) bool {
			return m.Day() == 12 && m.Month() == 11 || !m.Before(at(t, "2026-11-26 00:00"))
		}, "2026-11-26 12:00", "in 7 of the last 8 weeks"},
		"every other week":                        {"Thu at 9:00", 12, func(m time.Time) bool { return m.YearDay()/7%2 == 0 }, "2026-11-27 12:00", ""},
		"weekly, and it has not come":             {"Thu at 9:00", 12, since("2026-11-26 00:00"), "2026-11-26 18:00", "since Thu 2026-11-19"},
		"monthly, and not due":                    {"0 9 1 * *", 50, nil, "2026-11-26 12:00", ""},
		"monthly, and it has not come":            {"0 9 1 * *", 50, since("2026-12-01 00:00"), "2026-12-06 12:00", "never silent for so long"},
		"too few weeks to know":                   {"daily at 9:00", 3, since("2026-11-26 00:00"), "2026-11-26 20:00", ""},
		"four weeks are enough":                   {"daily at 9:00", 6, since("2026-11-26 00:00"), "2026-11-26 20:00", "weeks"},
		"nothing ever":                            {"daily at 9:00", 12, func(time.Time) bool { return true }, "2026-11-26 20:00", ""},
		"early by the clock of before it changed": {"daily at 9:00", 12, since("2026-11-26 00:00"), "2026-11-26 09:30", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(t, c.now)
			tr := past(t, c.schedule, c.weeks, now, c.skip)
			why, since, err := tr.Silence(now)
			if err != nil || (c.want == "") != (why == "") || !strings.Contains(why, c.want) || why != "" && !since.Equal(tr.Last) {
				t.Errorf("%q since %v, %v; want %q", why, since, err, c.want)
			}
		})
	}
}

// By each moment of a schedule something must have come since the one before.
func TestExpected(t *testing.T) {
	for name, c := range map[string]struct{ schedule, last, now, want string }{
		"it has come":            {"Mon-Fri at 9:00, 17:00", "2026-11-26 08:30", "2026-11-26 11:00", ""},
		"it has come late":       {"Mon-Fri at 9:00, 17:00", "2026-11-26 09:45", "2026-11-26 17:30", ""},
		"it has not come":        {"Mon-Fri at 9:00, 17:00", "2026-11-25 16:00", "2026-11-26 10:30", "something was expected by Thu 2026-11-26 09:00 CET"},
		"within the grace":       {"Mon-Fri at 9:00, 17:00", "2026-11-25 16:00", "2026-11-26 09:59", ""},
		"over the weekend":       {"Mon-Fri at 9:00, 17:00", "2026-11-27 16:50", "2026-11-29 20:00", ""},
		"never, and it is set":   {"daily at 9:00", "", "2026-11-26 11:00", "when the partner was set up"},
		"never, and begun today": {"daily at 13:00", "", "2026-11-26 13:30", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(t, c.now)
			tr := past(t, c.schedule, 0, now, nil)
			var err error
			if tr.By, err = schedule.Parse(c.schedule, tr.Zone); err != nil {
				t.Fatal(err)
			}
			tr.Begun = at(t, "2026-11-26 08:00")
			if c.last != "" {
				tr.Last = at(t, c.last)
			}
			why, _, err := tr.Silence(now)
			if err != nil || (c.want == "") != (why == "") || !strings.Contains(why, c.want) {
				t.Errorf("%q, %v; want %q", why, err, c.want)
			}
		})
	}
}
