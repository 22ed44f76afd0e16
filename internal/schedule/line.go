package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// line is one line of cron. The library only ever sees what the clock on the wall
// shows, as UTC: it never meets a change of the clocks.
type line struct {
	*cron.SpecSchedule
	real bool // goes on by real time; else each time on the wall comes once
}

// star is the bit by which the library notes that a field is a star.
const star = 1 << 63

// horizon is for how many years the library looks ahead.
const horizon = 5

// next implements moments.
func (l line) next(after time.Time, loc *time.Location) time.Time {
	if l.real {
		return l.nextShowing(after, loc)
	}
	wall, passed := shown(after.In(loc))
	if !passed {
		wall = wall.Add(-time.Nanosecond) // Next is about what comes after
	}
	next := l.Next(wall)
	if next.IsZero() {
		return next
	}
	return reached(next, loc)
}

// nextShowing is the first moment after the given one at which the clock shows a
// matching time. It asks for one stretch between two changes of the clock at a time.
func (l line) nextShowing(after time.Time, loc *time.Location) time.Time {
	last := after.Year() + horizon
	for {
		local := after.In(loc)
		_, offset := local.Zone()
		next := l.Next(wallClock(local))
		if !next.IsZero() {
			next = next.Add(-time.Duration(offset) * time.Second).In(loc)
		}
		end := steady(local)
		if end.IsZero() || !next.IsZero() && next.Before(end) {
			return next
		}
		if end.Year() > last {
			return time.Time{}
		}
		// The change itself may match, and Next is about what comes after a moment.
		if after = end; l.matches(wallClock(end.In(loc))) && end.Nanosecond() == 0 && end.Second() == 0 {
			return end.In(loc)
		}
	}
}

// matches reports whether a time on the wall lies in a minute that is named.
func (l line) matches(wall time.Time) bool {
	if l.Minute>>wall.Minute()&1 == 0 || l.Hour>>wall.Hour()&1 == 0 || l.Month>>wall.Month()&1 == 0 {
		return false
	}
	dom, dow := l.Dom>>wall.Day()&1 != 0, l.Dow>>wall.Weekday()&1 != 0
	if l.Dom&star != 0 || l.Dow&star != 0 {
		return dom && dow
	}
	return dom || dow // as cron has it where both are given
}

const (
	allMinutes = 1<<60 - 1
	allHours   = 1<<24 - 1
)

// wholeHour and wholeDay report whether what matches goes on to the end of one.
func (l line) wholeHour() bool { return l.Minute&allMinutes == allMinutes }
func (l line) wholeDay() bool  { return l.wholeHour() && l.Hour&allHours == allHours }

// interval is every so often, counted from the beginning of 1970 UTC, so that it does
// not depend on when somebody began to wait.
type interval time.Duration

func (d interval) next(after time.Time, loc *time.Location) time.Time {
	epoch := time.Unix(0, 0)
	n := after.Sub(epoch) / time.Duration(d)
	if after.Before(epoch) {
		n--
	}
	next := epoch.Add((n + 1) * time.Duration(d))
	if !next.After(after) {
		next = next.Add(time.Duration(d))
	}
	return next.In(loc)
}
