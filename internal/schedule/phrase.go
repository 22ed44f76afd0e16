package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// minutesPerDay is what the day is divided into.
const minutesPerDay = 24 * 60

// allDays is the set of every weekday; Sunday is bit 0, as in package time.
const allDays = 1<<7 - 1

// span is a stretch of the day in minutes; to is not part of it. One that ends where
// it began, or before, goes on into the next day.
type span struct{ from, to int }

func (s span) wholeDay() bool { return s == span{0, minutesPerDay} }

// phrase is a part that is written in words.
type phrase struct {
	always bool
	every  int   // minutes; 0 = not said
	days   uint8 // 0 = not said
	times  []int // minutes of the day
	spans  []span
}

func (p *phrase) weekdays() uint8 {
	if p.days == 0 {
		return allDays
	}
	return p.days
}

// mustBeMoments says what is missing for a schedule.
func (p *phrase) mustBeMoments() error {
	switch {
	case p.always:
		return errors.New("always is a window and no moment")
	case p.every > 0 && p.times != nil:
		return errors.New("it has an interval and times; put them into two parts")
	case p.every > 0 && minutesPerDay%p.every != 0:
		return fmt.Errorf("a day has no whole number of %d minutes, so it has no times of its own; \"@every %s\" counts on through the days", p.every, shortDuration(time.Duration(p.every)*time.Minute))
	case p.every > 0:
		return nil
	case p.spans != nil:
		return errors.New("it names a stretch of time and no moments; say how often in it, as in \"every 15 minutes Mon-Fri 6-22\"")
	case p.times == nil:
		return errors.New("it does not say at what time")
	}
	return nil
}

// mustBeWindow says what does not belong into a window.
func (p *phrase) mustBeWindow() error {
	switch {
	case p.every > 0:
		return errors.New("an interval names moments, not a stretch of time")
	case p.times != nil:
		return errors.New("it names moments; a stretch of time has two ends")
	}
	return nil
}

// moments are the cron lines of a schedule.
func (p *phrase) moments() []line {
	var day, next [minutesPerDay]bool
	for _, t := range p.times {
		day[t] = true
	}
	if p.every > 0 {
		day, next = p.minutes()
		for m := range day {
			day[m], next[m] = day[m] && m%p.every == 0, next[m] && m%p.every == 0
		}
	}
	real := p.every > 0 && 60%p.every == 0
	return append(lines(p.weekdays(), &day, real), lines(tomorrow(p.weekdays()), &next, real)...)
}

// window are the cron lines that match its minutes.
func (p *phrase) window() []line {
	day, next := p.minutes()
	return append(lines(p.weekdays(), &day, true), lines(tomorrow(p.weekdays()), &next, true)...)
}

// minutes are those of its spans: of the day that they begin, and of the next one.
func (p *phrase) minutes() (day, next [minutesPerDay]bool) {
	spans := p.spans
	if spans == nil {
		spans = []span{{0, minutesPerDay}}
	}
	for _, s := range spans {
		end := s.to
		if end < s.from {
			end += minutesPerDay
		}
		for m := s.from; m < end; m++ {
			if m < minutesPerDay {
				day[m] = true
			} else {
				next[m-minutesPerDay] = true
			}
		}
	}
	return day, next
}

// tomorrow is the set of the days after.
func tomorrow(days uint8) uint8 { return (days<<1 | days>>6) & allDays }

// lines are cron lines for some minutes of some weekdays: one for all hours that have
// the same minutes.
func lines(days uint8, minutes *[minutesPerDay]bool, real bool) (ls []line) {
	hours := map[uint64]uint64{}
	var order []uint64
	for h := range 24 {
		var mask uint64
		for m := range 60 {
			if minutes[60*h+m] {
				mask |= 1 << m
			}
		}
		if mask == 0 {
			continue
		}
		if hours[mask] == 0 {
			order = append(order, mask)
		}
		hours[mask] |= 1 << h
	}
	for _, mask := range order {
		ls = append(ls, line{&cron.SpecSchedule{
			Second: 1, Minute: mask, Hour: hours[mask], Dom: star | 1<<32 - 2, Month: star | 1<<13 - 2, Dow: star | uint64(days), Location: time.UTC,
		}, real})
	}
	return ls
}

// String is the phrase in one spelling.
func (p *phrase) String() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch {
	case p.every == 0 && p.weekdays() == allDays && p.times == nil && p.spans == nil:
		return "always"
	case p.every == 1:
		say("every minute")
	case p.every == 60:
		say("every hour")
	case p.every > 0 && p.every%60 == 0:
		say("every %d hours", p.every/60)
	case p.every > 0:
		say("every %d minutes", p.every)
	}
	switch {
	case p.weekdays() != allDays:
		say("%s", daysText(p.days))
	case p.every == 0:
		say("daily")
	}
	var clocks []string
	for _, t := range p.times {
		clocks = append(clocks, clockText(t))
	}
	for _, s := range p.spans {
		clocks = append(clocks, clockText(s.from)+"-"+clockText(s.to))
	}
	if p.times != nil {
		say("at")
	}
	if clocks != nil {
		say("%s", strings.Join(clocks, ", "))
	}
	return strings.Join(words, " ")
}

func clockText(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// daysText names weekdays, those that follow each other as Mon-Fri, from Monday on.
func daysText(days uint8) string {
	var runs []string
	for i := 1; i <= 7; i++ {
		begins := days>>(i%7)&1 != 0 && days>>((i+6)%7)&1 == 0
		if !begins {
			continue
		}
		n := 1
		for days>>((i+n)%7)&1 != 0 {
			n++
		}
		text := dayNames[i%7]
		if n > 1 {
			text += "-" + dayNames[(i+n-1)%7]
		}
		runs = append(runs, text)
	}
	return strings.Join(runs, ", ")
}

// finish brings a phrase that was read into order.
func (p *phrase) finish() error {
	slices.Sort(p.times)
	p.times = slices.Compact(p.times)
	slices.SortFunc(p.spans, func(a, b span) int { return (a.from-b.from)*2*minutesPerDay + a.to - b.to })
	p.spans = slices.Compact(p.spans)
	if len(p.times) > 0 && len(p.spans) > 0 {
		return errors.New("it has times and stretches of time; put them into two parts")
	}
	if len(p.spans) == 1 && p.spans[0].wholeDay() {
		p.spans = nil
	}
	return nil
}
