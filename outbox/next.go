package outbox

import (
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// event is what happened to an open attempt, or what a receipt says.
type event struct {
	kind       eventKind
	verdict    ledger.Verdict // of settled
	reason     string         // fact
	hint       string         // what the operator can do, not what the agent will
	unknown    bool           // the partner may have the message
	retryAfter time.Duration  // the partner asked for this wait; at most the longest one
	rest       bool           // of retryAfter: he asked for it on behalf of all that goes to him
	asked      as2.MIC        // of asks: the partner's
	compare    bool           // of asks: what it is over, instead of ours in the same digest
	forged     bool           // of failed: whoever wrote the receipt did not prove to be the partner
	notes      []note         // worth telling beside it

	receipt     []byte // of settled, with its header; nil = it rests on none
	disposition string // of the receipt, as written
}

// note is worth an event of its own.
type note struct {
	level      ledger.Level
	code       string
	text, hint string
}

type eventKind int

const (
	settled eventKind = iota // there is a verdict
	failed                   // try again: counts
	stopped                  // we ended it ourselves: does not count
	paused                   // nobody of this partner gets through: does not count
	unclear                  // somebody has to look: held
	waits                    // the partner took it; the receipt comes on a connection of its own
	asks                     // judge wants to know more of the sealed message first
)

// decision is what follows from an event.
type decision struct {
	verdict ledger.Verdict // not empty: settle
	hold    string
	wait    bool // for the receipt
	reason  string
	next    string
	due     time.Time
	counted bool

	dismissed bool // by an operator: nobody is told that it failed, and nobody waits behind it
}

// next decides what follows when an attempt of a transfer ended. It is pure: jitter
// between 0 and 1 stands for chance. attempts is how many counted before this one.
func next(attempts int, deadline time.Time, e event, now time.Time, p Policy, jitter float64) decision {
	switch e.kind {
	case settled:
		return decision{verdict: e.verdict, reason: e.reason, next: e.hint, counted: true}
	case stopped, paused:
		return decision{reason: e.reason, next: e.hint, due: now}
	case waits:
		return decision{wait: true, reason: e.reason, next: e.hint, due: now.Add(p.ReceiptWait)}
	case unclear:
		return decision{hold: e.reason, reason: e.reason, next: e.hint, counted: true, due: now}
	}
	attempts++
	d := decision{reason: e.reason, counted: true}
	d.due = p.again(attempts, now, min(e.retryAfter, p.longest()), jitter)
	switch {
	case attempts >= p.Attempts:
		d.verdict = ledger.VerdictGaveUp
	case d.due.After(deadline):
		d.verdict = ledger.VerdictGaveUp
	}
	d.next = nextOf(e.hint, d.verdict)
	return d
}

// nextOf says after a failed attempt what the operator can do, and what the agent does by
// itself: of a transfer that is given up nothing.
func nextOf(hint string, verdict ledger.Verdict) string {
	const goesOn = "the same message is posted again"
	switch {
	case verdict != ledger.VerdictNone:
		return hint
	case hint == "":
		return goesOn
	}
	return hint + "; " + goesOn
}
