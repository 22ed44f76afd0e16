package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/as2drop/as2drop/as2"
)

// copyWait is how long a copy of a message waits for the one that is being received.
const copyWait = 2 * time.Minute

// underway is what is going on, whatever is configured meanwhile.
type underway struct {
	mu      sync.Mutex
	flights map[flight]chan struct{}
	busy    map[string]bool // what a Work is at: stored messages and owed receipts
	arrives map[string]bool // folders in .incoming that a request writes to
}

// stages marks a folder in .incoming as one that a request writes to, until done is called.
// Without a row it would look like the remnant of a crash.
func (u *underway) stages(id string) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.arrives[id] = true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.arrives, id)
	}
}

func (u *underway) isStaged(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.arrives[id]
}

// flight is one message while it is being received.
type flight struct{ from, to, id string }

func (r *request) flight() flight {
	return flight{r.env.From, r.env.To, as2.StripID(r.env.MessageID)}
}

// enter waits until no other copy of the message is being received, up to a limit.
func (u *underway) enter(ctx context.Context, f flight) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, copyWait)
	defer cancel()
	for {
		leave, other := u.tryEnter(f)
		if other == nil {
			return leave, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("another copy of the message is being received: %w", ctx.Err())
		}
	}
}

// tryEnter takes the flight of a message. If another copy has it, other is closed when
// that one has left.
func (u *underway) tryEnter(f flight) (leave func(), other <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if busy := u.flights[f]; busy != nil {
		return nil, busy
	}
	done := make(chan struct{})
	u.flights[f] = done
	return func() {
		u.mu.Lock()
		delete(u.flights, f)
		u.mu.Unlock()
		close(done)
	}, nil
}

// begin reports whether no other Work is at a stored message or an owed receipt, and
// keeps others away until end.
func (u *underway) begin(what string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[what] {
		return false
	}
	u.busy[what] = true
	return true
}

func (u *underway) end(what string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.busy, what)
}

// isBusy reports whether some Work is at it.
func (u *underway) isBusy(what string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.busy[what]
}

// busyCount is how many things are being worked on, of all partners.
func (u *underway) busyCount() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.busy)
}
