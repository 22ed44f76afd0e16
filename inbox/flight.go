package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/as2"
)

// copyWait is how long a copy of a message waits for the one that is being received.
const copyWait = 2 * time.Minute

// flight is one message while it is being received.
type flight struct{ from, to, id string }

func (r *request) flight() flight {
	return flight{r.env.From, r.env.To, as2.StripID(r.env.MessageID)}
}

// enter waits until no other copy of the message is being received, up to a limit.
func (in *Inbox) enter(ctx context.Context, f flight) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, copyWait)
	defer cancel()
	for {
		leave, other := in.tryEnter(f)
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
func (in *Inbox) tryEnter(f flight) (leave func(), other <-chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if busy := in.flights[f]; busy != nil {
		return nil, busy
	}
	done := make(chan struct{})
	in.flights[f] = done
	return func() {
		in.mu.Lock()
		delete(in.flights, f)
		in.mu.Unlock()
		close(done)
	}, nil
}

// begin reports whether no other Work is at a stored message or an owed receipt, and
// keeps others away until end.
func (in *Inbox) begin(what string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.busy[what] {
		return false
	}
	in.busy[what] = true
	return true
}

func (in *Inbox) end(what string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.busy, what)
}

// isBusy reports whether some Work is at it.
func (in *Inbox) isBusy(what string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.busy[what]
}

// busyCount is how many things are being worked on, of all partners.
func (in *Inbox) busyCount() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.busy)
}
