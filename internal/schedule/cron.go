package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// reference is a moment from which a schedule that ever fires does so within the
// horizon of the library; the next February has 29 days.
var reference = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// shortest is the shortest @every that makes sense for folders.
const shortest = time.Second

const fields = `write five fields: minute, hour, day of month, month, weekday, for example "0 6 * * MON-FRI"`

// cronField is a field that may stand in a cron line without a star.
var cronField = regexp.MustCompile(`^[0-9]+([,-][0-9]+)*$|^[a-zA-Z]{3}([,-][a-zA-Z]{3})*$`)

// isCron reports whether a text is meant as cron, right or wrong.
func isCron(text string) bool {
	if strings.HasPrefix(text, "@") || strings.ContainsAny(text, "*?/=") {
		return true
	}
	fs := strings.Fields(text)
	for i, f := range fs {
		if !cronField.MatchString(f) || i < 2 && !isDigit(f[0]) {
			return false
		}
	}
	return len(fs) >= 4
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// parseCron reads five fields or a descriptor such as @hourly, and its one spelling.
func parseCron(text string) (p moments, canonical string, err error) {
	if strings.Contains(text, "TZ=") {
		return nil, "", fmt.Errorf("%q names a time zone; set time_zone instead, for all schedules or for a partner", text)
	}
	fs := strings.Fields(text)
	if strings.HasPrefix(text, "@") {
		canonical = strings.ToLower(strings.Join(fs, " "))
	} else {
		canonical = strings.ToUpper(strings.Join(fs, " "))
		if len(fs) != 5 {
			return nil, "", fmt.Errorf("%q is no cron line: it has %d fields; %s", text, len(fs), fields)
		}
	}
	if strings.EqualFold(fs[0], "@every") {
		return parseEvery(text, fs[1:])
	}
	defer func() {
		if v := recover(); v != nil {
			p, canonical, err = nil, "", fmt.Errorf("%q is no cron line: %v; %s", text, v, fields)
		}
	}()
	if err := longSteps(fs); err != nil {
		return nil, "", fmt.Errorf("%q is no cron line: %w", text, err)
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(canonical)
	if err != nil {
		return nil, "", fmt.Errorf("%q is no cron line: %v; %s", text, err, fields)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, "", fmt.Errorf("%q is no cron line; %s", text, fields)
	}
	spec.Location = time.UTC
	l := line{spec, spec.Hour&star != 0}
	if l.Minute&allMinutes == 0 || l.Hour&allHours == 0 || l.Next(reference).IsZero() {
		return nil, "", fmt.Errorf("%q never comes: there is no such day", text)
	}
	return l, canonical, nil
}

// longSteps finds steps such as */90 of minutes, which the library takes and which do
// not do what they say.
func longSteps(fs []string) error {
	for i, f := range fs {
		for one := range strings.SplitSeq(f, ",") {
			_, step, _ := strings.Cut(one, "/")
			if n, err := strconv.Atoi(step); err == nil && n >= []int{60, 24, 31, 12, 7}[min(i, 4)] {
				return fmt.Errorf("in %q the step is longer than the field; write for example \"every 2 hours\", or \"@every 90m\" to count on", one)
			}
		}
	}
	return nil
}

// parseEvery reads what stands behind @every.
func parseEvery(text string, rest []string) (moments, string, error) {
	d, err := time.ParseDuration(strings.ToLower(strings.Join(rest, "")))
	if err != nil || d < shortest {
		return nil, "", fmt.Errorf("%q: the interval must be one second or more; write for example \"@every 90s\"", text)
	}
	return interval(d), "@every " + shortDuration(d), nil
}

// shortDuration is 15m for what the standard library calls 15m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
