package outbox

import (
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// findings are what was asked of a sealed message.
type findings struct {
	mic       *as2.MIC       // ours in the digest of the receipt, where we did not offer it
	variation *as2.Variation // what the partner's MIC is over; nil = nothing known
	compared  bool           // it was asked for
	err       error          // why the message could not be opened
}

// judgeMIC decides about a receipt that accepts: it counts for the content whose digest
// it repeats (RFC 4130, 7.4.3).
func judgeMIC(s as2.Sealed, f answerFacts, p Policy, stated string) event {
	m := f.mdn
	if m.MIC == nil {
		return judgeNoMIC(s, m, p, stated)
	}
	theirs := statedMIC(s, m)
	ours, offered := as2.FindMIC(s.MICs, theirs.Digest)
	known := offered
	if !offered && f.opened.mic != nil {
		ours, known = *f.opened.mic, true
	}
	accepted := event{kind: settled, verdict: ledger.VerdictAccepted, reason: stated}
	switch {
	case !known && f.opened.err != nil:
		return event{kind: unclear, unknown: true, reason: fmt.Sprintf("the receipt's MIC is in %v, which we did not offer, and ours cannot be computed: %v; %s", theirs.Digest, f.opened.err, stated),
			hint: "ask the partner for a MIC in the digest of our signature"}
	case !known:
		return event{kind: asks, asked: theirs}
	case ours.Equal(theirs) && offered:
		return accepted
	case ours.Equal(theirs):
		accepted.notes = []note{{ledger.Info, "mic-digest", fmt.Sprintf("the receipt's MIC is in %v, which we did not offer; ours was computed from the sealed message", theirs.Digest), ""}}
		return accepted
	case f.opened.err == nil && !f.opened.compared:
		return event{kind: asks, asked: theirs, compare: true}
	}
	return judgeVariant(s, f, ours, theirs, p, stated)
}

// statedMIC is the MIC of a receipt; where several are stated, the first in a digest that
// was computed when the message was sealed.
func statedMIC(s as2.Sealed, m *as2.MDN) as2.MIC {
	for _, mic := range m.MICs {
		if _, ok := as2.FindMIC(s.MICs, mic.Digest); ok {
			return mic
		}
	}
	return *m.MIC
}

// judgeNoMIC decides about a receipt that accepts and does not say what. The request for
// an unsigned receipt names no digest (RFC 4130, 7.3), and OpenAS2 states no MIC then,
// for signed messages too; as anybody could write such a receipt, a MIC in it would
// prove no more.
func judgeNoMIC(s as2.Sealed, m *as2.MDN, p Policy, stated string) event {
	if m.MICText == "" && !(s.Signed && s.Receipt.Signed) && p.AcceptNoMIC {
		return event{kind: settled, verdict: ledger.VerdictUnverified, reason: stated + "; the receipt states no MIC"}
	}
	fact := "the receipt states no MIC"
	if m.MICText != "" {
		fact = fmt.Sprintf("the receipt's MIC cannot be read: %q", m.MICText)
	}
	return event{kind: settled, verdict: ledger.VerdictRejected, reason: fact + ", so it does not prove what was received; " + stated,
		hint: "ask the partner what he received"}
}

// judgeVariant decides about a MIC that is not ours.
func judgeVariant(s as2.Sealed, f answerFacts, ours, theirs as2.MIC, p Policy, stated string) event {
	v := f.opened.variation
	if v != nil && v.Forgiven(&s, p.quirks) {
		e := event{kind: settled, verdict: ledger.VerdictAccepted, reason: stated}
		level := ledger.Warning
		if v.Headerless { // RFC 5402, 4.3 wants the header hashed; OpenAS2 leaves it out
			level = ledger.Info
		}
		e.notes = []note{{level, "mic-variant", fmt.Sprintf("the receipt's MIC is not over what the RFCs name, but over: %s; it counts as agreed", v.Name), ""}}
		return e
	}
	e := event{kind: settled, verdict: ledger.VerdictRejected,
		reason: fmt.Sprintf("the receipt's MIC is %q, ours is %q: the partner received something else", theirs, ours),
		hint:   "ask the partner what he received; do not take it for delivered"}
	switch {
	case f.opened.err != nil && (p.quirks.CanonicalMIC || s.Compressed && !s.Signed):
		// It might be one that counts.
		e.kind, e.verdict, e.unknown = unclear, ledger.VerdictNone, true
		e.hint += "; as2drop release ID posts it again"
		fallthrough
	case f.opened.err != nil:
		e.reason += fmt.Sprintf("; it could not be compared with other ways to compute it: %v", f.opened.err)
	case v == nil:
		e.reason += "; no known way to compute it gives his"
	default:
		e.reason += fmt.Sprintf("; his is over: %s (%s)", v.Name, v.MIC.Digest)
		e.hint = "the partner has the content and computes the MIC in another way: show him what it must be over; do not take it for delivered before he does"
		if v.CRLF && !v.Headerless && !v.Break {
			e.hint = strings.TrimSuffix(e.hint, " before he does") + ", or set canonical_mic for him if both agree on it"
		}
	}
	e.reason += "; " + stated
	return e
}
