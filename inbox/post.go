package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// owe records, in the transaction of its cause, that the receipt of a stored message is
// to be posted, and what became of the message. One that was posted before is posted
// again, the same bytes. A sender who waits is owed nothing.
func (r *request) owe(tx *ledger.Tx, id string, receipt json.RawMessage, outcome string) error {
	if r.stored == nil {
		return nil
	}
	now := r.Now().UTC()
	m, err := tx.OwedMDN(id)
	first := errors.Is(err, ledger.ErrNotFound)
	if err != nil && !first {
		return err
	}
	m.Received, m.Partner, m.URL, m.Receipt = id, r.p.Name, r.stored.URL, receipt
	m.Open, m.Outcome, m.Done, m.Reason = true, "", time.Time{}, ""
	m.Asked++
	m.Attempts, m.Due, m.Deadline = 0, now, now.Add(r.p.ReceiptRetry.GiveUp)
	if first {
		err = tx.OweMDN(&m)
	} else {
		err = tx.SaveOwedMDN(&m)
	}
	s := *r.stored // the transaction may be tried again
	s.Open, s.Due, s.Outcome = false, time.Time{}, outcome
	return errors.Join(err, tx.SaveStored(&s))
}

// postOne posts the receipt that has been due for longest, once. posted is false where
// none is due.
func (in *Inbox) postOne(ctx context.Context, p *Partner) (posted bool, err error) {
	var owed []ledger.OwedMDN
	limit := in.busyCount() + 1
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { owed, err = tx.NextMDNs(p.Name, limit); return err })
	if err != nil {
		return false, err
	}
	for _, m := range owed {
		if clamp(m.Due, in.Now(), p.ReceiptRetry.Max).After(in.Now()) || !in.begin(owedKey(m.Received)) {
			continue
		}
		defer in.end(owedKey(m.Received))
		if err := in.postOwed(ctx, p, m.Received); err != nil {
			return false, fmt.Errorf("inbox: %s: receipt for %s: %w", p.Name, m.Received, err)
		}
		return true, nil
	}
	return false, nil
}

// postOwed posts one receipt: the attempt is on record before the first byte leaves.
func (in *Inbox) postOwed(ctx context.Context, p *Partner, id string) error {
	durable := context.WithoutCancel(ctx)
	var m ledger.OwedMDN
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { m, err = tx.OwedMDN(id); return err })
	if err != nil || !m.Open {
		return err
	}
	if m.Posting {
		return in.concludeLeft(durable, p, m)
	}
	if why := p.refuseURL(m.URL); why != "" { // the config may have changed since
		m.Open, m.Outcome, m.Reason, m.Done = false, gaveUp, why, in.Now().UTC()
		return in.Ledger.Update(durable, func(tx *ledger.Tx) error {
			return errors.Join(tx.SaveOwedMDN(&m), tx.AddEvent(in.receiptEvent(m, ledger.Alarm, "receipt-gave-up", "agree upon the host, then let the partner send the message again", "no receipt was posted to %s: %s", m.URL, why)))
		})
	}
	if err := p.enough(0); err != nil {
		return err
	}
	// An earlier fault may have left the folder where it was.
	if err := in.recoverStaging(durable, p, id); err != nil {
		return err
	}
	reply, err := storedReply(m.Receipt)
	if err != nil {
		return err
	}
	a, err := in.attempt(durable, &m)
	if err != nil {
		return err
	}
	failpoint.Hit("after receipt attempt")
	answer, err := p.Post.Post(ctx, m.URL, reply.Header, int64(len(reply.Body)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(reply.Body)), nil })
	failpoint.Hit("after receipt post")
	result := readPosting(&a, answer, err)
	if answer != nil {
		// The answer counts even if the disk refuses to keep it.
		if err := keepAnswer(p, id, a.N, answer); err != nil {
			in.Log.Warn("the answer to a receipt could not be kept as evidence", "partner", p.Name, "received", id, "error", err)
		}
	}
	return in.conclude(durable, p, m, a, result)
}

// openAttempt records that a receipt is about to be posted.
func (in *Inbox) openAttempt(ctx context.Context, m *ledger.OwedMDN) (ledger.Attempt, error) {
	a := ledger.Attempt{Transfer: m.Received, N: m.Posts + 1, Opened: in.Now().UTC(), Process: in.Process, URL: m.URL, Config: in.Config}
	m.Posts, m.Posting = a.N, true
	return a, in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(tx.SaveOwedMDN(m), tx.OpenAttempt(a)) })
}

// concludeLeft concludes an attempt of a process that is gone, or that could not be
// recorded when it ended: the partner may have the receipt.
func (in *Inbox) concludeLeft(ctx context.Context, p *Partner, m ledger.OwedMDN) error {
	var attempts []ledger.Attempt
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(m.Received); return err })
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.Outcome != ledger.OutcomeOpen {
			continue
		}
		// What was being written of its answer is worth nothing.
		if err := fsx.RemoveAll(p.Folder, answerFile(m.Received, a.N)+".part"); err != nil {
			return err
		}
		a.Outcome = ledger.OutcomeUnknown
		return in.conclude(ctx, p, m, a, posting{counted: true, reason: "the agent ended while the receipt was being posted"})
	}
	return errors.New("it is being posted, but no attempt is open")
}

// conclude commits what came of an attempt.
func (in *Inbox) conclude(ctx context.Context, p *Partner, m ledger.OwedMDN, a ledger.Attempt, result posting) error {
	now := in.Now().UTC()
	a.Closed, a.Counted, a.Text = now, result.counted, result.reason
	err := in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		current, err := tx.OwedMDN(m.Received)
		if err != nil {
			return err
		}
		if current.Asked != m.Asked {
			current.Posting = false // the message came again meanwhile: the receipt is posted again
		} else {
			current = p.ReceiptRetry.after(current, result, now)
		}
		m = current
		return errors.Join(evidenceAgain(tx, p, m.Received), tx.SaveOwedMDN(&current), tx.CloseAttempt(a), tx.AddEvent(in.postingEvent(current, a, result)))
	})
	if err == nil && result.delivered {
		in.Log.Info("receipt posted", "partner", p.Name, "received", m.Received, "url", m.URL, "attempt", a.N)
	}
	return err
}

func (in *Inbox) postingEvent(m ledger.OwedMDN, a ledger.Attempt, result posting) ledger.Event {
	switch {
	case result.delivered:
		return in.receiptEvent(m, ledger.Info, "receipt-posted", "", "the receipt was posted to %s: HTTP %d", m.URL, a.Status)
	case m.Outcome == gaveUp:
		return in.receiptEvent(m, ledger.Alarm, "receipt-gave-up", "the partner gets it when he sends the message again; it is in "+evidence(m.Received),
			"the receipt could not be posted to %s, %d attempts: %s", m.URL, m.Attempts, result.reason)
	}
	return in.receiptEvent(m, ledger.Warning, "receipt-attempt-failed", "the same receipt is posted again", "posting the receipt to %s, attempt %d: %s; next try %s",
		m.URL, a.N, result.reason, m.Due.Format(time.DateTime+" UTC"))
}

func (in *Inbox) receiptEvent(m ledger.OwedMDN, level ledger.Level, code, hint, format string, args ...any) ledger.Event {
	return ledger.Event{At: in.Now().UTC(), Level: level, Partner: m.Partner, Subject: m.Received, Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

func answerFile(id string, n int) string {
	return path.Join(evidence(id), fmt.Sprintf("%s%d.http", answerName, n))
}

// keepAnswer writes the answer to a receipt beside the evidence of its message.
func keepAnswer(p *Partner, id string, n int, answer *as2.Answer) error {
	if err := fsx.MkdirAll(p.Folder, evidence(id), dirPerm); err != nil {
		return err
	}
	var header []as2.Field
	for name, values := range answer.Header {
		for _, v := range values {
			header = append(header, as2.Field{Name: name, Value: v})
		}
	}
	sortFields(header)
	return fsx.Rewrite(p.Folder, answerFile(id, n), filePerm, rawAnswer(answer.Status, header, answer.Body))
}

// firstLine is an error without the stack of a panic.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
