// Package schedule reads cron expressions and says when they are due.
//
// It is the guard in front of robfig/cron: expressions that its parser takes and that
// never fire, fire in another zone than they seem to, or make it panic are refused
// with a reason. It also decides what happens when the clocks change: an expression
// with fixed hours fires once on both days (a time that spring leaves out fires an
// hour later, one that autumn repeats fires the first time); one that fires every
// hour goes on by the real clock.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a sequence of moments. The zero value never fires.
type Schedule struct {
	text     string
	schedule cron.Schedule
	loc      *time.Location
	wall     bool // fixed hours: evaluated on the wall clock
}

// reference is a moment from which a schedule that ever fires does so within the
// horizon of the library, five years; the next February has 29 days.
var reference = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// horizon is for how many years the library looks ahead.
const horizon = 5

// shortest is the shortest @every that makes sense for folders.
const shortest = time.Second

// Parse reads five cron fields (minute, hour, day of month, month, day of week), a
// name such as @hourly, or "@every 15m".
func Parse(text string, loc *time.Location) (s Schedule, err error) {
	trimmed := strings.TrimSpace(text)
	if strings.Contains(trimmed, "TZ=") {
		return Schedule{}, fmt.Errorf("%q names a time zone; set time_zone for all schedules instead", text)
	}
	defer func() {
		if v := recover(); v != nil {
			s, err = Schedule{}, fmt.Errorf("%q is no cron expression: %v", text, v)
		}
	}()
	parsed, perr := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(trimmed)
	if perr != nil {
		return Schedule{}, fmt.Errorf("%q is no cron expression (minute hour day month weekday): %v", text, perr)
	}
	s = Schedule{text: trimmed, schedule: parsed, loc: loc}
	switch p := parsed.(type) {
	case cron.ConstantDelaySchedule:
		// The library rounds what is too short up to a second and takes negative delays.
		d, derr := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(trimmed, "@every")))
		if derr != nil || d < shortest {
			return Schedule{}, fmt.Errorf("%q: the interval must be one second or more", text)
		}
	case *cron.SpecSchedule:
		const star = 1 << 63
		p.Location = time.UTC
		s.wall = p.Hour&star == 0
	}
	if s.Next(reference).IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes: there is no such day", text)
	}
	return s, nil
}

// Next is the first moment after the given one; zero if there is none.
func (s Schedule) Next(after time.Time) time.Time {
	if s.schedule == nil {
		return time.Time{}
	}
	if _, every := s.schedule.(cron.ConstantDelaySchedule); every {
		return s.schedule.Next(after)
	}
	if !s.wall {
		return s.nextByClock(after)
	}
	wall := wallClock(after.In(s.loc))
	for {
		wall = s.schedule.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		real := asUTC(wall, s.loc)
		if real.After(after) {
			return real
		}
	}
}

// nextByClock asks the library one stretch between two changes of the clocks at a time,
// so that it never sees a change: hours that autumn repeats come twice, hours that
// spring leaves out do not come.
func (s Schedule) nextByClock(after time.Time) time.Time {
	last := after.Year() + horizon
	for {
		local := after.In(s.loc)
		_, offset := local.Zone()
		next := s.schedule.Next(wallClock(local))
		if !next.IsZero() {
			next = next.Add(-time.Duration(offset) * time.Second).In(s.loc)
		}
		_, end := local.ZoneBounds()
		if end.IsZero() || !next.IsZero() && next.Before(end) {
			return next
		}
		if end.Year() > last {
			return time.Time{}
		}
		// The change itself may match, and Next is about what comes after a moment.
		if after = end; s.matches(end) {
			return end.In(s.loc)
		}
	}
}

// matches reports whether the clock on the wall shows a matching time at a moment.
func (s Schedule) matches(t time.Time) bool {
	wall := wallClock(t.In(s.loc))
	return s.schedule.Next(wall.Add(-time.Nanosecond)).Equal(wall)
}

// wallClock is what a clock on the wall shows, as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// asUTC is the moment at which the clock on the wall shows the given time: the first
// of two where autumn repeats it, as much later as the clock jumps where spring leaves
// it out.
func asUTC(wall time.Time, loc *time.Location) time.Time {
	if wall.IsZero() {
		return wall
	}
	moment := func(near time.Time) time.Time {
		_, offset := near.In(loc).Zone()
		return wall.Add(-time.Duration(offset) * time.Second).In(loc)
	}
	before, after := moment(wall.AddDate(0, 0, -1)), moment(wall.AddDate(0, 0, 1))
	if !wallClock(before).Equal(wall) && wallClock(after).Equal(wall) {
		return after
	}
	return before
}

// IsZero reports whether the schedule was never set.
func (s Schedule) IsZero() bool { return s.schedule == nil }

func (s Schedule) String() string { return s.text }

// Window is when something is allowed: in every minute that its expression matches.
// The zero Window is always open.
type Window struct{ s Schedule }

// ParseWindow reads a window such as "* 6-21 * * MON-FRI". It goes by the clock on the
// wall: an hour that autumn repeats is open twice, one that spring leaves out never.
func ParseWindow(text string, loc *time.Location) (Window, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "@") {
		return Window{}, fmt.Errorf("%q names moments, not minutes; write for example \"* 6-21 * * MON-FRI\"", text)
	}
	s, err := Parse(text, loc)
	s.wall = false
	return Window{s}, err
}

// Next is t itself if the window is open then, else the moment it opens next; zero if
// it never does again.
func (w Window) Next(t time.Time) time.Time {
	if w.s.IsZero() || w.s.matches(t.Truncate(time.Minute)) {
		return t
	}
	return w.s.Next(t)
}

func (w Window) String() string { return w.s.String() }
