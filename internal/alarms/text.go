package alarms

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/as2drop/as2drop/ledger"
)

const (
	maxTold    = 30  // alarms that a text tells of in full
	maxSubject = 120 // letters of a subject
	maxTitle   = 80  // letters of one alarm in it
	maxThreads = 20  // messages that one refers to
)

// Document is what a web service or a program gets.
type Document struct {
	Version  int       `json:"as2drop_alarm"` // 1
	ID       string    `json:"id"`            // of the message: the same each time that it is sent
	At       time.Time `json:"at"`
	Name     string    `json:"name"` // of the installation
	Receiver string    `json:"receiver"`
	Test     bool      `json:"test,omitempty"`
	Raised   int       `json:"raised"` // how many of the alarms are new, last, or are more of the same
	Over     int       `json:"over"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"` // all of it, for people
	Alarms   []Told    `json:"alarms"`
	More     int       `json:"more,omitempty"` // alarms that are left out
}

// Told is one alarm of a Document.
type Told struct {
	ID       string           `json:"id"` // the same in all messages about it
	State    string           `json:"state"`
	Level    ledger.Level     `json:"level"`
	Partner  string           `json:"partner,omitempty"`
	Code     string           `json:"code"`
	Title    string           `json:"title"`
	Since    time.Time        `json:"since"`
	Over     time.Time        `json:"over,omitzero"`
	Count    int              `json:"count"`
	Text     string           `json:"text"`
	Hint     string           `json:"hint,omitempty"`
	Examples []ledger.Example `json:"examples,omitempty"`
}

// compose writes a message about alarms.
func (d *Desk) compose(id string, r *Receiver, tell []telling, told map[string]*ledger.ToldAlarm, now time.Time) (*ledger.AlarmMsg, error) {
	doc := Document{Version: 1, ID: id, At: now.UTC(), Name: d.Name, Receiver: r.Name, Alarms: []Told{}}
	m := &ledger.AlarmMsg{ID: id, At: now.UTC()}
	for _, t := range tell {
		a := t.alarm
		m.Alarms = append(m.Alarms, a.ID)
		if former := told[a.ID]; former != nil && len(m.Threads) < maxThreads && !slices.Contains(m.Threads, former.Thread) {
			m.Threads = append(m.Threads, former.Thread)
		}
		if t.ended() {
			doc.Over++
		} else {
			doc.Raised++
		}
		if len(doc.Alarms) == maxTold {
			doc.More++
			continue
		}
		doc.Alarms = append(doc.Alarms, Told{ID: a.ID, State: string(t.state), Level: a.Level, Partner: a.Partner, Code: a.Code, Title: title(a), Since: a.Since, Over: a.Over, Count: a.Count, Text: a.Text, Hint: hint(a), Examples: a.Examples})
	}
	doc.Subject = d.subject(tell, doc.Raised, doc.Over)
	doc.Text = d.text(&doc, tell)
	m.Subject, m.Text = doc.Subject, doc.Text
	var err error
	m.JSON, err = json.Marshal(doc)
	return m, err
}

func (t *telling) ended() bool { return t.state == over || t.state == was }

// subject says the first one, and how many there are.
func (d *Desk) subject(tell []telling, raised, over int) string {
	lead := ""
	switch first := tell[0]; {
	case first.ended():
		lead = "over: "
	case first.state == still:
		lead = "still " + strings.ToUpper(string(first.alarm.Level)) + ": "
	default:
		lead = strings.ToUpper(string(first.alarm.Level)) + ": "
	}
	text := fmt.Sprintf("[as2drop %s] %s%s", d.Name, lead, short(headline(tell[0].alarm), maxTitle))
	if more := raised - 1; raised > 1 {
		text += fmt.Sprintf(", and %d more", more)
	}
	if raised > 0 && over > 0 {
		text += fmt.Sprintf("; %d over", over)
	} else if over > 1 {
		text += fmt.Sprintf(", and %d more", over-1)
	}
	return short(text, maxSubject+len(d.Name))
}

// headline is an alarm with whom it is about.
func headline(a *ledger.RaisedAlarm) string {
	if a.Partner != "" {
		return a.Partner + ": " + title(a)
	}
	return title(a)
}

// title is an alarm in a line.
func title(a *ledger.RaisedAlarm) string {
	switch {
	case a.Code == eventFailed && a.Count > 1:
		return fmt.Sprintf("%d transfers failed", a.Count)
	case a.Code == eventFailed:
		return "a transfer failed: " + line(a.Text)
	case a.Notice && a.Count > 1:
		return fmt.Sprintf("%d times %s, last: %s", a.Count, a.Code, line(a.Text))
	}
	return line(a.Text)
}

// hint is what an operator can do.
func hint(a *ledger.RaisedAlarm) string {
	h := a.Hint
	if a.Code == eventFailed {
		id := ""
		if len(a.Examples) > 0 {
			id = a.Examples[0].Subject
		}
		h = strings.TrimPrefix(fmt.Sprintf("%s; as2drop show %s tells the whole story, as2drop retry %s sends it again, as2drop alarm done %s ends this alarm if it was dealt with otherwise", h, id, id, a.ID), "; ")
	}
	if !a.Over.IsZero() && !a.Notice {
		return ""
	}
	return h
}

// line makes a text one line.
func line(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))), " ")
}

// short cuts a line at a number of letters.
func short(s string, most int) string {
	if r := []rune(line(s)); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return line(s)
}

// moment is a moment for people.
func (d *Desk) moment(t time.Time) string {
	return t.In(cmp.Or(d.Zone, time.UTC)).Format("Mon 2006-01-02 15:04:05 MST")
}

// text is a message for people.
func (d *Desk) text(doc *Document, tell []telling) string {
	var b strings.Builder
	for i := range doc.Alarms {
		d.one(&b, &tell[i])
	}
	if doc.More > 0 {
		fmt.Fprintf(&b, "and %d more:\n", doc.More)
		for _, l := range summary(tell[len(doc.Alarms):]) {
			fmt.Fprintf(&b, "  %s\n", l)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "-- \nas2drop %s on %s, %s, message %s\nas2drop status says how the agent is, as2drop alarm list what is raised and who was told.\n", d.Version, d.Name, d.moment(doc.At), doc.ID)
	return b.String()
}

// one tells of one alarm.
func (d *Desk) one(b *strings.Builder, t *telling) {
	a := t.alarm
	word := map[state]string{raised: strings.ToUpper(string(a.Level)), more: "MORE", still: "STILL", over: "OVER", was: "WAS"}[t.state]
	fmt.Fprintf(b, "%-7s %s\n", word, headline(a))
	if t.ended() && !a.Notice {
		fmt.Fprintf(b, "from    %s\nuntil   %s\n", d.moment(a.Since), d.moment(a.Over))
		if a.Ended != "" {
			fmt.Fprintf(b, "by      %s\n", line(a.Ended))
		}
		b.WriteString("\n")
		return
	}
	if a.Notice {
		fmt.Fprintf(b, "at      %s\n", d.moment(a.Last))
	} else {
		fmt.Fprintf(b, "since   %s\n", d.moment(a.Since))
	}
	if a.Code == eventFailed && a.Open != a.Count {
		fmt.Fprintf(b, "open    %d of %d\n", a.Open, a.Count)
	}
	if a.Count > 1 && len(a.Examples) > 1 {
		for i, e := range a.Examples {
			lead := ""
			if i == 0 {
				lead = "what"
			}
			fmt.Fprintf(b, "%-7s %s %s\n", lead, e.Subject, line(e.Text))
		}
		if rest := a.Count - len(a.Examples); rest > 0 {
			fmt.Fprintf(b, "        and %d more\n", rest)
		}
	} else if text := line(a.Text); text != title(a) && a.Code != eventFailed {
		fmt.Fprintf(b, "what    %s\n", text)
	}
	if h := hint(a); h != "" {
		fmt.Fprintf(b, "do      %s\n", line(h))
	}
	b.WriteString("\n")
}

// summary counts alarms by what they are, and names whom they are about.
func summary(tell []telling) (lines []string) {
	const named = 20
	names := map[string][]string{}
	var order []string
	for _, t := range tell {
		what := string(t.state) + " " + t.alarm.Code
		if names[what] == nil {
			order = append(order, what)
		}
		names[what] = append(names[what], cmp.Or(t.alarm.Partner, "the agent"))
	}
	for _, what := range order {
		who := names[what]
		text := strings.Join(who[:min(len(who), named)], ", ")
		if rest := len(who) - named; rest > 0 {
			text += fmt.Sprintf(" and %d more", rest)
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s", len(who), what, text))
	}
	return lines
}

// NewTest is a message that says that it is a test.
func (d *Desk) NewTest(r *Receiver) (*Message, error) {
	now := d.Now()
	id, err := ledger.NewID(now, d.Rand)
	if err != nil {
		return nil, err
	}
	m := &Message{Test: true}
	m.ID, m.At, m.Subject = id, now.UTC(), fmt.Sprintf("[as2drop %s] test: alarms for %s arrive here", d.Name, r.Name)
	m.Text = fmt.Sprintf("This is a test of the alarms of as2drop on %s: nothing is wrong.\nWhoever reads this is told as receiver %q from level %s on.\n\n-- \nas2drop %s on %s, %s, message %s\n", d.Name, r.Name, r.Level, d.Version, d.Name, d.moment(now), id)
	m.JSON, err = json.Marshal(Document{Version: 1, ID: id, At: m.At, Name: d.Name, Receiver: r.Name, Test: true, Subject: m.Subject, Text: m.Text, Alarms: []Told{}})
	return m, err
}
