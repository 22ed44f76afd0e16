package schedule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// changes are days on which the clocks of a zone change.
var changes = []struct {
	zone string
	day  time.Time
}{
	{"Europe/Vienna", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)},
	{"Europe/Vienna", time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)},
	{"America/New_York", time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)},
	{"America/New_York", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
	{"Australia/Lord_Howe", time.Date(2026, 10, 4, 0, 0, 0, 0, time.UTC)}, // half an hour
	{"Australia/Lord_Howe", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC)},
	{"Pacific/Apia", time.Date(2011, 12, 30, 0, 0, 0, 0, time.UTC)},     // a day is left out
	{"America/Santiago", time.Date(2026, 9, 6, 0, 0, 0, 0, time.UTC)},   // at midnight
	{"America/Santiago", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC)},   // at midnight
	{"America/Caracas", time.Date(2016, 5, 1, 0, 0, 0, 0, time.UTC)},    // another offset for good
	{"Asia/Pyongyang", time.Date(2018, 5, 5, 0, 0, 0, 0, time.UTC)},     // half an hour, for good
	{"Africa/Casablanca", time.Date(2026, 2, 15, 0, 0, 0, 0, time.UTC)}, // summer time but for Ramadan
	{"Europe/Vienna", time.Date(2040, 12, 31, 0, 0, 0, 0, time.UTC)},    // steady
	{"Asia/Kathmandu", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},     // the same
}

// The oracle walks from minute to minute and knows no calendar: it only looks at the
// clock on the wall. named are the minutes that a schedule names.
type oracle struct {
	loc  *time.Location
	real bool
}

// between finds the moments in (from, to].
func (o oracle) between(from, to time.Time, named func(wall time.Time) bool) (fires []time.Time) {
	seen := wallClock(from.Add(-48 * time.Hour).In(o.loc)) // the latest that the clock has shown
	for t := from.Add(-48 * time.Hour); !t.After(to); t = t.Add(time.Minute) {
		wall := wallClock(t.In(o.loc))
		fire := o.real && named(wall)
		for seen.Before(wall) {
			seen = seen.Add(time.Minute)
			fire = fire || !o.real && named(seen)
		}
		if fire && t.After(from) {
			fires = append(fires, t)
		}
	}
	return fires
}

// walk collects what Next says.
func walk(from, to time.Time, next func(time.Time) time.Time) (fires []time.Time) {
	for t := next(from); !t.IsZero() && !t.After(to); t = next(t) {
		fires = append(fires, t)
	}
	return fires
}

func same(a, b []time.Time) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("%v is missing", b[i])
		case i >= len(b):
			return fmt.Sprintf("%v is too much", a[i])
		case !a[i].Equal(b[i]):
			return fmt.Sprintf("%v, want %v", a[i], b[i])
		}
	}
	return ""
}

// draw makes an expression, and says which times on the wall it names.
func draw(t *rapid.T) (text string, real bool, named func(time.Time) bool) {
	days := uint8(rapid.IntRange(1, allDays).Draw(t, "days"))
	onDay := func(w time.Time) bool { return days>>w.Weekday()&1 != 0 }
	minute := func(w time.Time) int { return 60*w.Hour() + w.Minute() }
	dayList := strings.ReplaceAll(daysText(days), "Sun-Sat", "daily")
	if days == allDays {
		dayList = "daily"
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		n := rapid.SampledFrom([]int{1, 5, 15, 20, 30, 60, 45, 90, 120, 180, 480, 1440}).Draw(t, "every")
		return fmt.Sprintf("every %d minutes %s", n, dayList), 60%n == 0, func(w time.Time) bool { return onDay(w) && minute(w)%n == 0 }
	case 1:
		a, b := rapid.IntRange(0, 1439).Draw(t, "a"), rapid.IntRange(0, 240).Draw(t, "b")
		return fmt.Sprintf("%s at %s, %s", dayList, clockText(a), clockText(b)), false, func(w time.Time) bool { return onDay(w) && (minute(w) == a || minute(w) == b) }
	case 2:
		from, to := rapid.IntRange(0, 1439).Draw(t, "from"), rapid.IntRange(0, 1440).Draw(t, "to")
		if from == to {
			to = from + 1
		}
		return fmt.Sprintf("every 15 minutes %s %s-%s", dayList, clockText(from), clockText(to)), true, func(w time.Time) bool {
			yesterday := days>>((w.Weekday()+6)%7)&1 != 0
			in := onDay(w) && minute(w) >= from && (minute(w) < to || to < from) || to < from && yesterday && minute(w) < to
			return in && minute(w)%15 == 0
		}
	}
	hours := rapid.SampledFrom([]string{"*", "2", "0-3", "*/2", "1,2,3"}).Draw(t, "hours")
	minutes := rapid.SampledFrom([]string{"*", "0", "30", "*/20", "10,45"}).Draw(t, "minutes")
	dom := rapid.SampledFrom([]string{"*", "1-7", "25-31"}).Draw(t, "dom")
	in := func(set string, v int) bool {
		switch set {
		case "*":
			return true
		case "*/2":
			return v%2 == 0
		case "*/20":
			return v%20 == 0
		}
		for one := range strings.SplitSeq(set, ",") {
			var a, b int
			if n, _ := fmt.Sscanf(one, "%d-%d", &a, &b); n == 2 && v >= a && v <= b || fmt.Sprint(v) == one {
				return true
			}
		}
		return false
	}
	return minutes + " " + hours + " " + dom + " * *", hours == "*", func(w time.Time) bool {
		return in(minutes, w.Minute()) && in(hours, w.Hour()) && in(dom, w.Day())
	}
}

// Between two moments the firing times are those that a walk from minute to minute
// finds, on days when the clocks change too.
func TestNextAgainstTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		text, real, named := draw(t)
		s, err := Parse(text, loc)
		if err != nil {
			t.Fatal(err)
		}
		from := c.day.Add(time.Duration(rapid.IntRange(-36*60, 36*60).Draw(t, "from")) * time.Minute)
		to := from.Add(36 * time.Hour)
		if diff := same(walk(from, to, s.Next), oracle{loc, real}.between(from, to, named)); diff != "" {
			t.Fatalf("%s (%s) in %s from %v: %s", text, s, c.zone, from.In(loc), diff)
		}
	})
}

// A window is open in exactly the minutes whose time on the wall it names, and Next and
// Closes say so.
func TestWindowAgainstTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		a, b := rapid.IntRange(0, 1439).Draw(t, "from"), rapid.IntRange(0, 1440).Draw(t, "to")
		if a == b {
			b = a + 1
		}
		days := uint8(rapid.IntRange(1, allDays-1).Draw(t, "days"))
		text := daysText(days) + " " + clockText(a) + "-" + clockText(b)
		w, err := ParseWindow(text, loc)
		if err != nil {
			t.Fatal(err)
		}
		open := func(at time.Time) bool {
			wall := wallClock(at.In(loc))
			m := 60*wall.Hour() + wall.Minute()
			today, yesterday := days>>wall.Weekday()&1 != 0, days>>((wall.Weekday()+6)%7)&1 != 0
			return today && m >= a && (m < b || b < a) || b < a && yesterday && m < b
		}
		from := c.day.Add(time.Duration(rapid.IntRange(-36*60, 36*60).Draw(t, "at")) * time.Minute)
		if w.Open(from) != open(from) || w.Open(from.Add(59*time.Second)) != open(from) {
			t.Fatalf("%s in %s at %v: open %v", text, c.zone, from.In(loc), w.Open(from))
		}
		opens := from
		for !open(opens) {
			opens = opens.Add(time.Minute)
		}
		closes := opens
		for open(closes) {
			closes = closes.Add(time.Minute)
		}
		if got := w.Next(from); !got.Equal(opens) {
			t.Fatalf("%s in %s at %v opens %v, want %v", text, c.zone, from.In(loc), got, opens.In(loc))
		}
		if got := w.Closes(opens); !got.Equal(closes) {
			t.Fatalf("%s in %s at %v closes %v, want %v", text, c.zone, opens.In(loc), got, closes.In(loc))
		}
		minutes := rapid.IntRange(1, 2*((b-a+1440-1)%1440+1)).Draw(t, "minutes")
		later := from
		for left := minutes; left > 0; later = later.Add(time.Minute) {
			if open(later) {
				left--
			}
		}
		if got := w.Later(from, time.Duration(minutes)*time.Minute); !got.Equal(later) {
			t.Fatalf("%s in %s: %d open minutes after %v: %v, want %v", text, c.zone, minutes, from.In(loc), got, later.In(loc))
		}
	})
}

// Whatever is taken has one spelling that means the same, fires after the moment asked
// for, and is open when it says so.
func FuzzParse(f *testing.F) {
	f.Add("*/5 * * * *")
	loc := zone(f, "Europe/Vienna")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParsePickup(text, loc)
		if (err == nil) == k.IsZero() {
			t.Fatalf("%q: %v and %v", text, k, err)
		}
		s, err := Parse(text, loc)
		if (err == nil) == s.IsZero() {
			t.Fatalf("%q: %v and %v", text, s, err)
		}
		if err == nil {
			again, err := Parse(s.String(), loc)
			if err != nil || again.String() != s.String() {
				t.Fatalf("%q: %q, then %q, %v", text, s, again, err)
			}
			at := time.Date(2026, 10, 25, 0, 59, 0, 0, time.UTC)
			for range 5 {
				next := s.Next(at)
				if !next.Equal(again.Next(at)) || !next.IsZero() && !next.After(at) {
					t.Fatalf("%q: %v and %v after %v", text, next, again.Next(at), at)
				}
				if next.IsZero() {
					break
				}
				at = next
			}
		}
		w, err := ParseWindow(text, loc)
		if (err == nil) == w.IsZero() {
			t.Fatalf("%q: %v and %v", text, w, err)
		}
		if err == nil {
			again, err := ParseWindow(w.String(), loc)
			if err != nil || again.String() != w.String() {
				t.Fatalf("%q: %q, then %q, %v", text, w, again, err)
			}
			at := time.Date(2026, 10, 24, 22, 59, 30, 0, time.UTC)
			for range 5 {
				opens := w.Next(at)
				if opens.IsZero() || opens.Before(at) || !w.Open(opens) || !opens.Equal(again.Next(at)) {
					t.Fatalf("%q: after %v it opens at %v", text, at, opens)
				}
				if at = w.Closes(opens); at.IsZero() {
					break
				}
				if !at.After(opens) || w.Open(at) || !w.Open(at.Add(-time.Second)) {
					t.Fatalf("%q: opened at %v it closes at %v", text, opens, at)
				}
			}
		}
	})
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", "FuzzParse")); err != nil || len(seeds) < 20 {
		t.Errorf("%d seeds, %v", len(seeds), err)
	}
}
