package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// maxGroup is how many Updates share one commit at most.
const maxGroup = 256

// job is one call of Update on its way through the group commit.
type job struct {
	ctx      context.Context
	f        func(*Tx) error
	err      error
	panicked any
	deeds    []Deed
	lead     chan bool // true: lead the next group; false: done
}

// Update runs f in a transaction and returns when what it did is durable.
//
// Calls that come while another one commits are committed together, in one
// transaction and with one sync, each in a savepoint of its own (one that is alone needs none): an error of f undoes
// f alone and is returned as it is. f runs at most once and may run in another
// caller's goroutine. A panic in f undoes f and goes on in its own caller. If the
// commit itself fails every caller of the group gets that error and nothing of the
// group has happened.
func (l *Ledger) Update(ctx context.Context, f func(*Tx) error) error {
	j := &job{ctx: ctx, f: f, lead: make(chan bool, 1)}
	l.mu.Lock()
	l.queue = append(l.queue, j)
	first := !l.leading
	l.leading = true
	l.mu.Unlock()
	if first || <-j.lead {
		l.commitGroup()
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	if j.err == nil {
		l.updates.Add(1)
	}
	return l.examine(j.err)
}

// commitGroup commits what is queued, the caller's own job among it, and hands the
// lead to the first of those that have come since.
func (l *Ledger) commitGroup() {
	l.mu.Lock()
	n := min(len(l.queue), maxGroup)
	group := l.queue[:n:n]
	l.queue = l.queue[n:]
	l.mu.Unlock()

	l.runGroup(group)

	l.mu.Lock()
	if len(l.queue) > 0 {
		l.queue[0].lead <- true
	} else {
		l.leading = false
	}
	l.mu.Unlock()
	for _, j := range group[1:] { // group[0] is the caller
		j.lead <- false
	}
}

func (l *Ledger) runGroup(group []*job) {
	began := time.Now()
	succeeded := 0
	// A cancelled caller must not undo the others: the transaction has no deadline.
	err := transact(context.Background(), l.write, "BEGIN IMMEDIATE", func(c *sql.Conn) (bool, error) {
		for _, j := range group {
			if j.err = j.ctx.Err(); j.err != nil {
				continue
			}
			if err := l.runJob(c, j, len(group) > 1); err != nil {
				return false, fmt.Errorf("ledger: %w", err)
			}
			if j.err == nil && j.panicked == nil {
				succeeded++
			}
		}
		return succeeded > 0, nil
	})
	if err != nil {
		l.committed(began, nil, err)
		for _, j := range group {
			if j.err == nil {
				j.err = err
			}
		}
		return
	}
	if succeeded > 0 {
		l.commits.Add(1)
		l.works()
		l.committed(began, group, nil)
	}
}

// committed tells who counts what a commit made durable, or why it did not.
func (l *Ledger) committed(began time.Time, group []*job, err error) {
	if l.observe == nil {
		return
	}
	c := Commit{Took: time.Since(began), Err: err}
	for _, j := range group {
		if j.err == nil && j.panicked == nil {
			c.Deeds = append(c.Deeds, j.deeds...)
		}
	}
	l.observe(c)
}

// runJob runs one job, in a savepoint if others share its transaction: whoever is alone is
// undone with all of it. Its own error is j.err; the one returned means that the
// transaction as a whole is lost.
func (l *Ledger) runJob(c *sql.Conn, j *job, shared bool) error {
	var deeds *[]Deed
	if l.observe != nil {
		deeds = &j.deeds
	}
	if shared {
		if _, err := c.ExecContext(context.Background(), "SAVEPOINT job"); err != nil {
			return err
		}
	}
	func() {
		defer func() { j.panicked = recover() }()
		j.err = j.f(&Tx{c, context.WithoutCancel(j.ctx), &l.rows, deeds})
	}()
	if !shared {
		return nil
	}
	if j.err != nil || j.panicked != nil {
		if _, err := c.ExecContext(context.Background(), "ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := c.ExecContext(context.Background(), "RELEASE job")
	return err
}
