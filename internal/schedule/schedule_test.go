package schedule

import (
	"strings"
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

// Each mistake is named with what was written, why it is none, and an example.
func TestRefused(t *testing.T) {
	for text, why := range map[string]string{
		"": "it is empty", " ; ": "does not belong", "TZ=UTC": "names a time zone", "TZ= * * * * *": "names a time zone", "CRON_TZ=UTC * * * * *": "names a time zone",
		"@every -1s": "one second or more", "@every 0s": "one second or more", "@every 10ms": "one second or more", "@every": "one second or more", "@every day": "one second or more",
		"0 0 30 2 *": "never comes", "0 0 31 4,6 *": "never comes", ", * * * *": "never comes", "* , * * *": "never comes",
		"* * * *": "it has 4 fields", "* * * * * *": "it has 6 fields", "0 6 1 1": "it has 4 fields",
		"60 * * * *": "above maximum (59)", "0 6 * * FRI-MON": "beyond end of range", "0 6 * * 5-7": "above maximum (6)",
		"@sometimes": "unrecognized", "x y z a b": `"x" is no day, time or word`, "*/90 * * * *": "the step is longer than the field", "0 */24 * * *": "the step is longer than the field",
		"Mon-Fri 6-22": "say how often in it", "Mon-Fri": "does not say at what time", "daily": "does not say at what time", "always": "is a window",
		"daily at 2 am": "24-hour clock", "6pm": "24-hour clock", "daily at 24:00": "the day begins with 0:00", "daily at 25": `"25" is no hour`, "daily at 6:5": "6:5 is no time",
		"daily at 6:75": "6:75 is no time", "daily at": "a time is missing at the end", "at , 6": "a time is missing before \",\"", "at 6:00,": "a time is missing at the end", "Mon-Fry 6:00": `"fry" is no day`, "every": "it takes minutes, hours, or a day",
		"every fortnight": `every is followed by "fortnight"`, "every 7 minutes": "\"@every 7m\" counts on", "every 0 minutes": "no interval", "every 30 seconds": `"@every 30s" counts seconds`,
		"every 5 hours": "\"@every 5h\" counts on", "every 90 hours": "longer than a day", "every 99999999999999999999 minutes": "no interval", "every 2 days at 6:00": "name the weekdays",
		"every 15 minutes at 6:00": "an interval and times", "every hour every hour": "two intervals", "Mon Tue at 6:00": "names days twice", "6:00 at 7:00": "names times twice",
		"at 6:00, 7-8": "times and stretches of time", "every hour 6-6": "has no length", "every hour 24-6": "has no length", "daily @ 6:00": `'@' does not belong here`,
		"daily at 6:00!": `'!' does not belong here`, strings.Repeat("mon, ", 200) + "6:00": "too long",
	} {
		s, err := Parse(text, time.UTC)
		if err == nil || !s.IsZero() {
			t.Errorf("%q: %v, %v", text, s, err)
			continue
		}
		got := err.Error()
		if !strings.Contains(got, why) && text != " ; " {
			t.Errorf("%q: %q does not say %q", text, got, why)
		}
		if text != "" && text != " ; " && !strings.Contains(got, `"`+text+`"`) {
			t.Errorf("%q is not named: %q", text, got)
		}
	}
	for text, why := range map[string]string{
		"@hourly": "names moments", "every 15 minutes": "names moments", "daily at 6:00": "two ends", "6": "two ends", "6-22 o'clock": "does not belong here",
		"always 6-22": `"6" is too much`, "0 0 30 2 *": "never comes", "6-22 Mon 8-12": "names times twice", "noon-22": `"noon" is no day`,
	} {
		if w, err := ParseWindow(text, time.UTC); err == nil || !w.IsZero() || !strings.Contains(err.Error(), why) {
			t.Errorf("window %q: %v, %v", text, w, err)
		}
	}
	for text, why := range map[string]string{"sometimes": "is no pick-up", "every 7 minutes": "counts on", "@never": "unrecognized", "": "it is empty"} {
		if k, err := ParsePickup(text, time.UTC); err == nil || !k.IsZero() || !strings.Contains(err.Error(), why) {
			t.Errorf("pick-up %q: %v, %v", text, k, err)
		}
	}
}

// What people write is understood, and given back in one spelling.
func TestSpellings(t *testing.T) {
	for text, want := range map[string]string{
		"every 15 minutes": "every 15 minutes", "Every 15 Min": "every 15 minutes", " every 15m ": "every 15 minutes", "every minute": "every minute", "hourly": "every hour",
		"every hour": "every hour", "every 60 minutes": "every hour", "every 2 hours": "every 2 hours", "every 120 min": "every 2 hours", "every 90 minutes": "every 90 minutes",
		"daily at 02:00": "daily at 02:00", "every day at 2": "daily at 02:00", "2:00": "daily at 02:00", "at 2:00 daily": "daily at 02:00", "Mon 06:00": "Mon at 06:00",
		"MONDAYS AT 6": "Mon at 06:00", "every monday at 6:00": "Mon at 06:00", "on Mon, Wed and Fri at 6:00": "Mon, Wed, Fri at 06:00", "Mon-Fri at 6:00, 12:00, 18:00": "Mon-Fri at 06:00, 12:00, 18:00",
		"Mon – Fri at 18:00 and 6:00, 6": "Mon-Fri at 06:00, 18:00", "weekdays 6:00": "Mon-Fri at 06:00", "every weekday at 6:00": "Mon-Fri at 06:00", "weekends 6:00": "Sat-Sun at 06:00", "Fri-Mon 6:00": "Fri-Mon at 06:00",
		"mon to wed, sat 6:00": "Mon-Wed, Sat at 06:00", "every 15 minutes Mon-Fri 6-22": "every 15 minutes Mon-Fri 06:00-22:00", "Mon-Fri from 6 to 22 every 15 minutes": "every 15 minutes Mon-Fri 06:00-22:00",
		"every 15 minutes daily 22-6": "every 15 minutes 22:00-06:00", "every 30 minutes 0-24": "every 30 minutes", "*/15  6-21 * * mon-fri": "*/15 6-21 * * MON-FRI", "0 6 1 1 mon": "0 6 1 1 MON",
		"@Daily": "@daily", "@every 7m0s": "@every 7m", "@EVERY  90s": "@every 1m30s", "@every 2h": "@every 2h", "daily at 2; daily at 14:00\n": "daily at 02:00; daily at 14:00", "2:00;02:00": "daily at 02:00",
	} {
		s, err := Parse(text, time.UTC)
		if err != nil || s.String() != want {
			t.Errorf("%q: %q, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"always": "always", "Always": "always", "daily": "always", "0-24": "always", "every day 0:00-24:00": "always", "Mon-Fri 6-22": "Mon-Fri 06:00-22:00", "mon - fri 6:00 – 22:00": "Mon-Fri 06:00-22:00",
		"Mon-Fri 6:30-21:45": "Mon-Fri 06:30-21:45", "22-6": "daily 22:00-06:00", "Sat, Sun": "Sat-Sun", "Mon-Fri 13-18, 6-12": "Mon-Fri 06:00-12:00, 13:00-18:00", "Mon-Fri 6-22; Sat 6-12": "Mon-Fri 06:00-22:00; Sat 06:00-12:00",
		"* 6-21 * * mon-fri": "* 6-21 * * MON-FRI", "Mon 0-24": "Mon",
	} {
		w, err := ParseWindow(text, time.UTC)
		if err != nil || w.String() != want {
			t.Errorf("window %q: %q, %v", text, w, err)
		}
	}
	for text, want := range map[string]string{
		"every 15 minutes": "every 15 minutes", "Mon-Fri 6-22": "Mon-Fri 06:00-22:00", "Mon-Fri 6-22; sat at 6": "Sat at 06:00; Mon-Fri 06:00-22:00", "*/15 6-21 * * *": "*/15 6-21 * * *", "always": "always", "@hourly": "@hourly",
	} {
		k, err := ParsePickup(text, time.UTC)
		if err != nil || k.String() != want {
			t.Errorf("pick-up %q: %q, %v", text, k, err)
		}
	}
}

const layout = "2006-01-02 15:04 -0700"

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// A time that is named comes once on the day that the clocks change; what comes every
// hour goes on by real time.
func TestNextWhenClocksChange(t *testing.T) {
	for _, c := range []struct{ zone, spec, after, next string }{
		{"Europe/Vienna", "30 2 * * *", "2026-03-28 12:00 +0100", "2026-03-29 03:00 +0200"}, // 02:30 does not exist
		{"Europe/Vienna", "daily at 02:30", "2026-03-29 01:59 +0100", "2026-03-29 03:00 +0200"},
		{"Europe/Vienna", "daily at 02:30", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"},
		{"Europe/Vienna", "daily at 03:00", "2026-03-29 01:59 +0100", "2026-03-29 03:00 +0200"},
		{"Europe/Vienna", "daily at 02:30", "2026-10-24 12:00 +0200", "2026-10-25 02:30 +0200"}, // 02:30 comes twice
		{"Europe/Vienna", "30 2 * * *", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"},
		{"Europe/Vienna", "30 2 * * *", "2026-10-25 02:10 +0100", "2026-10-26 02:30 +0100"}, // 02:30 was in the hour before
		{"Europe/Vienna", "daily at 03:00", "2026-10-25 02:59 +0200", "2026-10-25 03:00 +0100"},
		{"Europe/Vienna", "daily at 03:00", "2026-10-25 02:10 +0100", "2026-10-25 03:00 +0100"},
		{"Europe/Vienna", "30 * * * *", "2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100"}, // hourly by the real clock
		{"Europe/Vienna", "30 * * * *", "2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200"},
		{"Europe/Vienna", "every 15 minutes", "2026-03-29 01:45 +0100", "2026-03-29 03:00 +0200"},
		{"Europe/Vienna", "every 15 minutes", "2026-10-25 02:45 +0200", "2026-10-25 02:00 +0100"},
		{"Europe/Vienna", "every 2 hours", "2026-03-29 00:00 +0100", "2026-03-29 03:00 +0200"},
		{"Europe/Vienna", "every 2 hours", "2026-10-25 02:00 +0200", "2026-10-25 04:00 +0100"},
		{"America/New_York", "30 2 * * *", "2026-03-07 12:00 -0500", "2026-03-08 03:00 -0400"},
		{"America/New_York", "30 1 * * *", "2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"},
		{"Australia/Sydney", "30 2 * * *", "2026-10-03 12:00 +1000", "2026-10-04 03:00 +1100"},
		{"Australia/Lord_Howe", "daily at 02:10", "2026-10-03 12:00 +1030", "2026-10-04 02:30 +1100"}, // half an hour is left out
		{"Australia/Lord_Howe", "daily at 02:45", "2026-10-04 02:30 +1100", "2026-10-04 02:45 +1100"},
		{"Australia/Lord_Howe", "daily at 01:45", "2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}, // half an hour comes twice
		{"Australia/Lord_Howe", "15 * * * *", "2026-04-05 01:45 +1100", "2026-04-05 02:15 +1030"},
		{"Australia/Lord_Howe", "45 * * * *", "2026-04-05 01:45 +1100", "2026-04-05 01:45 +1030"},
		{"Pacific/Apia", "daily at 12:00", "2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400"}, // the 30th does not exist
		{"Pacific/Apia", "daily at 12:00", "2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400"},
		{"Pacific/Apia", "Fri at 12:00", "2011-12-29 23:00 -1000", "2011-12-31 00:00 +1400"},
		{"Pacific/Apia", "every hour Fri", "2011-12-29 23:00 -1000", "2012-01-06 00:00 +1400"},
		{"Asia/Kathmandu", "every 15 minutes", "2026-01-01 10:44 +0545", "2026-01-01 10:45 +0545"},
		{"Asia/Kathmandu", "every hour", "2026-01-01 10:44 +0545", "2026-01-01 11:00 +0545"},
		{"Europe/Vienna", "0 * 1 * *", "2026-10-02 12:00 +0200", "2026-11-01 00:00 +0100"},  // the change lies between
		{"Europe/Vienna", "0 * 29 3 *", "2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200"}, // the change itself matches
		{"America/Santiago", "0 * * * SUN", "2026-09-05 12:00 -0400", "2026-09-06 01:00 -0300"},
		{"UTC", "0 0 29 2 *", "2026-01-01 00:00 +0000", "2028-02-29 00:00 +0000"},
		{"UTC", "*/15 6-21 * * MON-FRI", "2026-11-20 21:45 +0000", "2026-11-23 06:00 +0000"},
		{"UTC", "every 15 minutes Mon-Fri 6-22", "2026-11-20 21:45 +0000", "2026-11-23 06:00 +0000"},
		{"UTC", "every 15 minutes Fri 22-6", "2026-11-20 23:45 +0000", "2026-11-21 00:00 +0000"},
		{"UTC", "every 15 minutes Fri 22-6", "2026-11-21 05:45 +0000", "2026-11-27 22:00 +0000"},
		{"UTC", "@every 90m", "2026-11-20 21:45 +0000", "2026-11-20 22:30 +0000"},
		{"UTC", "@every 90m", "1969-12-31 22:31 +0000", "1970-01-01 00:00 +0000"},
		{"UTC", "daily at 6; Fri at 5:30", "2026-11-20 05:00 +0000", "2026-11-20 05:30 +0000"},
		{"UTC", "daily at 6; Fri at 5:30", "2026-11-20 05:30 +0000", "2026-11-20 06:00 +0000"},
	} {
		s, err := Parse(c.spec, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(at(t, c.after)).In(zone(t, c.zone)).Format(layout); got != c.next {
			t.Errorf("%s in %s after %s: %s, want %s", c.spec, c.zone, c.after, got, c.next)
		}
	}
	if !(Schedule{}).Next(reference).IsZero() {
		t.Error("no schedule fires")
	}
}

func TestWindow(t *testing.T) {
	const never = "0001-01-01 00:00 +0000"
	for _, c := range []struct{ zone, text, from, opens, closes string }{
		{"UTC", "* 6-21 * * MON-FRI", "2026-11-20 06:00 +0000", "2026-11-20 06:00 +0000", "2026-11-20 22:00 +0000"},
		{"UTC", "Mon-Fri 6-22", "2026-11-20 21:59 +0000", "2026-11-20 21:59 +0000", "2026-11-20 22:00 +0000"}, // a Friday
		{"UTC", "Mon-Fri 6-22", "2026-11-20 22:00 +0000", "2026-11-23 06:00 +0000", "2026-11-23 22:00 +0000"},
		{"UTC", "Mon-Fri 6-22", "2026-11-20 05:59 +0000", "2026-11-20 06:00 +0000", "2026-11-20 22:00 +0000"},
		{"UTC", "Mon-Fri 6:30-21:45", "2026-11-20 06:29 +0000", "2026-11-20 06:30 +0000", "2026-11-20 21:45 +0000"},
		{"UTC", "Mon-Fri 6:30-21:45", "2026-11-20 21:45 +0000", "2026-11-23 06:30 +0000", "2026-11-23 21:45 +0000"},
		{"UTC", "6-12, 13-18", "2026-11-20 12:00 +0000", "2026-11-20 13:00 +0000", "2026-11-20 18:00 +0000"},
		{"UTC", "6-12, 12-18", "2026-11-20 07:00 +0000", "2026-11-20 07:00 +0000", "2026-11-20 18:00 +0000"},
		{"UTC", "Fri 22-6", "2026-11-20 21:00 +0000", "2026-11-20 22:00 +0000", "2026-11-21 06:00 +0000"}, // into Saturday
		{"UTC", "Fri 22-6", "2026-11-20 05:00 +0000", "2026-11-20 22:00 +0000", "2026-11-21 06:00 +0000"}, // not before it
		{"UTC", "Mon-Fri; Sat 6-12", "2026-11-20 05:00 +0000", "2026-11-20 05:00 +0000", "2026-11-21 00:00 +0000"},
		{"UTC", "always", "2026-11-20 05:00 +0000", "2026-11-20 05:00 +0000", never},
		{"UTC", "* * * * *", "2026-11-20 05:00 +0000", "2026-11-20 05:00 +0000", never},
		{"Europe/Vienna", "2-3", "2026-03-29 01:00 +0100", "2026-03-30 02:00 +0200", "2026-03-30 03:00 +0200"}, // left out
		{"Europe/Vienna", "2-3", "2026-10-25 02:30 +0200", "2026-10-25 02:30 +0200", "2026-10-25 03:00 +0100"}, // two hours long
		{"Europe/Vienna", "Sun", "2026-03-29 00:00 +0100", "2026-03-29 00:00 +0100", "2026-03-30 00:00 +0200"}, // 23 hours long
		{"Europe/Vienna", "Sun", "2026-10-25 00:00 +0200", "2026-10-25 00:00 +0200", "2026-10-26 00:00 +0100"}, // 25 hours long
		{"Europe/Vienna", "2:30-3", "2026-10-25 02:59 +0200", "2026-10-25 02:59 +0200", "2026-10-25 02:00 +0100"},
		{"Australia/Lord_Howe", "1:30-2", "2026-04-05 01:30 +1100", "2026-04-05 01:30 +1100", "2026-04-05 02:00 +1030"},
		{"Pacific/Apia", "Fri", "2011-12-29 12:00 -1000", "2012-01-06 00:00 +1400", "2012-01-07 00:00 +1400"},
		{"Asia/Kathmandu", "6-22", "2026-11-20 05:50 +0545", "2026-11-20 06:00 +0545", "2026-11-20 22:00 +0545"},
	} {
		loc := zone(t, c.zone)
		w, err := ParseWindow(c.text, loc)
		if err != nil {
			t.Fatal(err)
		}
		opens := w.Next(at(t, c.from))
		closes := w.Closes(opens)
		if closes.IsZero() {
			loc = time.UTC
		}
		if got := closes.In(loc).Format(layout); got != c.closes || opens.In(zone(t, c.zone)).Format(layout) != c.opens {
			t.Errorf("%s in %s from %s: opens %v, closes %v", c.text, c.zone, c.from, opens, got)
		}
	}
	now := time.Date(2026, 1, 1, 3, 4, 5, 6, time.UTC)
	if got := (Window{}).Next(now); !got.Equal(now) || !(Window{}).Closes(now).IsZero() {
		t.Errorf("no window: %v", got)
	}
}

// Closed time does not count.
func TestLater(t *testing.T) {
	for _, c := range []struct {
		text, from string
		d          time.Duration
		want       string
	}{
		{"", "2026-11-20 21:55 +0000", 24 * time.Hour, "2026-11-21 21:55 +0000"},
		{"always", "2026-11-20 21:55 +0000", 24 * time.Hour, "2026-11-21 21:55 +0000"},
		{"Mon-Fri 6-22", "2026-11-20 21:55 +0000", 24 * time.Hour, "2026-11-24 13:55 +0000"}, // 5 minutes, 16 hours, 7:55
		{"Mon-Fri 6-22", "2026-11-20 23:00 +0000", 24 * time.Hour, "2026-11-24 14:00 +0000"},
		{"Mon-Fri 6-22", "2026-11-23 06:00 +0000", 16 * time.Hour, "2026-11-23 22:00 +0000"},
		{"* * 29 2 *", "2026-11-23 06:00 +0000", time.Hour, "2028-02-29 01:00 +0000"},
		{"0 0 1 1 *", "2026-11-23 06:00 +0000", 24 * time.Hour, "2036-01-01 23:51 +0000"}, // ten minutes in ten years, then by the clock
	} {
		var w Window
		if c.text != "" {
			var err error
			if w, err = ParseWindow(c.text, time.UTC); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.Later(at(t, c.from), c.d).UTC().Format(layout); got != c.want {
			t.Errorf("%s from %s: %s, want %s", c.text, c.from, got, c.want)
		}
	}
}

func TestPickup(t *testing.T) {
	for _, c := range []struct{ text, from, next, moment string }{
		{"every 15 minutes", "2026-11-20 21:45 +0000", "2026-11-20 21:45 +0000", "2026-11-20 22:00 +0000"},
		{"every 15 minutes", "2026-11-20 21:46 +0000", "2026-11-20 22:00 +0000", "2026-11-20 22:00 +0000"},
		{"Mon-Fri 6-22", "2026-11-20 21:46 +0000", "2026-11-20 21:46 +0000", "0001-01-01 00:00 +0000"},
		{"Mon-Fri 6-22", "2026-11-20 22:00 +0000", "2026-11-23 06:00 +0000", "0001-01-01 00:00 +0000"},
		{"Mon-Fri 6-22; Sat at 8", "2026-11-20 22:00 +0000", "2026-11-21 08:00 +0000", "2026-11-21 08:00 +0000"},
		{"* 6-21 * * MON-FRI", "2026-11-20 22:00 +0000", "2026-11-23 06:00 +0000", "0001-01-01 00:00 +0000"},
	} {
		k, err := ParsePickup(c.text, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if next, moment := k.Next(at(t, c.from)).UTC().Format(layout), k.Moment(at(t, c.from)).UTC().Format(layout); next != c.next || moment != c.moment {
			t.Errorf("%s from %s: %s, moment %s", c.text, c.from, next, moment)
		}
	}
	now := at(t, "2026-11-20 21:46 +0000").Add(59 * time.Second)
	k, err := ParsePickup("21:46", time.UTC)
	if err != nil || !k.Next(now).Equal(now) || k.Next(now.Add(time.Second)).Equal(now.Add(time.Second)) {
		t.Errorf("a moment lasts a minute: %v, %v", k.Next(now), k.Next(now.Add(time.Second)))
	}
	if got := (Pickup{}).Next(now); !got.Equal(now) {
		t.Errorf("no pick-up: %v", got)
	}
}
