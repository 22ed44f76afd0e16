package config

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/schedule"
)

// setDurations reads a list of waits.
func setDurations[T any](least time.Duration, field func(*T) *[]time.Duration) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		*field(v) = nil
		list(d, n, path, func(item *yaml.Node, at string) {
			var wait time.Duration
			setDuration(least, func(w *time.Duration) *time.Duration { return w })(d, &wait, item, at)
			*field(v) = append(*field(v), wait)
		})
	}
}

// zone reads the name of a time zone; empty means the one that holds otherwise.
func (f *finisher) zone(path, name string, otherwise *time.Location) *time.Location {
	if name == "" {
		return otherwise
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		f.report(path, "write for example Europe/Vienna or UTC", "%q is no time zone that is known", name)
		return time.UTC
	}
	return loc
}

// scheduled reads a list of texts, each mistake on the line of its item, as one.
func scheduled[S any](f *finisher, path string, texts []string, loc *time.Location, parse func(string, *time.Location) (S, error)) (all S) {
	ok := true
	for i, text := range texts {
		if _, err := parse(text, loc); err != nil {
			f.report(item(path, i), "", "%v", err)
			ok = false
		}
	}
	if ok && len(texts) > 0 {
		all, _ = parse(strings.Join(texts, "; "), loc) // each of them was read
	}
	return all
}

func (f *finisher) schedules(p *Partner, path string) {
	at := path + ".outbox"
	p.Outbox.Rescan = scheduled(f, at+".rescan", p.Outbox.rescan, p.Location, schedule.Parse)
	p.Outbox.Window = scheduled(f, at+".window", p.Outbox.window, p.Location, schedule.ParseWindow)
	p.Outbox.Pickup = scheduled(f, at+".pickup", p.Outbox.pickup, p.Location, schedule.ParsePickup)
	if w := p.Outbox.Window; !w.IsZero() {
		opens := w.Next(f.now.Truncate(time.Minute))
		if closes := w.Closes(opens); !closes.IsZero() && closes.Sub(opens) <= time.Minute {
			f.warn(at+".window", "a window as a cron line has * for its minutes; or write for example Mon-Fri 6-22", "it is open for single minutes only, such as %s", opens.In(p.Location).Format("15:04"))
		}
	}
	f.retry(p, path+".retry")
}

// retry sees to it that one way to find the next attempt is given.
func (f *finisher) retry(p *Partner, path string) {
	r := &p.Retry
	r.Schedule = scheduled(f, path+".schedule", r.schedule, p.Location, schedule.Parse)
	chosen := ""
	switch {
	case len(r.schedule) > 0:
		chosen = "schedule"
	case len(r.Delays) > 0:
		chosen = "delays"
	case r.Max < r.First:
		f.report(path+".max", "", "%v is shorter than first: %v", r.Max, r.First)
	}
	if chosen == "" {
		return
	}
	for _, other := range []string{"delays", "first", "max", "factor", "jitter"} {
		if at := path + "." + other; other != chosen && f.lines[at] > 0 {
			f.report(at, "keep one of the two", "does not go with %s, on line %d", chosen, f.line(path+"."+chosen))
		}
	}
}

// aboutSchedules explains the language of schedules, for the reference.
const aboutSchedules = `
## Schedules and windows

What takes a schedule or a window takes these, one or a list of them, in upper or lower case. Several in a list are a union. Times are
those of ` + "`time_zone`" + `, by the 24-hour clock. Holidays are not known. ` + "`as2drop schedule`" + ` prints what follows from them.

| written | schedule: moments | window: stretches of time |
|---|---|---|
| ` + "`every 15 minutes`" + ` | aligned to the clock: :00, :15, :30, :45 | |
| ` + "`every hour`, `every 2 hours`" + ` | 0:00, 1:00, ...; 0:00, 2:00, ... | |
| ` + "`daily at 02:00`, `Mon 6:00`, `Mon-Fri at 6:00, 12:00, 18:00`" + ` | these times | |
| ` + "`every 15 minutes Mon-Fri 6-22`" + ` | 6:00, 6:15, ... 21:45 | |
| ` + "`Mon-Fri 6-22`" + ` | | from 06:00 up to, not including, 22:00 |
| ` + "`Mon-Fri 6:30-12, 13-21:45`" + ` | | two stretches a day |
| ` + "`22-6`, `Fri 22-6`" + ` | | over midnight; it belongs to the day on which it begins |
| ` + "`Sat-Sun`, `weekdays`" + ` | | whole days |
| ` + "`0-24`, `always`" + ` | | at any time |
| ` + "`0 6 * * MON-FRI`, `* 6-21 * * MON-FRI`" + ` | five cron fields: minute, hour, day of month, month, weekday (Sunday is 0) | the minutes that match: write * for the minute |
| ` + "`@hourly`, `@daily`, `@weekly`, `@monthly`" + ` | as in cron | |
| ` + "`@every 7m`" + ` | counted on from 1970 in UTC, whatever the hour | |

When the clocks change: a time that is named (02:30, every 2 hours, a cron line with fixed hours) comes once that day, at the moment of the
change if the clock leaves it out, the first time if it comes twice. What comes every hour or oftener goes on by real time. Windows go by the
clock on the wall: an hour that comes twice is open twice.
`
