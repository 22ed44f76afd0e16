package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// A folder on a share may not answer for hours, and what was asked of it cannot be called
// off. Whoever must go on without it asks with patience: the question is left behind, and
// is not asked again before it has come back.

// errHangs means that a folder has not answered in time.
var errHangs = errors.New("it does not answer")

func hangsSince(since time.Time) error {
	return fmt.Errorf("%w since %s; is the share reachable?", errHangs, since.UTC().Format(time.DateTime+" UTC"))
}

// question is something that is asked of a folder once at a time. Who asks while an
// answer is awaited waits for the same one.
type question struct {
	mu   sync.Mutex
	open *asking
}

type asking struct {
	since time.Time
	done  chan struct{}
	err   error
}

// ask returns what f returns, or errHangs when it has been running for longer than the
// patience. f may go on after that.
func (q *question) ask(patience time.Duration, f func() error) error {
	q.mu.Lock()
	a := q.open
	if a == nil {
		a = &asking{since: time.Now(), done: make(chan struct{})}
		q.open = a
		go q.answer(a, f)
	}
	q.mu.Unlock()
	timer := time.NewTimer(max(patience-time.Since(a.since), 0))
	defer timer.Stop()
	select {
	case <-a.done:
		return a.err
	case <-timer.C:
		return hangsSince(a.since)
	}
}

func (q *question) answer(a *asking, f func() error) {
	p, ok := guarded(func() { a.err = f() })
	if !ok {
		a.err = p.error()
	}
	q.mu.Lock()
	q.open = nil
	q.mu.Unlock()
	close(a.done)
}

// inTurn does something with a partner's folder that nobody else may do at the same time,
// and waits for it as long as the patience lasts; 0 = for ever. If it takes longer it goes
// on by itself, and late is called when it has succeeded after all.
func (w *world) inTurn(ctx context.Context, partner string, patience time.Duration, f func() error, late func()) error {
	began := time.Now()
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	one, _ := w.turns.LoadOrStore(partner, make(chan struct{}, 1))
	turn := one.(chan struct{})
	select {
	case turn <- struct{}{}:
	case <-over:
		return hangsSince(began)
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error)
	gone := make(chan struct{})
	go func() {
		var err error
		if p, ok := guarded(func() { err = f() }); !ok {
			err = p.error()
		}
		<-turn
		select {
		case done <- err:
		case <-gone:
			if err == nil {
				late()
			}
		}
	}()
	select {
	case err := <-done:
		return err
	case <-over:
		close(gone)
		return hangsSince(began)
	case <-ctx.Done():
		close(gone)
		return ctx.Err()
	}
}

// atOnce is how many folders are dealt with at the same time.
const atOnce = 64

// forEach calls f for 0 to n-1, several at a time, and returns when all have returned.
func forEach(n int, f func(i int)) {
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	group.Wait()
}

// hands is how folders of partners are reached, and how long that may take.
type hands struct {
	open    func(dir string) (fsx.FS, error)
	network func(dir string) (kind string, err error)
	look    time.Duration // at a folder, and for its marker to be written
	work    time.Duration // for opening a folder, and for recovering what is in it
}

var realHands = hands{open: fsx.OpenRoot, network: fsx.Network, look: 10 * time.Second, work: 30 * time.Second}
