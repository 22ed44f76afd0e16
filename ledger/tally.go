package ledger

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Rule says how long things are kept. The zero value keeps them for ever.
type Rule struct {
	Text string        // as in the config: "sent: 90d"
	For  time.Duration // 0 = for ever
}

// Ever reports whether the rule removes nothing, ever.
func (r Rule) Ever() bool { return r.For == 0 }

// By is the moment up to which things are old enough to be removed.
func (r Rule) By(now time.Time) time.Time { return now.Add(-r.For) }

// ThingEvents are events. They are rows of their own, not part of a transfer.
const ThingEvents Thing = "events"

// Candidate is something that a rule wants removed.
type Candidate struct {
	Partner string    `json:"partner"`
	What    Thing     `json:"what"`
	Rule    string    `json:"rule"`
	ID      string    `json:"id,omitempty"`   // of the transfer or message
	Name    string    `json:"name,omitempty"` // its document or key
	Path    string    `json:"path,omitempty"` // in the partner's folder
	Since   time.Time `json:"since"`          // filed or received; of several, the oldest
	Count   int64     `json:"count"`          // 1, but for events
	Bytes   int64     `json:"bytes"`
	Left    string    `json:"left,omitempty"` // why it stays all the same
}

// Tally adds up what a run of retention did by one rule.
type Tally struct {
	Partner string
	What    Thing
	Rule    string
	Removed int64
	Missing int64 // things that were not there any more
	Bytes   int64
	Oldest  time.Time
	Left    int64    // things that stay although they are old enough
	Whys    []string // why, of the first ones

	events [2]Event // of what was removed, and of what stays
}

// maxWhys is how many reasons a tally names.
const maxWhys = 5

// Add counts one thing.
func (t *Tally) Add(c Candidate) {
	if c.Left != "" {
		if t.Left++; len(t.Whys) < maxWhys {
			t.Whys = append(t.Whys, strings.TrimPrefix(c.Path+": ", ": ")+c.Left)
		}
		return
	}
	t.Removed += c.Count
	t.Bytes += c.Bytes
	if t.Oldest.IsZero() || !c.Since.IsZero() && c.Since.Before(t.Oldest) {
		t.Oldest = c.Since
	}
}

// Empty reports whether there is nothing to tell.
func (t *Tally) Empty() bool { return t.Removed+t.Missing+t.Left == 0 }

// things are what a tally counts, for people.
var things = map[Thing]string{
	ThingSent: "folders from sent", ThingFailed: "folders from failed", ThingMessage: "messages from the evidence",
	ThingEvidence: "folders of evidence", ThingHistory: "attempts and headers of transfers", ThingEvents: "events",
}

// Fact says what was removed.
func (t *Tally) Fact() string {
	fact := fmt.Sprintf("%d %s, %d bytes, by the rule %s", t.Removed, cmp.Or(things[t.What], string(t.What)), t.Bytes, t.Rule)
	if !t.Oldest.IsZero() {
		fact += ", the oldest of " + t.Oldest.UTC().Format(time.DateOnly)
	}
	if t.Missing > 0 {
		fact += fmt.Sprintf("; %d were not there any more", t.Missing)
	}
	return fact
}

// Record makes one event of all that was removed in a run, and one of what stays. It is
// called in the transaction that says so of the transfers, each time anew.
func (t *Tally) Record(tx *Tx, at time.Time) error {
	if t.Removed+t.Missing > 0 {
		t.events[0] = Event{ID: t.events[0].ID, At: at.UTC(), Level: Info, Partner: t.Partner, Code: "retention", Text: "retention removed " + t.Fact()}
		if err := tx.PutEvent(&t.events[0]); err != nil {
			return err
		}
	}
	if t.Left == 0 {
		return nil
	}
	t.events[1] = Event{ID: t.events[1].ID, At: at.UTC(), Level: Alarm, Partner: t.Partner, Code: "retention-left", Hint: "take out what is not the agent's, or remove it by hand",
		Text: fmt.Sprintf("retention left %d %s alone that are old enough (%s): %s", t.Left, cmp.Or(things[t.What], string(t.What)), t.Rule, strings.Join(t.Whys, "; "))}
	return tx.PutEvent(&t.events[1])
}
