// Package schedule reads what people write about times and says when it is due.
//
// A Schedule is a sequence of moments, a Window the minutes in which something is
// allowed, a Pickup either. All are unions: parts stand in a list, or in one text with
// semicolons between them. Upper and lower case and blanks do not matter.
//
//	moments   every 15 minutes          :00, :15, :30, :45 by the clock on the wall
//	          every 2 hours             0:00, 2:00, ...
//	          daily at 02:00            also: Mon 6:00; Mon-Fri at 6:00, 12:00, 18:00
//	          every 15 minutes Mon-Fri 6-22
//	windows   Mon-Fri 6-22              06:00 up to, not including, 22:00
//	          Mon-Fri 6:30-12, 13-21:45; Sat 6-12
//	          22-6                      over midnight; it belongs to the day it begins
//	          Sat-Sun                   the whole days
//	          always
//	both      */15 6-21 * * MON-FRI     five cron fields: moments, or minutes of a window
//	moments   @hourly, @daily, ...      and @every 7m, counted on from 1970 UTC
//
// String gives the same back in one spelling. Holidays are not known.
//
// It is the guard in front of robfig/cron: expressions that its parser takes and that
// never fire, fire in another zone than they seem to, or make it panic are refused
// with a reason. It also decides what happens when the clocks change. A time that is
// named (02:30, every 2 hours, a cron line with fixed hours) comes once: at the moment
// of the change where the clock leaves it out, the first time where it comes twice.
// What comes every hour or oftener goes on by real time, whenever the clock shows a
// matching minute. Windows go by the clock on the wall: an hour that comes twice is
// open twice.
package schedule

import (
	"slices"
	"strings"
	"time"
)

// Schedule is a sequence of moments. The zero value never fires.
type Schedule struct {
	texts []string
	parts []moments
	loc   *time.Location
}

// moments is one part of a schedule.
type moments interface {
	// next is the first moment after the given one; zero if there is none.
	next(after time.Time, loc *time.Location) time.Time
}

// Parse reads moments.
func Parse(text string, loc *time.Location) (Schedule, error) {
	s := Schedule{loc: loc}
	for _, one := range split(text) {
		p, canonical, err := parseMoments(one)
		if err != nil {
			return Schedule{}, err
		}
		s.add(canonical, p...)
	}
	return s, nil
}

// split cuts a text into its parts; of an empty one there is one.
func split(text string) (parts []string) {
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if one = strings.TrimSpace(one); one != "" {
			parts = append(parts, one)
		}
	}
	if parts == nil {
		parts = []string{strings.TrimSpace(text)}
	}
	return parts
}

func parseMoments(text string) (parts []moments, canonical string, err error) {
	if isCron(text) {
		p, canonical, err := parseCron(text)
		if err != nil {
			return nil, "", err
		}
		return []moments{p}, canonical, nil
	}
	p, err := parsePhrase(text)
	if err == nil {
		err = p.mustBeMoments()
	}
	if err != nil {
		return nil, "", wrong(text, "schedule", err, `"every 15 minutes", "daily at 02:00", "Mon-Fri at 6:00, 18:00" or the cron line "0 6 * * MON-FRI"`)
	}
	for _, line := range p.moments() {
		parts = append(parts, line)
	}
	return parts, p.String(), nil
}

// add joins parts under one more text, unless it is there already.
func (s *Schedule) add(text string, parts ...moments) {
	if !slices.Contains(s.texts, text) {
		s.texts, s.parts = append(s.texts, text), append(s.parts, parts...)
	}
}

// Next is the first moment after the given one; zero if there is none.
func (s Schedule) Next(after time.Time) (first time.Time) {
	for _, p := range s.parts {
		first = earlier(first, p.next(after, s.loc))
	}
	return first
}

// earlier is the earlier of two moments, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// IsZero reports whether the schedule was never set.
func (s Schedule) IsZero() bool { return s.parts == nil }

// String is the schedule in one spelling; Parse reads it.
func (s Schedule) String() string { return strings.Join(s.texts, "; ") }
