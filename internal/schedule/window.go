package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is when something is allowed: in every minute that one of its parts names.
// The zero Window is always open.
type Window struct {
	texts []string
	lines []line
	loc   *time.Location
}

const windowExamples = `"Mon-Fri 6-22", "22:30-5:30", "always" or the cron line "* 6-21 * * MON-FRI"`

// ParseWindow reads a window.
func ParseWindow(text string, loc *time.Location) (Window, error) {
	w := Window{loc: loc}
	for _, one := range split(text) {
		ls, canonical, err := parseWindow(one)
		if err != nil {
			return Window{}, err
		}
		w.add(canonical, ls...)
	}
	return w, nil
}

func parseWindow(text string) ([]line, string, error) {
	if strings.HasPrefix(text, "@") {
		return nil, "", fmt.Errorf("%q names moments, not minutes; write for example %s", text, windowExamples)
	}
	if isCron(text) {
		m, canonical, err := parseCron(text)
		l, ok := m.(line)
		if err != nil || !ok {
			return nil, "", err
		}
		l.real = true
		return []line{l}, canonical, nil
	}
	p, err := parsePhrase(text)
	if err == nil {
		err = p.mustBeWindow()
	}
	if err != nil {
		return nil, "", wrong(text, "window", err, windowExamples)
	}
	return p.window(), p.String(), nil
}

func (w *Window) add(text string, ls ...line) {
	if !slices.Contains(w.texts, text) {
		w.texts, w.lines = append(w.texts, text), append(w.lines, ls...)
	}
}

// IsZero reports whether the window was never set.
func (w Window) IsZero() bool { return w.lines == nil }

// String is the window in one spelling; ParseWindow reads it.
func (w Window) String() string { return strings.Join(w.texts, "; ") }

// Open reports whether the window is open at a moment.
func (w Window) Open(t time.Time) bool {
	if w.IsZero() {
		return true
	}
	wall := wallClock(t.In(w.loc))
	return slices.ContainsFunc(w.lines, func(l line) bool { return l.matches(wall) })
}

// Next is t itself if the window is open then, else the moment it opens next; zero if
// it never does again.
func (w Window) Next(t time.Time) (first time.Time) {
	if w.Open(t) {
		return t
	}
	for _, l := range w.lines {
		first = earlier(first, l.next(t, w.loc))
	}
	return first
}

// Closes is the first moment after t at which the window is not open; zero if it does
// not close for years.
func (w Window) Closes(t time.Time) time.Time {
	if w.IsZero() {
		return time.Time{}
	}
	local := t.In(w.loc)
	last := local.Year() + horizon
	for local.Year() <= last {
		wall := wallClock(local)
		step := time.Duration(0)
		for _, l := range w.lines {
			if !l.matches(wall) {
				continue
			}
			switch {
			case l.wholeDay():
				step = max(step, wall.Truncate(24*time.Hour).Add(24*time.Hour).Sub(wall))
			case l.wholeHour():
				step = max(step, wall.Truncate(time.Hour).Add(time.Hour).Sub(wall))
			default:
				step = max(step, wall.Truncate(time.Minute).Add(time.Minute).Sub(wall))
			}
		}
		if step == 0 && local.After(t) {
			return local
		}
		if step == 0 { // it is closed now
			step = wall.Truncate(time.Minute).Add(time.Minute).Sub(wall)
		}
		next := local.Add(step)
		if end := steady(local); !end.IsZero() && next.After(end) {
			next = end // the clock changes before
		}
		local = next.In(w.loc)
	}
	return time.Time{}
}

// patience is how far Later looks ahead.
const patience = 10 * 366 * 24 * time.Hour

// Later is the moment at which the window has been open for as long as d since t. It
// stops counting after ten years.
func (w Window) Later(t time.Time, d time.Duration) time.Time {
	end := t.Add(patience)
	for {
		opens := w.Next(t)
		if opens.IsZero() || opens.After(end) {
			return t.Add(d)
		}
		closes := w.Closes(opens)
		if open := closes.Sub(opens); closes.IsZero() || open >= d {
			return opens.Add(d)
		} else {
			d -= open
		}
		t = closes
	}
}
