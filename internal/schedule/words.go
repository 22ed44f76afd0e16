package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// wrong is the error for a text that is not what it should be.
func wrong(text, what string, err error, examples string) error {
	return fmt.Errorf("%q is no %s: %w; write for example %s", text, what, err, examples)
}

// maxWords bounds what one part may have.
const maxWords = 200

// words cuts a text into words, numbers and signs, in lower case. Dashes of all kinds
// are the same.
func words(text string) ([]string, error) {
	var ws []string
	kind := func(r rune) int {
		switch {
		case unicode.IsLetter(r):
			return 1
		case '0' <= r && r <= '9':
			return 2
		}
		return 0
	}
	last := 0
	for _, r := range strings.ToLower(text) {
		if unicode.Is(unicode.Pd, r) {
			r = '-'
		}
		k := kind(r)
		switch {
		case unicode.IsSpace(r):
		case k == 0 && !strings.ContainsRune("-:,", r):
			return nil, fmt.Errorf("%q does not belong here", r)
		case k != 0 && k == last:
			ws[len(ws)-1] += string(r)
		default:
			ws = append(ws, string(r))
		}
		if last = k; len(ws) > maxWords {
			return nil, errors.New("it is too long; put it into several parts")
		}
	}
	return ws, nil
}

// reader reads the words of a phrase.
type reader struct {
	words []string
	phrase
}

// parsePhrase reads a part that is written in words.
func parsePhrase(text string) (*phrase, error) {
	ws, err := words(text)
	if err != nil {
		return nil, err
	}
	if len(ws) == 0 {
		return nil, errors.New("it is empty")
	}
	r := &reader{words: ws}
	if r.take("always") {
		r.always = true
		if len(r.words) > 0 {
			return nil, fmt.Errorf("always says it all, %q is too much", r.words[0])
		}
		return &r.phrase, nil
	}
	for len(r.words) > 0 {
		if err := r.clause(); err != nil {
			return nil, err
		}
	}
	return &r.phrase, r.finish()
}

// peek is the next word, empty at the end.
func (r *reader) peek() string {
	if len(r.words) == 0 {
		return ""
	}
	return r.words[0]
}

// take takes the next word if it is one of these.
func (r *reader) take(these ...string) bool {
	for _, w := range these {
		if len(r.words) > 0 && r.words[0] == w {
			r.words = r.words[1:]
			return true
		}
	}
	return false
}

// clause reads days, an interval, or times.
func (r *reader) clause() error {
	w := r.peek()
	_, isDay := dayNumber(w)
	switch {
	case w == "every":
		r.take(w)
		return r.interval()
	case w == "hourly":
		r.take(w)
		return r.setEvery(60)
	case isDay || w == "daily" || w == "on" || w == "weekdays" || w == "weekends" || w == "weekday":
		r.take("on")
		return r.readDays()
	case w == "at" || w == "from" || isDigit(w[0]):
		r.take("at", "from")
		return r.clocks()
	case w == "am" || w == "pm":
		return errors.New("times are written by the 24-hour clock, as in 18:00")
	}
	return fmt.Errorf("%q is no day, time or word that belongs here", w)
}

// interval reads what stands behind every: an interval, or days.
func (r *reader) interval() error {
	n := 1
	if w := r.peek(); w != "" && isDigit(w[0]) {
		var err error
		if n, err = strconv.Atoi(w); err != nil || n < 1 || n > minutesPerDay {
			return fmt.Errorf("every %s is no interval within a day", w)
		}
		r.words = r.words[1:]
	} else if _, isDay := dayNumber(w); isDay || w == "weekday" || w == "weekend" {
		return r.readDays()
	}
	switch {
	case r.take("minutes", "minute", "mins", "min", "m"):
		return r.setEvery(n)
	case r.take("hours", "hour", "hrs", "hr", "h"):
		return r.setEvery(60 * n)
	case r.take("days", "day"):
		if n != 1 {
			return fmt.Errorf("every %d days cannot be said here; name the weekdays", n)
		}
		return r.addDays(allDays)
	case r.take("seconds", "second", "secs", "sec", "s"):
		return fmt.Errorf("a minute is the shortest interval; \"@every %ds\" counts seconds", n)
	}
	if r.peek() == "" {
		return errors.New("behind every something is missing; it takes minutes, hours, or a day")
	}
	return fmt.Errorf("every is followed by %q; it takes minutes, hours, or a day", r.peek())
}

func (r *reader) setEvery(minutes int) error {
	if r.every != 0 {
		return errors.New("it has two intervals; put them into two parts")
	}
	if minutes > minutesPerDay {
		return errors.New("the interval is longer than a day; name weekdays and times")
	}
	r.every = minutes
	return nil
}

// dayNumber is the number of a weekday, Sunday 0.
func dayNumber(word string) (int, bool) {
	for i, full := range []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		if len(word) >= 3 && strings.HasPrefix(full+"s", word) {
			return i, true
		}
	}
	return 0, false
}

func (r *reader) addDays(days uint8) error {
	if r.days != 0 {
		return errors.New("it names days twice; put them into two parts")
	}
	r.days = days
	return nil
}

// readDays reads names of days and ranges of them.
func (r *reader) readDays() error {
	switch {
	case r.take("daily"):
		return r.addDays(allDays)
	case r.take("weekdays", "weekday"):
		return r.addDays(0b0111110)
	case r.take("weekends", "weekend"):
		return r.addDays(0b1000001)
	}
	var days uint8
	for {
		first, err := r.day()
		if err != nil {
			return err
		}
		last := first
		if r.take("-", "to", "until") {
			if last, err = r.day(); err != nil {
				return err
			}
		}
		for d := first; ; d = (d + 1) % 7 {
			days |= 1 << d
			if d == last {
				break
			}
		}
		if !r.moreDays() {
			return r.addDays(days)
		}
	}
}

// day reads the name of one.
func (r *reader) day() (int, error) {
	w := r.peek()
	n, ok := dayNumber(w)
	switch {
	case w == "":
		return 0, errors.New("a day is missing at the end")
	case !ok:
		return 0, fmt.Errorf("%q is no day", w)
	}
	r.words = r.words[1:]
	return n, nil
}

// moreDays takes a comma that another day stands behind.
func (r *reader) moreDays() bool {
	if len(r.words) < 2 || r.words[0] != "," && r.words[0] != "and" {
		return false
	}
	if _, ok := dayNumber(r.words[1]); !ok {
		return false
	}
	r.words = r.words[1:]
	return true
}

// clocks reads times and stretches of time.
func (r *reader) clocks() error {
	if r.times != nil || r.spans != nil {
		return errors.New("it names times twice; put a comma between them, or put them into two parts")
	}
	for {
		from, err := r.clock()
		if err != nil {
			return err
		}
		if r.take("-", "to", "until") {
			to, err := r.clock()
			if err != nil {
				return err
			}
			if from == to || from == minutesPerDay {
				return fmt.Errorf("%s-%s has no length; the whole day is 0-24", clockText(from), clockText(to))
			}
			r.spans = append(r.spans, span{from, to})
		} else {
			if from == minutesPerDay {
				return errors.New("24:00 can only be an end; the day begins with 0:00")
			}
			r.times = append(r.times, from)
		}
		if !r.take(",", "and") {
			return nil
		}
	}
}

// clock reads one time of the day, in minutes.
func (r *reader) clock() (int, error) {
	w := r.peek()
	switch {
	case w == "":
		return 0, errors.New("a time is missing at the end")
	case !isDigit(w[0]):
		return 0, fmt.Errorf("a time is missing before %q", w)
	}
	hour, err := strconv.Atoi(w)
	if err != nil || len(w) > 2 || hour > 24 {
		return 0, fmt.Errorf("%q is no hour", w)
	}
	r.words = r.words[1:]
	minute := 0
	if r.take(":") {
		w := r.peek()
		minute, err = strconv.Atoi(w)
		if err != nil || len(w) != 2 || minute > 59 || hour == 24 && minute > 0 {
			return 0, fmt.Errorf("%d:%s is no time", hour, w)
		}
		r.words = r.words[1:]
	}
	if w := r.peek(); w == "am" || w == "pm" {
		return 0, errors.New("times are written by the 24-hour clock, as in 18:00")
	}
	return 60*hour + minute, nil
}
