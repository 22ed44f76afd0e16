package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// answerFacts is an answer, or a receipt that came on a connection of its own, as it
// was read.
type answerFacts struct {
	answer *as2.Answer // nil = it came on a connection of its own
	mdn    *as2.MDN    // nil = there is no receipt
	mdnErr error       // why not
	opened findings    // what was asked of the sealed message
}

// judge says what an answer means for a transfer with a sealed message. before tells
// whether an earlier attempt may have reached the partner. It is pure: what only the
// sealed message itself can tell it asks for, and is called again.
//
// Files go to sent only on: an authentic receipt that accepts, with our MIC; where
// configured, a receipt without MIC for an unsigned message; any 2xx where no receipt
// was asked for; where configured, "duplicate" after an attempt of unknown outcome.
func judge(s as2.Sealed, messageID string, before bool, f answerFacts, p Policy) event {
	async := f.answer != nil && s.Receipt.Async != "" && f.answer.Status >= 200 && f.answer.Status < 300
	if f.mdn != nil {
		e := judgeReceipt(s, messageID, before, f, p)
		if async && e.kind == failed {
			return waiting(s, f.answer, e.reason) // the one that counts may still come
		}
		return e
	}
	ok := f.answer.Status >= 200 && f.answer.Status < 300
	switch {
	case ok && !s.Receipt.Wanted && f.answer.Early:
		return event{kind: failed, unknown: true, reason: fmt.Sprintf("HTTP %d, before the message was out; no receipt was asked for", f.answer.Status),
			hint: "something before the partner's server answers for it: ask him, and agree on receipts"}
	case ok && !s.Receipt.Wanted:
		return event{kind: settled, verdict: ledger.VerdictNoReceipt, reason: fmt.Sprintf("HTTP %d; no receipt was asked for", f.answer.Status)}
	case async && len(bytes.TrimSpace(f.answer.Body)) == 0:
		return waiting(s, f.answer, "")
	case async:
		return waiting(s, f.answer, "the answer is not empty and no receipt: "+noReceipt(f))
	case ok:
		return event{kind: failed, unknown: true, reason: fmt.Sprintf("HTTP %d without a receipt: %s", f.answer.Status, noReceipt(f)), hint: noReceiptHint(f.answer)}
	}
	return judgeStatus(f.answer, before, p)
}

// noReceipt says what an answer is that is no receipt.
func noReceipt(f answerFacts) string {
	says := words(f.answer)
	switch {
	case len(bytes.TrimSpace(f.answer.Body)) == 0:
		return "the answer is empty"
	case errors.Is(f.mdnErr, as2.ErrNotMDN) && says != "":
		return "the answer is " + says
	}
	return bare(strings.TrimPrefix(fmt.Sprint(reasonOf(f.mdnErr)), as2.ErrNotMDN.Error()+": "))
}

// bare is the text of an error on one line, without the names of packages: it becomes a
// part of ours.
func bare(text string) string {
	var parts []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		parts = append(parts, strings.TrimPrefix(strings.TrimPrefix(line, "as2: "), "cms: "))
	}
	return strings.Join(parts, ": ")
}

func noReceiptHint(a *as2.Answer) string {
	if strings.HasPrefix(words(a), "an HTML page") {
		return "url leads to a web page (a login, a gateway, a portal) and not to the AS2 server: compare it with what the partner gave you, or ask him"
	}
	return "ask the partner whether he has the message, and why no receipt came"
}

// waiting is what any 2xx means where the receipt is to come later (RFC 4130, 7.1).
func waiting(s as2.Sealed, a *as2.Answer, odd string) event {
	e := event{kind: waits, reason: fmt.Sprintf("HTTP %d; the receipt is to come to %s", a.Status, s.Receipt.Async),
		hint: "nothing; if no receipt comes the same message is posted again"}
	if odd != "" {
		e.reason += "; " + odd
		e.notes = append(e.notes, note{ledger.Warning, "odd-answer", odd, ""})
	}
	return e
}

func reasonOf(err error) error {
	if inner := errors.Unwrap(err); inner != nil && !errors.Is(err, as2.ErrNotMDN) {
		return inner
	}
	return err
}

// judgeReceipt decides about a receipt, whatever the HTTP status was.
func judgeReceipt(s as2.Sealed, messageID string, before bool, f answerFacts, p Policy) event {
	m := f.mdn
	if e := authentic(s, messageID, m); e.kind == failed {
		return e
	}
	stated := fmt.Sprintf("the partner answers %q", m.DispositionText)
	if m.Text != "" {
		stated += fmt.Sprintf(" and says %q", plain(m.Text, maxReceiptWords))
	}
	var e event
	switch {
	case m.Disposition.Duplicate() && before && (m.MIC == nil || !m.Disposition.Accepted()):
		e = judgeDuplicate(p, stated)
	case !m.Disposition.Accepted():
		e = event{kind: settled, verdict: ledger.VerdictRejected, reason: stated, hint: hintFor(m.Disposition)}
	default:
		e = judgeMIC(s, f, p, stated)
	}
	e.notes = append(notesOf(s, m), e.notes...)
	return e
}

// authentic holds a receipt against what was asked for; failed means that it counts
// for nothing.
func authentic(s as2.Sealed, messageID string, m *as2.MDN) event {
	again := event{kind: failed, unknown: true, forged: true}
	switch {
	case m.Claim != "":
		again.reason = "the receipt's signature does not count: " + bare(m.Claim)
		again.hint = "compare the partner's certificate with the one in the config"
	case s.Receipt.Signed && !m.Signed:
		again.reason = "the receipt is not signed, although a signed one was asked for"
		again.hint = "agree on signed receipts with the partner, or set receipt: unsigned"
	case as2.StripID(m.OriginalMessageID) != as2.StripID(messageID):
		again.reason = fmt.Sprintf("the receipt is for another message: %q", m.OriginalMessageID)
		again.hint = "tell the partner"
		again.forged = false
	default:
		return event{kind: settled}
	}
	return again
}

// judgeDuplicate decides about "I have it already" after an attempt whose outcome is
// unknown: it was delivered (design rule O8).
func judgeDuplicate(p Policy, stated string) event {
	const fact = "delivered, receipt lost: the partner has the message already, from an attempt whose answer did not reach us"
	if p.AcceptDuplicate {
		return event{kind: settled, verdict: ledger.VerdictReceiptLost, reason: fact + "; " + stated}
	}
	return event{kind: unclear, unknown: true, reason: fact + "; " + stated, hint: "ask the partner to confirm it, then set accept_duplicate: true and: as2drop release ID"}
}

// notesOf are the oddities of a receipt that change nothing about what it means.
func notesOf(s as2.Sealed, m *as2.MDN) (notes []note) {
	if m.Disposition.Accepted() && m.Disposition.Kind == "warning" {
		notes = append(notes, note{ledger.Warning, "receipt-warning", fmt.Sprintf("the partner took it with a warning: %q", m.DispositionText), "ask the partner what it means"})
	}
	if m.Expired {
		notes = append(notes, note{ledger.Alarm, "certificate-expired", fmt.Sprintf("the receipt is signed with the certificate %q, which is not valid now", m.Signer.Subject), "ask the partner for his present certificate"})
	}
	for _, n := range m.Notes {
		notes = append(notes, note{ledger.Info, "receipt-note", n, ""})
	}
	to := as2.UnquoteName(as2.Get(s.Header, "AS2-To"))
	if m.FinalRecipient != "" && to != "" && m.FinalRecipient != to {
		notes = append(notes, note{ledger.Warning, "odd-recipient", fmt.Sprintf("the receipt's final recipient is %q, the message went to %q", m.FinalRecipient, to), ""})
	}
	return notes
}
