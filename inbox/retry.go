package inbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// ReceiptRetry says how often an asynchronous receipt is posted. Zero fields mean the
// defaults.
type ReceiptRetry struct {
	Attempts int           // counted POSTs in all; default 12
	First    time.Duration // after the first failure, then twice as long each time; default 1 min
	Max      time.Duration // the longest wait; default 1 h
	GiveUp   time.Duration // since the receipt was asked for; default 72 h
}

func (r ReceiptRetry) withDefaults() ReceiptRetry {
	orDefault := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	if r.Attempts == 0 {
		r.Attempts = 12
	}
	orDefault(&r.First, time.Minute)
	orDefault(&r.Max, time.Hour)
	orDefault(&r.GiveUp, 72*time.Hour)
	return r
}

// What became of an owed receipt.
const (
	delivered = "delivered"
	gaveUp    = "gave up"
)

// posting is what came of one POST of a receipt.
type posting struct {
	delivered  bool
	counted    bool // against the limit
	reason     string
	retryAfter time.Duration // as the partner asks
}

// readPosting reads the answer to a receipt, and completes the attempt. Any 2xx means
// that the partner has it.
func readPosting(a *ledger.Attempt, answer *as2.Answer, err error) posting {
	var pe *as2.PostError
	switch {
	case err != nil:
		a.Outcome = ledger.OutcomeNotSent
		stopped := false
		if errors.As(err, &pe) {
			stopped = pe.Stopped
			if pe.Unknown {
				a.Outcome = ledger.OutcomeUnknown
			}
		}
		return posting{counted: !stopped, reason: err.Error()}
	case answer.Status/100 == 2:
		a.Outcome, a.Status = ledger.OutcomeAnswered, answer.Status
		return posting{delivered: true, counted: true}
	}
	// A 4xx too is tried again: the other side may not have recorded its message yet.
	a.Outcome, a.Status = ledger.OutcomeAnswered, answer.Status
	return posting{counted: true, reason: fmt.Sprintf("HTTP %d", answer.Status), retryAfter: answer.RetryAfter}
}

// after is an owed receipt after a POST. It is pure.
func (r ReceiptRetry) after(m ledger.OwedMDN, p posting, now time.Time) ledger.OwedMDN {
	m.Posting, m.Reason = false, p.reason
	if p.counted {
		m.Attempts++
	}
	switch {
	case p.delivered:
		m.Open, m.Outcome, m.Done = false, delivered, now
	case !p.counted:
		m.Due = now
	case m.Attempts >= r.Attempts, !now.Before(m.Deadline):
		m.Open, m.Outcome, m.Done = false, gaveUp, now
	default:
		m.Due = now.Add(min(max(r.wait(m.Attempts), p.retryAfter), r.Max))
	}
	return m
}

// wait is the pause after the n-th failure, from 1.
func (r ReceiptRetry) wait(n int) time.Duration {
	wait := r.First
	for i := 1; i < n && wait < r.Max; i++ {
		wait *= 2
	}
	return min(wait, r.Max)
}
