package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime/debug"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Work opens the stored messages of a partner, publishes what is not published yet, and
// posts the receipts that are due. It returns the moment when there is more to do, zero
// for never. An error is a fault of ours and has stopped nothing for good: what it was
// about is tried again.
//
// It may be called at any time and several times at once, for one partner too: each
// call takes what no other one is at. One that hangs in a POST keeps nobody else from
// opening messages.
func (in *Inbox) Work(ctx context.Context, partner string) (next time.Time, err error) {
	p := in.names[partner]
	if p == nil {
		return time.Time{}, fmt.Errorf("inbox: no partner %q", partner)
	}
	if err := p.ready(); err != nil {
		return in.Now().Add(retryAfter), err
	}
	err = in.publishLeft(ctx, p)
	for posted := true; posted && ctx.Err() == nil; {
		err = errors.Join(err, in.openStored(ctx, p))
		var perr error
		posted, perr = in.postOne(ctx, p)
		err = errors.Join(err, perr)
	}
	next, nerr := in.nextWork(ctx, p)
	if err = errors.Join(err, nerr); err != nil {
		if soon := in.Now().Add(faultPause); next.Before(soon) {
			next = soon
		}
	}
	return next, err
}

// faultPause is how long a partner's work rests after a fault of ours, and how long a
// stored message waits for the copy that is being received.
const faultPause = 5 * time.Second

// nextWork is when there is something to do that no call of Work is at.
func (in *Inbox) nextWork(ctx context.Context, p *Partner) (next time.Time, err error) {
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	now := in.Now()
	limit := in.busyCount() + 1
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		rows, err1 := tx.Unpublished(p.Name)
		for _, row := range rows {
			if row.Hold == "" {
				earlier(now.Add(retryAfter))
			}
		}
		stored, err2 := tx.NextStored(p.Name, limit)
		for _, s := range stored {
			if !in.isBusy(storedKey(s.ID)) {
				earlier(clamp(s.Due, now, maxPostponed))
			}
		}
		owed, err3 := tx.NextMDNs(p.Name, limit)
		for _, m := range owed {
			if !in.isBusy(owedKey(m.Received)) {
				earlier(clamp(m.Due, now, p.ReceiptRetry.Max))
			}
		}
		return errors.Join(err1, err2, err3)
	})
	return next, err
}

// clamp brings a moment back that lies further ahead than any wait: the clock was wrong
// when it was set.
func clamp(due, now time.Time, wait time.Duration) time.Time {
	if due.After(now.Add(2 * wait)) {
		return now
	}
	return due
}

func storedKey(id string) string { return "stored " + id }

func owedKey(id string) string { return "owed " + id }

// publishLeft publishes what was received and could not be published at once.
func (in *Inbox) publishLeft(ctx context.Context, p *Partner) error {
	var rows []ledger.Received
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.Unpublished(p.Name); return err })
	for _, row := range rows {
		if row.Hold != "" {
			continue
		}
		leave, other := in.tryEnter(flight{row.From, row.To, row.MessageID})
		if other != nil {
			continue // it is just being published
		}
		err = errors.Join(err, in.publishAgain(context.WithoutCancel(ctx), p, row.ID))
		leave()
	}
	return err
}

// publishAgain reads the row anew: it may have been published since it was listed.
func (in *Inbox) publishAgain(ctx context.Context, p *Partner, id string) error {
	f, err := in.fate(ctx, id)
	if err != nil || f.received.State != ledger.ReceivedReceived {
		return err
	}
	return in.publish(ctx, p, f.received, false)
}

// openStored opens what is due, oldest first.
func (in *Inbox) openStored(ctx context.Context, p *Partner) (errs error) {
	var due []ledger.Stored
	limit := in.busyCount() + 64
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { due, err = tx.NextStored(p.Name, limit); return err })
	if err != nil {
		return err
	}
	for _, s := range due {
		if ctx.Err() != nil {
			return errs
		}
		if clamp(s.Due, in.Now(), maxPostponed).After(in.Now()) || !in.begin(storedKey(s.ID)) {
			continue
		}
		errs = errors.Join(errs, in.openOne(context.WithoutCancel(ctx), p, s.ID))
		in.end(storedKey(s.ID))
	}
	return errs
}

// openOne carries one stored message to its end, or puts it off after a fault of ours.
func (in *Inbox) openOne(ctx context.Context, p *Partner, id string) error {
	var s ledger.Stored
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { s, err = tx.Stored(id); return err })
	if err != nil || !s.Open || s.Hold != "" {
		return err
	}
	panicked, err := guarded(func() error { return in.finishStored(ctx, p, &s) })
	if err == nil {
		return nil
	}
	err = fmt.Errorf("inbox: %s: stored message %s: %w", p.Name, s.MessageID, err)
	return errors.Join(err, in.postpone(ctx, p, s, panicked, err))
}

// guarded turns a panic into an error: one hostile message must not keep the others.
func guarded(f func() error) (panicked bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			panicked, err = true, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return false, f()
}

// errInFlight means that another copy of the message is just being received.
var errInFlight = errors.New("another copy of the message is being received")

// finishStored opens a stored message as if it came now, and commits what became of it
// together with the receipt that is owed.
func (in *Inbox) finishStored(ctx context.Context, p *Partner, s *ledger.Stored) error {
	if err := p.enough(0); err != nil {
		return err
	}
	header, err := readHeader(p.Folder, s.ID)
	if err != nil {
		return err
	}
	if err := startAgain(p.Folder, incoming(s.ID)); err != nil { // after an earlier try
		return err
	}
	env, err := as2.ParseEnvelope(header)
	r := &request{Inbox: in, m: &as2.Message{Header: header, Length: -1, Remote: s.Remote}, env: env, p: p, at: s.At, id: s.ID, stored: s}
	var f *as2.Fault
	if err == nil {
		leave, other := in.tryEnter(r.flight())
		if other != nil {
			return errInFlight
		}
		defer leave()
		defer r.letGo()
		_, err = r.take(ctx)
		r.letGo()
	}
	if errors.As(err, &f) {
		return r.refuseStored(ctx, f)
	}
	return err
}

// refuseStored commits a refusal with the negative receipt that is owed for it.
func (r *request) refuseStored(ctx context.Context, f *as2.Fault) error {
	reply, by, err := r.receipt(f.Disposition, f.Text)
	if err != nil {
		return err
	}
	row, err := r.addRefusal(ctx, f.Disposition.For(r.version()).String(), f.Error(), reply, by)
	if err != nil {
		return err
	}
	r.Log.Warn("refused", "partner", row.Partner, "received", row.ID, "from", r.env.From, "to", r.env.To, "message_id", r.env.MessageID, "remote", r.m.Remote, "reason", row.Fact)
	return r.keepRefused(r.p, row)
}

const (
	maxPanics    = 3         // before a stored message is held
	maxPostponed = time.Hour // between two tries to open one
)

// postpone records that a stored message could not be opened for a fault of ours. What
// is there of it stays.
func (in *Inbox) postpone(ctx context.Context, p *Partner, s ledger.Stored, panicked bool, cause error) error {
	f, err := in.fate(ctx, s.ID)
	if err != nil || f.stored == nil || !f.stored.Open {
		// Its end was committed before the fault: what is left to do may be repeated.
		return errors.Join(err, in.recoverStaging(ctx, p, s.ID))
	}
	s = *f.stored
	now := in.Now()
	e := ledger.Event{At: now.UTC(), Level: ledger.Alarm, Partner: p.Name, Subject: s.ID, Code: "stored-waits",
		Text: "message " + s.MessageID + " is stored and could not be opened: " + firstLine(cause), Hint: "it is tried again by itself; the raw message is in " + incoming(s.ID)}
	s.Tries++
	s.Due = now.Add(min(retryAfter<<min(s.Tries-1, 10), maxPostponed)).UTC()
	switch {
	case errors.Is(cause, errInFlight):
		s.Tries--
		s.Due, e.Level = now.Add(faultPause).UTC(), ledger.Info
	case panicked:
		if s.Panics++; s.Panics >= maxPanics {
			s.Hold = "opening it made the agent panic three times, last with: " + firstLine(cause)
		}
	case errors.Is(cause, fs.ErrNotExist):
		if there, eerr := fsx.Exists(p.Folder, path.Join(incoming(s.ID), rawFile)); eerr == nil && !there {
			s.Hold = "its file is gone: " + firstLine(cause)
		}
	}
	if s.Hold != "" {
		e.Code, e.Hint = "stored-held", "report it with the log; what is left of the message is in "+incoming(s.ID)+"; once the cause is gone: as2drop release "+s.ID
	}
	err = in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(tx.SaveStored(&s), tx.AddEvent(e)) })
	if there, eerr := fsx.Exists(p.Folder, incoming(s.ID)); eerr == nil && there {
		err = errors.Join(err, startAgain(p.Folder, incoming(s.ID))) // the disk may be full of it
	}
	return err
}
