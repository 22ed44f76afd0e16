package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// careful counts the lines that a place did not take, and says so there once it does.
type careful struct {
	inner slog.Handler
	place slog.Handler // what inner was derived from: the note is of no partner
	lost  *loss        // shared by all that were derived from one
}

// loss is what a place has not taken.
type loss struct {
	place  string
	stderr io.Writer

	mu    sync.Mutex
	count int
	since time.Time
	why   error
}

func (c *careful) Enabled(ctx context.Context, l slog.Level) bool { return c.inner.Enabled(ctx, l) }

func (c *careful) Handle(ctx context.Context, r slog.Record) error {
	err := c.inner.Handle(ctx, r)
	if err != nil {
		c.lost.add(r.Time, err)
		return err
	}
	if count, since, why := c.lost.over(); count > 0 {
		note := slog.NewRecord(r.Time, slog.LevelError, "lines of the log are missing", 0)
		note.Add("lines", count, "since", since, "error", why)
		if err = c.place.Handle(ctx, note); err != nil {
			c.lost.add(r.Time, err)
		}
	}
	return err
}

func (c *careful) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &careful{c.inner.WithAttrs(attrs), c.place, c.lost}
}

func (c *careful) WithGroup(name string) slog.Handler {
	return &careful{c.inner.WithGroup(name), c.place, c.lost}
}

// add counts a line. The first one is told where somebody may read it.
func (l *loss) add(at time.Time, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; l.count > 1 {
		return
	}
	l.since, l.why = at, why
	fmt.Fprintf(l.stderr, "as2drop: %s takes no lines of the log: %v; the agent goes on without\n", l.place, why)
}

// over is what was lost, which is over now.
func (l *loss) over() (count int, since time.Time, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, since, why = l.count, l.since, l.why
	l.count = 0
	return count, since, why
}
