package views

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// timeline puts everything that happened in the order of time, from the first thing on. A
// reason is told once: the verdict and its event repeat what the answer says.
func (s *Story) timeline(created time.Time, text string) []Moment {
	list := []Moment{{At: created, What: "created", Level: ledger.Info, Text: text}}
	for _, e := range s.Events {
		if s.tellsVerdict(e) {
			continue
		}
		list = append(list, Moment{At: e.At, What: "event", Level: e.Level, Text: e.Text, Hint: e.Hint})
	}
	for _, a := range s.Attempts {
		list = append(list, Moment{At: a.Opened, What: "attempt", Level: ledger.Info, N: a.N, Text: "posted to " + a.URL})
		if !a.Closed.IsZero() {
			list = append(list, Moment{At: a.Closed, What: "answer", Level: levelOf(a), N: a.N, Text: answer(a)})
		}
	}
	for _, w := range s.Wishes {
		list = append(list, Moment{At: w.At, What: "wish", Level: ledger.Info, By: w.By, Text: string(w.Kind) + because(w.Reason)})
		if !w.Done.IsZero() {
			list = append(list, Moment{At: w.Done, What: "granted", Level: ledger.Info, By: w.By, Text: w.Result})
		}
	}
	for _, h := range s.Hooks {
		if h.Open {
			continue
		}
		level := ledger.Info
		if h.Outcome == ledger.HookGaveUp {
			level = ledger.Warning
		}
		list = append(list, Moment{At: h.Done, What: "hook", Level: level, Text: fmt.Sprintf("hook %s %s: %s%s", h.Kind, h.Name, h.Outcome, because(h.Reason))})
	}
	if t := s.Transfer; t != nil {
		if !t.Settled.IsZero() {
			level := ledger.Info
			if !t.Verdict.Sent() {
				level = ledger.Alarm
			}
			list = append(list, Moment{At: t.Settled, What: "verdict", Level: level, Text: s.verdict(), Hint: t.Next})
		}
		if !t.Filed.IsZero() {
			list = append(list, Moment{At: t.Filed, What: "filed", Level: ledger.Info, Text: "filed in " + t.FilePath})
		}
	}
	slices.SortStableFunc(list, func(a, b Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(rank(a.What), rank(b.What))) })
	return list
}

// rank orders what happened at the same moment.
func rank(what string) int {
	return slices.Index([]string{"created", "wish", "granted", "attempt", "answer", "verdict", "filed", "hook", "event"}, what)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// verdict is what became of the transfer, with the reason if no attempt tells it.
func (s *Story) verdict() string {
	t := s.Transfer
	if slices.ContainsFunc(s.Attempts, func(a ledger.Attempt) bool { return a.Text == t.Reason }) {
		return string(t.Verdict)
	}
	return string(t.Verdict) + because(t.Reason)
}

// tellsVerdict reports whether an event says no more than the verdict.
func (s *Story) tellsVerdict(e ledger.Event) bool {
	t := s.Transfer
	return t != nil && t.Verdict != "" && e.Text == t.Document+": "+string(t.Verdict)+because(t.Reason)
}

// answer says how an attempt ended, and whether the partner can have the message.
func answer(a ledger.Attempt) string {
	text := map[ledger.Outcome]string{
		ledger.OutcomeNotSent: "the partner cannot have it", ledger.OutcomeUnknown: "the partner may have it",
		ledger.OutcomeWaiting: "the partner took it; the receipt comes later", ledger.OutcomeAnswered: "answered",
	}[a.Outcome]
	if a.Status != 0 {
		text += fmt.Sprintf(", HTTP %d", a.Status)
	}
	if !a.Counted {
		text += ", not counted"
	}
	return cmp.Or(text, string(a.Outcome)) + because(a.Text)
}

func levelOf(a ledger.Attempt) ledger.Level {
	if a.Outcome == ledger.OutcomeAnswered && a.Status < 300 || a.Outcome == ledger.OutcomeWaiting {
		return ledger.Info
	}
	return ledger.Warning
}
