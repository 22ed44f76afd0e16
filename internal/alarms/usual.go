package alarms

import (
	"fmt"
	"time"

	"github.com/as2drop/as2drop/internal/schedule"
)

// How many stretches of the past are compared with, each as long as the silence or a week.
const (
	most  = 8
	least = 4 // fewer prove nothing
)

const week = 7 * 24 * time.Hour

// What Traffic is about.
const (
	Sent     = "sent"
	Received = "received"
)

// Traffic is what is known of one direction of a partner.
type Traffic struct {
	What  string // Sent or Received
	By    schedule.Schedule
	Grace time.Duration
	Zone  *time.Location
	Begun time.Time // when the partner was set up, or when somebody began to look: the later
	Last  time.Time // when something was sent or received last; zero = never
	// First is when something was sent or received first in a stretch of the past, both ends
	// included; zero = nothing was.
	First func(from, to time.Time) (time.Time, error)
}

// Silence says why nothing for so long is not normal; empty = it is. since is when there was
// something last.
func (t *Traffic) Silence(now time.Time) (why string, since time.Time, err error) {
	if !t.By.IsZero() {
		why, since = t.missed(now)
		return why, since, nil
	}
	return t.unusual(now)
}

// missed looks whether a moment has passed by which something was to come.
func (t *Traffic) missed(now time.Time) (why string, since time.Time) {
	// What came last is for the first moment that it was not too late for.
	last := t.Last
	if last.IsZero() {
		last = t.Begun
	}
	had := t.By.Next(last.Add(-t.Grace))
	if t.Last.IsZero() {
		had = last
	}
	due := t.By.Next(had)
	if due.IsZero() || !now.After(due.Add(t.Grace)) {
		return "", time.Time{}
	}
	return fmt.Sprintf("nothing was %s %s; something was expected by %s (expect: %s, grace %v)", t.What, t.sinceText(), t.moment(due), t.By, t.Grace), last
}

// unusual compares the silence with the past. It begins when the last thing came and ends
// now, less the grace on both sides, because nobody is on time to the minute.
func (t *Traffic) unusual(now time.Time) (why string, since time.Time, err error) {
	from, to := t.Last.Add(t.Grace), now.Add(-t.Grace)
	if t.Last.IsZero() || !to.After(from) {
		return "", time.Time{}, nil
	}
	if now.Sub(t.Last) <= week {
		why, err = t.againstWeeks(from, to)
	} else {
		why, err = t.againstAll(from, to)
	}
	if why == "" || err != nil {
		return "", time.Time{}, err
	}
	return fmt.Sprintf("nothing was %s %s; %s", t.What, t.sinceText(), why), t.Last, nil
}

// againstWeeks compares a silence of up to a week with the same stretch of the weeks before.
// If something came in all of them, or in all but one of at least five, it is not normal.
func (t *Traffic) againstWeeks(from, to time.Time) (why string, err error) {
	seen, with := 0, 0
	var example time.Time
	for n := 1; n <= most; n++ {
		known, err := t.First(time.Time{}, t.earlier(t.Last, n))
		if err != nil {
			return "", err
		}
		if known.IsZero() { // the partner was not active yet
			break
		}
		at, err := t.First(t.earlier(from, n), t.earlier(to, n))
		if err != nil {
			return "", err
		}
		seen++
		if !at.IsZero() {
			with++
			if example.IsZero() {
				example = at
			}
		} else if seen-with > 1 {
			return "", nil
		}
	}
	if seen < least || with < seen && seen <= least {
		return "", nil
	}
	return fmt.Sprintf("in %d of the last %d weeks something had been by this time, such as on %s", with, seen, t.moment(example)), nil
}

// againstAll compares a longer silence with all that there were in a past of at least four
// and at most eight times its length: it is not normal if it is longer than each of them.
func (t *Traffic) againstAll(from, to time.Time) (why string, err error) {
	const parts = 33 // a silence of the past may be longer by this part and not be found
	silence := to.Sub(from)
	known, err := t.First(time.Time{}, t.Last.Add(-least*silence))
	if err != nil || known.IsZero() {
		return "", err
	}
	begin := t.Last.Add(-most * silence)
	if known.After(begin) {
		begin = known
	}
	step := silence / parts
	for a := begin; !a.Add(silence - step).After(t.Last); a = a.Add(step) {
		if at, err := t.First(a, a.Add(silence-step)); err != nil || at.IsZero() {
			return "", err
		}
	}
	return fmt.Sprintf("in the %d days before it was never silent for so long", int(t.Last.Sub(begin)/(24*time.Hour))), nil
}

// earlier is a moment some weeks before, by the clock on the wall.
func (t *Traffic) earlier(m time.Time, weeks int) time.Time {
	return m.In(t.Zone).AddDate(0, 0, -7*weeks)
}

func (t *Traffic) moment(m time.Time) string { return m.In(t.Zone).Format("Mon 2006-01-02 15:04 MST") }

func (t *Traffic) sinceText() string {
	if t.Last.IsZero() {
		return "since " + t.moment(t.Begun) + ", when the partner was set up"
	}
	return "since " + t.moment(t.Last)
}

// SilenceHint is what an operator can do about it.
func SilenceHint(what, partner string) string {
	who := "is the program still running that drops files for " + partner + "? as2drop ls " + partner + " shows what waits"
	if what == Received {
		who = "ask " + partner + " whether they send; does anything reach us at all (network, firewall, certificate of the listener)?"
	}
	return who + "; expect in the config says what is normal"
}
