package outbox

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// answerFacts is an answer as it was read.
type answerFacts struct {
	answer *as2.Answer
	mdn    *as2.MDN // nil = the answer is no receipt
	mdnErr error    // why not
}

// judge says what an answer means for a transfer with a sealed message. before tells
// whether an earlier attempt may have reached the partner. It is pure.
//
// Files go to sent only on: an authentic receipt that accepts, with our MIC; where
// configured, a receipt without MIC for an unsigned message; any 2xx where no receipt
// was asked for; where configured, "duplicate" after an attempt of unknown outcome.
func judge(s as2.Sealed, messageID string, before bool, f answerFacts, p Policy) event {
	if f.mdn != nil {
		return judgeReceipt(s, messageID, before, f.mdn, p)
	}
	ok := f.answer.Status >= 200 && f.answer.Status < 300
	if ok && !s.Receipt.Wanted {
		return event{kind: settled, verdict: ledger.VerdictNoReceipt, reason: fmt.Sprintf("HTTP %d; no receipt was asked for", f.answer.Status)}
	}
	if ok {
		return event{kind: failed, unknown: true, reason: fmt.Sprintf("HTTP %d without a receipt: %v", f.answer.Status, reasonOf(f.mdnErr)),
			hint: "ask the partner whether he has the message and why no receipt came; the same message is posted again"}
	}
	return judgeStatus(f.answer)
}

func reasonOf(err error) error {
	if inner := errors.Unwrap(err); inner != nil && !errors.Is(err, as2.ErrNotMDN) {
		return inner
	}
	return err
}

// judgeStatus classes an HTTP status that came without a receipt.
func judgeStatus(a *as2.Answer) event {
	e := event{kind: failed, retryAfter: a.RetryAfter, reason: fmt.Sprintf("HTTP %d %s", a.Status, http.StatusText(a.Status))}
	switch {
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusProxyAuthRequired:
		e.kind, e.hint = paused, "the partner's server wants other credentials, or does not know our address; agree on it with him, then: as2drop release PARTNER"
	case a.Status == http.StatusNotFound:
		e.kind, e.hint = paused, "the URL of the partner is wrong, or his AS2 server is not running behind it; correct url, then: as2drop release PARTNER"
	case a.Status >= 300 && a.Status < 400:
		e.kind, e.hint = paused, fmt.Sprintf("the partner's server points to %q; redirects are not followed: ask him, and set url", a.Header.Get("Location"))
	case a.Status == http.StatusRequestTimeout || a.Status == http.StatusTooEarly || a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable:
		e.hint = "the partner's server is busy; the same message is posted again"
	case a.Status >= 500:
		e.unknown, e.hint = true, "the partner's server has a fault; the same message is posted again"
	case a.Status >= 400:
		e.kind, e.verdict, e.hint = settled, ledger.VerdictRejected, "the partner's server refuses the request itself; ask him why"
	default:
		e.unknown = true
	}
	return e
}

// judgeReceipt decides about a receipt, whatever the HTTP status was.
func judgeReceipt(s as2.Sealed, messageID string, before bool, m *as2.MDN, p Policy) event {
	again := event{kind: failed, unknown: true}
	switch {
	case m.Claim != "":
		again.reason = "the receipt's signature does not count: " + m.Claim
		again.hint = "compare the partner's certificate with the one in the config; the same message is posted again"
		return again
	case s.Receipt.Signed && !m.Signed:
		again.reason = "the receipt is not signed, although a signed one was asked for"
		again.hint = "agree on signed receipts with the partner, or set receipt: unsigned; the same message is posted again"
		return again
	case as2.StripID(m.OriginalMessageID) != as2.StripID(messageID):
		again.reason = fmt.Sprintf("the receipt is for another message: %q", m.OriginalMessageID)
		again.hint = "tell the partner; the same message is posted again"
		return again
	}
	stated := fmt.Sprintf("the partner answers %q", m.DispositionText)
	if m.Text != "" {
		stated += fmt.Sprintf(" and says %q", m.Text)
	}
	if m.Disposition.Duplicate() && before && (m.MIC == nil || !m.Disposition.Accepted()) {
		const fact = "delivered, receipt lost: the partner has the message already, from an attempt whose answer did not reach us"
		if p.AcceptDuplicate {
			return event{kind: settled, verdict: ledger.VerdictReceiptLost, reason: fact + "; " + stated}
		}
		return event{kind: unclear, unknown: true, reason: fact + "; " + stated, hint: "ask the partner to confirm it, then set accept_duplicate: true and: as2drop release ID"}
	}
	if !m.Disposition.Accepted() {
		return event{kind: settled, verdict: ledger.VerdictRejected, reason: stated, hint: hintFor(m.Disposition)}
	}
	return judgeMIC(s, m, p, stated)
}

func judgeMIC(s as2.Sealed, m *as2.MDN, p Policy, stated string) event {
	if m.MIC == nil {
		if m.MICText == "" && !s.Signed && p.AcceptNoMIC {
			return event{kind: settled, verdict: ledger.VerdictUnverified, reason: stated + "; the receipt states no MIC"}
		}
		fact := "the receipt states no MIC"
		if m.MICText != "" {
			fact = fmt.Sprintf("the receipt's MIC cannot be read: %q", m.MICText)
		}
		return event{kind: settled, verdict: ledger.VerdictRejected, reason: fact + ", so it does not prove what was received; " + stated,
			hint: "ask the partner what he received"}
	}
	ours, known := as2.FindMIC(s.MICs, m.MIC.Digest)
	switch {
	case !known:
		return event{kind: unclear, unknown: true, reason: fmt.Sprintf("the receipt's MIC is in %v, which we did not ask for; %s", m.MIC.Digest, stated),
			hint: "ask the partner for a MIC in the digest of our signature"}
	case !ours.Equal(*m.MIC):
		return event{kind: settled, verdict: ledger.VerdictRejected,
			reason: fmt.Sprintf("the receipt's MIC is %q, ours is %q: the partner received something else; %s", m.MIC, ours, stated),
			hint:   "ask the partner what he received; do not take it for delivered"}
	}
	return event{kind: settled, verdict: ledger.VerdictAccepted, reason: stated}
}
