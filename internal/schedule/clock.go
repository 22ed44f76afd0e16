package schedule

import "time"

// wallClock is what a clock on the wall shows, as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// shown is the latest time that the clock on the wall has shown up to a moment. It is
// not the present one while the clock repeats a time. passed says that it has been left
// already: the hand stood before it when the clock was put back.
func shown(local time.Time) (wall time.Time, passed bool) {
	wall = wallClock(local)
	start, _ := local.ZoneBounds()
	if start.IsZero() {
		return wall, true
	}
	_, before := start.Add(-time.Nanosecond).Zone()
	if end := wallClock(start.UTC().Add(time.Duration(before) * time.Second)); end.After(wall) {
		return end, false
	}
	return wall, true
}

// reached is the first moment at which the clock on the wall shows a time or a later
// one: the first of two where it comes twice, the change where it is left out.
func reached(wall time.Time, loc *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), loc)
	start, end := t.ZoneBounds()
	switch shows := wallClock(t); {
	case shows.Before(wall): // t lies before the change
		return end.In(loc)
	case shows.After(wall): // and here behind it
		return start.In(loc)
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Nanosecond).In(loc).Zone()
	if first := wall.Add(-time.Duration(before) * time.Second); first.Before(start) {
		return first.In(loc)
	}
	return t
}

// steady is a moment up to which the clock is not put forward or back after t. Zero
// means never.
func steady(t time.Time) time.Time {
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// Go 1.26 says so on the last days of leap years after 2037.
		return t.Add(24 * time.Hour)
	}
	return end
}
