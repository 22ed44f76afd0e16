package outbox

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/ledger"
)

func micOf(d cms.Digest, b byte) *as2.MIC {
	return &as2.MIC{Digest: d, Sum: bytes.Repeat([]byte{b}, d.Hash().Size())}
}

// Every line of design rule O5 to O8: files go to sent only on what stands here as
// settled with a verdict that is Sent.
func TestJudge(t *testing.T) {
	signed := as2.Sealed{Signed: true, MICs: []as2.MIC{*micOf(cms.SHA256, 1)}, Receipt: as2.ReceiptRequest{Wanted: true, Signed: true}}
	unsigned := as2.Sealed{MICs: signed.MICs, Receipt: as2.ReceiptRequest{Wanted: true}}
	plainly := as2.Sealed{Signed: true, MICs: signed.MICs, Receipt: as2.ReceiptRequest{Wanted: true}}
	noReceipt := as2.Sealed{Signed: true}
	good := func(change func(*as2.MDN)) *as2.MDN {
		m := &as2.MDN{Signed: true, OriginalMessageID: "<1@us>", Disposition: as2.Processed, MIC: micOf(cms.SHA256, 1)}
		if change != nil {
			change(m)
		}
		return m
	}
	notMDN := errors.Join(as2.ErrNotMDN)
	for name, c := range map[string]struct {
		sealed  as2.Sealed
		before  bool
		status  int
		mdn     *as2.MDN
		policy  Policy
		kind    eventKind
		verdict ledger.Verdict
		unknown bool
		says    string
	}{
		"accepted":                         {signed, false, 200, good(nil), Policy{}, settled, ledger.VerdictAccepted, false, ""},
		"accepted, whatever the status":    {signed, false, 500, good(nil), Policy{}, settled, ledger.VerdictAccepted, false, ""},
		"accepted with a warning":          {signed, false, 200, good(func(m *as2.MDN) { m.Disposition = as2.Disposition{Type: "processed", Kind: "warning", Modifier: "x"} }), Policy{}, settled, ledger.VerdictAccepted, false, ""},
		"Message-ID without brackets":      {signed, false, 200, good(func(m *as2.MDN) { m.OriginalMessageID = "1@us" }), Policy{}, settled, ledger.VerdictAccepted, false, ""},
		"unsigned receipt":                 {signed, false, 200, good(func(m *as2.MDN) { m.Signed = false }), Policy{}, failed, "", true, "not signed"},
		"signed by a stranger":             {signed, false, 200, good(func(m *as2.MDN) { m.Signed, m.Claim = false, "none of ours" }), Policy{}, failed, "", true, "none of ours"},
		"a bad signature nobody asked for": {unsigned, false, 200, good(func(m *as2.MDN) { m.Signed, m.Claim = false, "broken" }), Policy{}, failed, "", true, "broken"},
		"for another message":              {signed, false, 200, good(func(m *as2.MDN) { m.OriginalMessageID = "<2@us>" }), Policy{}, failed, "", true, `"<2@us>"`},
		"wrong MIC":                        {signed, false, 200, good(func(m *as2.MDN) { m.MIC = micOf(cms.SHA256, 2) }), Policy{}, asks, "", false, ""},
		"no MIC":                           {signed, false, 200, good(func(m *as2.MDN) { m.MIC = nil }), Policy{AcceptNoMIC: true}, settled, ledger.VerdictRejected, false, "no MIC"},
		"no MIC, unsigned message":         {unsigned, false, 200, good(func(m *as2.MDN) { m.MIC = nil }), Policy{}, settled, ledger.VerdictRejected, false, "no MIC"},
		"no MIC, unsigned, configured":     {unsigned, false, 200, good(func(m *as2.MDN) { m.MIC = nil }), Policy{AcceptNoMIC: true}, settled, ledger.VerdictUnverified, false, ""},
		"no MIC, unsigned receipt":         {plainly, false, 200, good(func(m *as2.MDN) { m.Signed, m.MIC = false, nil }), Policy{}, settled, ledger.VerdictRejected, false, "no MIC"},
		"no MIC, unsigned, agreed":         {plainly, false, 200, good(func(m *as2.MDN) { m.Signed, m.MIC = false, nil }), Policy{AcceptNoMIC: true}, settled, ledger.VerdictUnverified, false, ""},
		"unreadable MIC":                   {unsigned, false, 200, good(func(m *as2.MDN) { m.MIC, m.MICText = nil, "x" }), Policy{AcceptNoMIC: true}, settled, ledger.VerdictRejected, false, `"x"`},
		"MIC in another digest":            {signed, false, 200, good(func(m *as2.MDN) { m.MIC = micOf(cms.SHA512, 1) }), Policy{}, asks, "", false, ""},
		"processed/error":                  {signed, false, 200, good(func(m *as2.MDN) { m.Disposition = as2.Failed(as2.DecryptionFailed) }), Policy{}, settled, ledger.VerdictRejected, false, ""},
		"failed/failure":                   {signed, false, 200, good(func(m *as2.MDN) { m.Disposition = as2.Failed(as2.UnsupportedFormat) }), Policy{}, settled, ledger.VerdictRejected, false, ""},
		"duplicate, out of the blue": {signed, false, 200, good(func(m *as2.MDN) {
			m.Disposition = as2.Disposition{Type: "processed", Kind: "error", Modifier: "duplicate-document"}
		}), Policy{}, settled, ledger.VerdictRejected, false, ""},
		"duplicate after an unknown one": {signed, true, 200, good(func(m *as2.MDN) {
			m.Disposition = as2.Disposition{Type: "processed", Kind: "error", Modifier: "duplicate-document"}
		}), Policy{}, unclear, "", true, "delivered, receipt lost"},
		"duplicate, configured": {signed, true, 200, good(func(m *as2.MDN) {
			m.Disposition = as2.Disposition{Type: "processed", Kind: "error", Modifier: "duplicate-document"}
		}), Policy{AcceptDuplicate: true}, settled, ledger.VerdictReceiptLost, false, ""},
		"duplicate warning with our MIC": {signed, true, 200, good(func(m *as2.MDN) {
			m.Disposition = as2.Disposition{Type: "processed", Kind: "warning", Modifier: "duplicate-document"}
		}), Policy{}, settled, ledger.VerdictAccepted, false, ""},
		"no receipt asked":              {noReceipt, false, 204, nil, Policy{}, settled, ledger.VerdictNoReceipt, false, ""},
		"no receipt asked, and a fault": {noReceipt, false, 500, nil, Policy{}, failed, "", true, ""},
		"a page instead of a receipt":   {signed, false, 200, nil, Policy{}, failed, "", true, "without a receipt"},
		"400":                           {signed, false, 400, nil, Policy{}, settled, ledger.VerdictRejected, false, "400"},
		"400 after an unknown one":      {signed, true, 400, nil, Policy{}, settled, ledger.VerdictGaveUp, false, "400"},
		"401":                           {signed, false, 401, nil, Policy{}, paused, "", false, "401"},
		"403":                           {signed, false, 403, nil, Policy{}, paused, "", false, "403"},
		"404":                           {signed, false, 404, nil, Policy{}, paused, "", false, "404"},
		"407":                           {signed, false, 407, nil, Policy{}, paused, "", false, "407"},
		"a redirect":                    {signed, false, 302, nil, Policy{}, paused, "", false, "302"},
		"408":                           {signed, false, 408, nil, Policy{}, failed, "", false, "408"},
		"429":                           {signed, false, 429, nil, Policy{}, failed, "", false, "429"},
		"503":                           {signed, false, 503, nil, Policy{}, failed, "", true, "503"},
		"500":                           {signed, false, 500, nil, Policy{}, failed, "", true, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			e := judge(c.sealed, "<1@us>", c.before, answerFacts{answer: &as2.Answer{Status: c.status, Header: http.Header{}}, mdn: c.mdn, mdnErr: notMDN}, c.policy)
			if e.kind != c.kind || e.verdict != c.verdict || e.unknown != c.unknown || !strings.Contains(e.reason, c.says) {
				t.Errorf("%+v", e)
			}
			if c.kind != asks && (e.reason == "" || e.hint == "" && !e.verdict.Sent()) {
				t.Errorf("nothing an operator could do: %+v", e)
			}
		})
	}
}

// closedUntil is a window that opens at a moment.
type closedUntil time.Time

func (c closedUntil) Next(t time.Time) time.Time {
	if t.Before(time.Time(c)) {
		return time.Time(c)
	}
	return t
}

func (c closedUntil) Later(t time.Time, d time.Duration) time.Time { return c.Next(t).Add(d) }

func TestNext(t *testing.T) {
	p := Policy{Attempts: 3, First: time.Minute, Max: 10 * time.Minute, Factor: 4}
	late := moment.Add(time.Hour)
	again := event{kind: failed, reason: "r"}
	for name, c := range map[string]struct {
		attempts int
		deadline time.Time
		e        event
		policy   Policy
		verdict  ledger.Verdict
		due      time.Duration
		counted  bool
		held     bool
	}{
		"first failure":           {0, late, again, p, "", time.Minute, true, false},
		"second failure":          {1, late, again, p, "", 4 * time.Minute, true, false},
		"the last one":            {2, late, again, p, ledger.VerdictGaveUp, 10 * time.Minute, true, false},
		"no time left":            {0, moment.Add(30 * time.Second), again, p, ledger.VerdictGaveUp, time.Minute, true, false},
		"Retry-After is longer":   {0, late, event{kind: failed, retryAfter: 5 * time.Minute}, p, "", 5 * time.Minute, true, false},
		"Retry-After is shorter":  {0, late, event{kind: failed, retryAfter: time.Second}, p, "", time.Minute, true, false},
		"the window opens later":  {0, late, again, Policy{Attempts: 3, First: time.Minute, Max: time.Hour, Factor: 2, Window: closedUntil(moment.Add(20 * time.Minute))}, "", 20 * time.Minute, true, false},
		"stopped by us":           {2, late, event{kind: stopped}, p, "", 0, false, false},
		"the partner is paused":   {2, late, event{kind: paused}, p, "", 0, false, false},
		"somebody has to look":    {0, late, event{kind: unclear, reason: "r"}, p, "", 0, true, true},
		"the receipt comes later": {2, late, event{kind: waits}, Policy{Attempts: 3, ReceiptWait: time.Hour}, "", time.Hour, false, false},
		"settled":                 {0, late, event{kind: settled, verdict: ledger.VerdictAccepted}, p, ledger.VerdictAccepted, 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := next(c.attempts, c.deadline, c.e, moment, c.policy, 0.5)
			due := d.due.Sub(moment)
			if c.e.kind == settled {
				due = 0
			}
			if d.verdict != c.verdict || due != c.due || d.counted != c.counted || (d.hold != "") != c.held {
				t.Errorf("%+v, due in %v", d, due)
			}
		})
	}
	if low, high := backoff(1, Policy{First: time.Minute, Max: time.Hour, Factor: 2, Jitter: 0.1}, 0), backoff(1, Policy{First: time.Minute, Max: time.Hour, Factor: 2, Jitter: 0.1}, 1); low != 54*time.Second || high != 66*time.Second {
		t.Errorf("jitter from %v to %v", low, high)
	}
	if got := backoff(500, p, 0.5); got != 10*time.Minute {
		t.Errorf("the 500th wait is %v", got)
	}
}

// What a receipt does, in every state and to every verdict (design rules O6 and O8).
func TestMeet(t *testing.T) {
	accepted := event{kind: settled, verdict: ledger.VerdictAccepted}
	lost := event{kind: settled, verdict: ledger.VerdictReceiptLost}
	rejected := event{kind: settled, verdict: ledger.VerdictRejected}
	duplicate := event{kind: unclear}
	foreign := event{kind: failed}
	type want map[string]effect
	events := map[string]event{"accepted": accepted, "lost": lost, "rejected": rejected, "duplicate": duplicate, "foreign": foreign}
	for verdict, w := range map[ledger.Verdict]want{
		ledger.VerdictNone:        {"accepted": settles, "lost": settles, "rejected": settles, "duplicate": holds, "foreign": ignored},
		ledger.VerdictGaveUp:      {"accepted": supersedes, "lost": supersedes, "rejected": supersedes, "duplicate": holds, "foreign": ignored},
		ledger.VerdictAccepted:    {"accepted": repeated, "lost": repeated, "rejected": contradicts, "duplicate": repeated, "foreign": ignored},
		ledger.VerdictUnverified:  {"accepted": repeated, "lost": repeated, "rejected": contradicts, "duplicate": repeated, "foreign": ignored},
		ledger.VerdictNoReceipt:   {"accepted": repeated, "lost": repeated, "rejected": contradicts, "duplicate": repeated, "foreign": ignored},
		ledger.VerdictReceiptLost: {"accepted": repeated, "lost": repeated, "rejected": contradicts, "duplicate": repeated, "foreign": ignored},
		ledger.VerdictRejected:    {"accepted": contradicts, "lost": contradicts, "rejected": repeated, "duplicate": contradicts, "foreign": ignored},
		ledger.VerdictRefused:     {"accepted": contradicts, "lost": contradicts, "rejected": contradicts, "duplicate": contradicts, "foreign": ignored},
	} {
		for _, state := range []ledger.State{ledger.StateSealed, ledger.StateSending, ledger.StateWaiting, ledger.StateSettled, ledger.StateFiled, ledger.StateReopening} {
			for name, e := range events {
				if got := meet(&ledger.Transfer{State: state, Verdict: verdict}, e); got != w[name] {
					t.Errorf("%s, verdict %q, %s: %d, want %d", state, verdict, name, got, w[name])
				}
			}
		}
	}
	if got := meet(&ledger.Transfer{State: ledger.StateSealed, Hold: "x", HoldCode: holdReceipt}, duplicate); got != repeated {
		t.Errorf("held by a receipt already: %d", got)
	}
}

func TestReservedNames(t *testing.T) {
	for name, want := range map[string]bool{"transfer.json": true, "Transfer.JSON": true, "WHY.txt": true, "message": true, "receipt.mdn": true, "spool.part": true, "message.part": true, "transfer.xml": false, "message.xml": false} {
		if reserved(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
