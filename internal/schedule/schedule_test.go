package schedule

import (
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // the tests need zones that a bare machine does not have
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"", "TZ=UTC", "TZ= * * * * *", "CRON_TZ=UTC * * * * *", "@every -1s", "@every 0s", "@every 10ms", "@every", "0 0 30 2 *", "0 0 31 4,6 *",
		"* * * *", "* * * * * *", "60 * * * *", "@sometimes", "x y z a b",
	} {
		if s, err := Parse(text, time.UTC); err == nil || !s.IsZero() {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	if _, err := ParseWindow("@hourly", time.UTC); err == nil {
		t.Error("a window of moments")
	}
}

func TestNextWhenClocksChange(t *testing.T) {
	const layout = "2006-01-02 15:04 -0700"
	for _, c := range []struct{ zone, spec, after, next string }{
		{"Europe/Vienna", "30 2 * * *", "2026-03-28 12:00 +0100", "2026-03-29 03:30 +0200"}, // 02:30 does not exist
		{"Europe/Vienna", "30 2 * * *", "2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"},
		{"Europe/Vienna", "30 2 * * *", "2026-10-24 12:00 +0200", "2026-10-25 02:30 +0200"}, // 02:30 comes twice
		{"Europe/Vienna", "30 2 * * *", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"},
		{"Europe/Vienna", "30 2 * * *", "2026-10-25 02:10 +0100", "2026-10-26 02:30 +0100"}, // 02:30 was in the hour before
		{"Europe/Vienna", "30 * * * *", "2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100"}, // hourly by the real clock
		{"Europe/Vienna", "30 * * * *", "2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200"},
		{"America/New_York", "30 2 * * *", "2026-03-07 12:00 -0500", "2026-03-08 03:30 -0400"},
		{"America/New_York", "30 1 * * *", "2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"},
		{"Australia/Sydney", "30 2 * * *", "2026-10-03 12:00 +1000", "2026-10-04 03:30 +1100"},
		{"Europe/Vienna", "0 * 1 * *", "2026-10-02 12:00 +0200", "2026-11-01 00:00 +0100"},  // the change lies between
		{"Europe/Vienna", "0 * 29 3 *", "2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200"}, // the change itself matches
		{"America/Santiago", "0 * * * SUN", "2026-09-05 12:00 -0400", "2026-09-06 01:00 -0300"},
		{"Australia/Lord_Howe", "15 * * * *", "2026-04-05 01:45 +1100", "2026-04-05 02:15 +1030"},
		{"UTC", "0 0 29 2 *", "2026-01-01 00:00 +0000", "2028-02-29 00:00 +0000"},
		{"UTC", "*/15 6-21 * * MON-FRI", "2026-11-20 21:45 +0000", "2026-11-23 06:00 +0000"},
		{"UTC", "@every 90s", "2026-11-20 21:45 +0000", "2026-11-20 21:46 +0000"},
	} {
		s, err := Parse(c.spec, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.Parse(layout, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(after).In(zone(t, c.zone)).Format(layout); got != c.next {
			t.Errorf("%s in %s after %s: %s, want %s", c.spec, c.zone, c.after, got, c.next)
		}
	}
}

func TestWindow(t *testing.T) {
	w, err := ParseWindow("* 6-21 * * MON-FRI", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"2026-11-20T06:00:00Z": "2026-11-20T06:00:00Z",
		"2026-11-20T21:59:59Z": "2026-11-20T21:59:59Z",
		"2026-11-20T22:00:00Z": "2026-11-23T06:00:00Z",
		"2026-11-20T05:59:59Z": "2026-11-20T06:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Next(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	now := time.Date(2026, 1, 1, 3, 4, 5, 6, time.UTC)
	if got := (Window{}).Next(now); !got.Equal(now) {
		t.Errorf("no window: %v", got)
	}
	if !(Schedule{}).Next(now).IsZero() {
		t.Error("no schedule fires")
	}
}

// A window is open in exactly the minutes whose wall clock matches, on the days of the
// change too: every minute of three days is asked.
func TestWindowGoesByTheWallClock(t *testing.T) {
	for _, day := range []struct {
		zone  string
		start time.Time
	}{
		{"Europe/Vienna", time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)},
		{"Europe/Vienna", time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)},
		{"Australia/Sydney", time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)},
	} {
		loc := zone(t, day.zone)
		w, err := ParseWindow("* 2 * * *", loc)
		if err != nil {
			t.Fatal(err)
		}
		var opens time.Time // the next open minute, found by walking backwards
		for m := 3*24*60 - 1; m >= 0; m-- {
			at := day.start.Add(time.Duration(m) * time.Minute)
			if at.In(loc).Hour() == 2 {
				opens = at
			}
			if got := w.Next(at); !opens.IsZero() && !got.Equal(opens) {
				t.Fatalf("%s at %v: %v, want %v", day.zone, at.In(loc), got, opens.In(loc))
			}
		}
	}
}

// What fires every hour fires at every moment at which the wall clock matches.
func TestHourlyGoesByTheRealClock(t *testing.T) {
	loc := zone(t, "Europe/Vienna")
	s, err := Parse("*/20 * 24-26,28-31 * *", loc)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []time.Time{time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)} {
		var next time.Time
		for m := 4*24*60 - 1; m >= 0; m-- {
			at := start.Add(time.Duration(m) * time.Minute)
			if got := s.Next(at); !next.IsZero() && !got.Equal(next) {
				t.Fatalf("after %v: %v, want %v", at.In(loc), got.In(loc), next.In(loc))
			}
			local := at.In(loc)
			if d := local.Day(); local.Minute()%20 == 0 && (d >= 24 && d <= 26 || d >= 28) {
				next = at
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("*/5 * * * *")
	loc := zone(f, "Europe/Vienna")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, loc)
		if err != nil {
			return
		}
		at := time.Date(2026, 10, 25, 0, 59, 0, 0, time.UTC)
		for range 5 {
			if open := (Window{s}).Next(at); !open.IsZero() && open.Before(at) {
				t.Fatalf("%q: a window opens at %v, before %v", text, open, at)
			}
			next := s.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: %v after %v", text, next, at)
			}
			at = next
		}
	})
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", "FuzzParse")); err != nil || len(seeds) == 0 {
		t.Errorf("%d seeds, %v", len(seeds), err)
	}
}
