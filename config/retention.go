package config

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/schedule"
)

// Housekeeping is when retention runs, and what it removes where a partner says nothing
// else.
type Housekeeping struct {
	At schedule.Schedule
	Retention
	at []string
}

// Retention is how long things are kept. The zero value keeps them for ever.
type Retention struct {
	Sent, Failed                       Age
	Messages, Evidence                 Age // of what was sent
	ReceivedMessages, ReceivedEvidence Age
	History                            Age
}

// Age is how long one kind of thing is kept.
type Age struct {
	Text string        // as it is written; empty = nothing is said
	For  time.Duration // 0 = for ever
}

// Rule is an age with its key, such as "sent: 90d"; empty = for ever.
func (a Age) rule(key string) string {
	if a.For == 0 {
		return ""
	}
	return key + ": " + a.Text
}

// ages are all of them, with their keys.
func (r *Retention) ages() []struct {
	key string
	age *Age
} {
	return []struct {
		key string
		age *Age
	}{{"sent", &r.Sent}, {"failed", &r.Failed}, {"messages", &r.Messages}, {"evidence", &r.Evidence},
		{"received_messages", &r.ReceivedMessages}, {"received_evidence", &r.ReceivedEvidence}, {"history", &r.History}}
}

// Rule is the rule of a key as people know it, such as "sent: 90d"; empty = for ever.
func (r *Retention) Rule(key string) string {
	for _, a := range r.ages() {
		if a.key == key {
			return a.age.rule(key)
		}
	}
	return ""
}

// String lists the rules; empty = everything is kept for ever.
func (r *Retention) String() string {
	var rules []string
	for _, a := range r.ages() {
		if rule := a.age.rule(a.key); rule != "" {
			rules = append(rules, rule)
		}
	}
	return strings.Join(rules, ", ")
}

// shortestAge protects from a slip of the pen: 90s in place of 90d.
const shortestAge = 24 * time.Hour

// maxAgeYears keeps ages within what a time.Duration can hold.
const maxAgeYears = 200

func setAge(field func(*Retention) *Age) func(*decoder, *Retention, *yaml.Node, string) {
	return func(d *decoder, r *Retention, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "forever, days or years")
		if !ok {
			return
		}
		age, ok := parseAge(s)
		if !ok || s != "forever" && age < shortestAge {
			d.fail(n.Line, path, "write for example 90d, 10y or forever", "must be forever, or one day or more, is %q", s)
			return
		}
		*field(r) = Age{s, age}
	}
}

// parseAge reads days or years. A year has 366 days here, so that ten of them are never
// less than ten by the calendar.
func parseAge(s string) (time.Duration, bool) {
	if s == "forever" {
		return 0, true
	}
	for unit, days := range map[string]int{"d": 1, "y": 366} {
		text, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n*days > maxAgeYears*366 || n > maxAgeYears*366 {
			return 0, false
		}
		return time.Duration(n*days) * 24 * time.Hour, true
	}
	return 0, false
}

func retentionKeys() []key[Retention] {
	const age = "forever, days or years"
	return []key[Retention]{
		{"sent", age, "forever", "Folders in sent, counted from when they were filed. A folder that holds anything that is not of its transfer stays, with an alarm.", setAge(func(r *Retention) *Age { return &r.Sent })},
		{"failed", age, "forever", "Folders in failed. Without its folder a transfer cannot be retried any more.", setAge(func(r *Retention) *Age { return &r.Failed })},
		{"messages", age, "as long as evidence", "Messages as they were sent, in .evidence. That of a transfer that was given up stays as long as its folder in failed.", setAge(func(r *Retention) *Age { return &r.Messages })},
		{"evidence", age, "forever", "All of the evidence of what was sent: message, header, certificates, answers and receipts.", setAge(func(r *Retention) *Age { return &r.Evidence })},
		{"received_messages", age, "as long as received_evidence", "Messages as they were received or refused, in .evidence.", setAge(func(r *Retention) *Age { return &r.ReceivedMessages })},
		{"received_evidence", age, "forever", "All of the evidence of what was received or refused.", setAge(func(r *Retention) *Age { return &r.ReceivedEvidence })},
		{"history", age, "forever", "In the ledger: events, attempts, the header of what was sent, and wishes of operators. Message-ID, MICs, receipts, verdicts and the names and digests of files stay for ever.", setAge(func(r *Retention) *Age { return &r.History })},
	}
}

func housekeepingKeys() []key[Housekeeping] {
	keys := []key[Housekeeping]{
		{"at", "list of schedules", "daily at 03:30", "When it runs. A run that was missed, because no agent ran, is made up for when one starts.", setStrings(func(h *Housekeeping) *[]string { return &h.at })},
	}
	for _, k := range retentionKeys() {
		keys = append(keys, key[Housekeeping]{k.name, k.typ, k.def, k.doc, func(d *decoder, h *Housekeeping, n *yaml.Node, path string) { k.set(d, &h.Retention, n, path) }})
	}
	return keys
}

// housekeeping reads the schedule.
func (f *finisher) housekeeping() {
	h := &f.config.Retention
	h.At = scheduled(f, "retention.at", h.at, f.config.Location, schedule.Parse)
}

// plain forgets how "forever" was written, which matters only between a partner and what
// is said for all.
func (r *Retention) plain() {
	for _, a := range r.ages() {
		if a.age.For == 0 {
			*a.age = Age{}
		}
	}
}

// retention completes the rules of a partner with those for all, and checks them.
func (f *finisher) retention(p *Partner, path string) {
	all := f.config.Retention.ages()
	where := map[string]string{}
	for i, a := range p.Retention.ages() {
		where[a.key] = path + ".retention." + a.key
		if a.age.Text == "" {
			*a.age = *all[i].age
			where[a.key] = "retention." + a.key
		}
	}
	r := &p.Retention
	for _, pair := range []struct {
		part, whole       string
		partAge, wholeAge Age
	}{{"messages", "evidence", r.Messages, r.Evidence}, {"received_messages", "received_evidence", r.ReceivedMessages, r.ReceivedEvidence}} {
		if pair.partAge.Text != "" && pair.wholeAge.For != 0 && (pair.partAge.For == 0 || pair.partAge.For > pair.wholeAge.For) {
			f.reportOnce(where[pair.part], "the message lies in the evidence and goes with it", "%s is longer than %s: %s", pair.partAge.Text, pair.whole, pair.wholeAge.Text)
		}
	}
	if needed, by := p.historyNeeded(); r.History.For != 0 && r.History.For < needed {
		f.reportOnce(where["history"], "", "%s is shorter than what is still asked for it: %s of partners.%s is %v", r.History.Text, by, p.Name, needed)
	}
	r.plain()
}

// historyNeeded is how long what happened may still matter to somebody, and which key says
// so.
func (p *Partner) historyNeeded() (longest time.Duration, by string) {
	for _, c := range []struct {
		d   time.Duration
		key string
		on  bool
	}{{p.LateWindow, "naming.late_window", true}, {time.Duration(p.Outbox.SameDays) * 24 * time.Hour, "outbox.same_content_days", p.Outbox.SameContent != "off"},
		{p.Retry.GiveUpAfter, "retry.give_up_after", true}, {p.Receive.ReceiptRetry.GiveUpAfter, "receive.receipt_retry.give_up_after", true}} {
		if c.on && c.d > longest {
			longest, by = c.d, c.key
		}
	}
	return longest, by
}

// reportOnce reports a mistake that many partners may share, with one line of the file.
func (f *finisher) reportOnce(path, hint, format string, args ...any) {
	if f.told == nil {
		f.told = map[string]bool{}
	}
	if !f.told[path] {
		f.told[path] = true
		f.report(path, hint, format, args...)
	}
}
