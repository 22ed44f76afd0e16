package schedule

import (
	"strings"
	"time"
)

// Pickup is when files are picked up: at moments, each of which lasts a minute, or in a
// window. The zero Pickup is at any time.
type Pickup struct {
	Moments Schedule
	Window  Window
}

// lasts is for how long a moment is now.
const lasts = time.Minute

// ParsePickup reads moments and windows. A cron line that names every minute is a
// window, any other names moments.
func ParsePickup(text string, loc *time.Location) (Pickup, error) {
	k := Pickup{Moments: Schedule{loc: loc}, Window: Window{loc: loc}}
	for _, one := range split(text) {
		if ls, canonical, err := parseWindow(one); err == nil && (!isCron(one) || ls[0].wholeHour()) {
			k.Window.add(canonical, ls...)
			continue
		}
		ms, canonical, err := parseMoments(one)
		if err != nil {
			return Pickup{}, pickupError(one, err)
		}
		k.Moments.add(canonical, ms...)
	}
	return k, nil
}

// pickupError says of words that are neither moments nor a window what is wrong.
func pickupError(text string, err error) error {
	if isCron(text) {
		return err
	}
	p, perr := parsePhrase(text)
	if perr == nil {
		perr = p.mustBeMoments()
	}
	return wrong(text, "pick-up", perr, `"every 15 minutes", "Mon-Fri at 6:00, 18:00", "Mon-Fri 6-22" or the cron line "*/15 6-21 * * MON-FRI"`)
}

// IsZero reports whether it was never set.
func (k Pickup) IsZero() bool { return k.Moments.IsZero() && k.Window.IsZero() }

// String is the pick-up in one spelling; ParsePickup reads it.
func (k Pickup) String() string {
	var texts []string
	for _, s := range []string{k.Moments.String(), k.Window.String()} {
		if s != "" {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, "; ")
}

// Next is t itself if files are picked up then, else the next moment at which they are.
func (k Pickup) Next(t time.Time) (first time.Time) {
	if k.IsZero() {
		return t
	}
	if !k.Window.IsZero() {
		first = k.Window.Next(t)
	}
	if m := k.Moments.Next(t.Add(-lasts)); !m.IsZero() && !m.After(t) {
		return t
	} else {
		return earlier(first, m)
	}
}

// Moment is the next of its moments after t; zero if it has none. Those are made up for
// when they are missed, a window is not.
func (k Pickup) Moment(t time.Time) time.Time { return k.Moments.Next(t) }
