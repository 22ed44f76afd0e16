package agent

import (
	"context"
	"slices"
	"sync"
	"time"
)

// turns shares processor and disk between partners: only so many are at work at once, and
// whoever waits gets his turn after every other partner that waits has had one, however
// much those have to do. A partner's own come in the order in which they asked.
//
// A turn that lasts longer than patience is not over, but counts no more: a folder that
// hangs, or a file of many gigabytes, must not keep the others waiting.
type turns struct {
	patience time.Duration

	mu      sync.Mutex
	free    int
	order   []string // partners that wait, the next one first
	waiting map[string][]*turn
}

// turnPatience is how long a turn counts.
const turnPatience = time.Second

// turn is one asked for.
type turn struct {
	all     *turns
	partner string
	come    chan struct{} // closed when it has
	once    sync.Once
	timer   *time.Timer
}

func newTurns(atOnce int, patience time.Duration) *turns {
	return &turns{patience: patience, free: atOnce, waiting: map[string][]*turn{}}
}

// take waits for a turn. The caller ends it with done; an error means that ctx ended
// first.
func (ts *turns) take(ctx context.Context, partner string) (done func(), err error) {
	t := ts.ask(partner)
	select {
	case <-t.come:
		return t.end, nil
	case <-ctx.Done():
		ts.forget(t)
		return nil, ctx.Err()
	}
}

// ask lines up for a turn, which may have come at once.
func (ts *turns) ask(partner string) *turn {
	t := &turn{all: ts, partner: partner, come: make(chan struct{})}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.waiting[partner]) == 0 {
		ts.order = append(ts.order, partner)
	}
	ts.waiting[partner] = append(ts.waiting[partner], t)
	ts.next()
	return t
}

// next gives turns away while there are any. The caller holds mu.
func (ts *turns) next() {
	for ts.free > 0 && len(ts.order) > 0 {
		partner := ts.order[0]
		ts.order = ts.order[1:]
		t := ts.waiting[partner][0]
		if rest := ts.waiting[partner][1:]; len(rest) > 0 {
			ts.waiting[partner] = rest
			ts.order = append(ts.order, partner)
		} else {
			delete(ts.waiting, partner)
		}
		ts.free--
		t.timer = time.AfterFunc(ts.patience, t.end)
		close(t.come)
	}
}

// end gives the turn back, once.
func (t *turn) end() {
	t.once.Do(func() {
		t.all.mu.Lock()
		defer t.all.mu.Unlock()
		t.timer.Stop()
		t.all.free++
		t.all.next()
	})
}

// forget takes back what was asked for, whether the turn has come meanwhile or not.
func (ts *turns) forget(t *turn) {
	ts.mu.Lock()
	all := ts.waiting[t.partner]
	i := slices.Index(all, t)
	if i >= 0 {
		if all = slices.Delete(all, i, i+1); len(all) > 0 {
			ts.waiting[t.partner] = all
		} else {
			delete(ts.waiting, t.partner)
			ts.order = slices.DeleteFunc(ts.order, func(p string) bool { return p == t.partner })
		}
	}
	ts.mu.Unlock()
	if i < 0 {
		t.end()
	}
}
