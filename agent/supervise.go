package agent

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	restartFirst = time.Second
	restartMax   = time.Minute
)

// supervise runs work until ctx ends. A panic in it is handed to report and the work
// starts again after a pause that doubles from one second to a minute: one bad file
// must not end a partner's traffic for ever, and a worker that can only panic must
// not fill the log.
func supervise(ctx context.Context, work func(context.Context), report func(p panicked)) {
	pause := restartFirst
	for ctx.Err() == nil {
		p, ok := guarded(func() { work(ctx) })
		if ok {
			return // the work itself returns only when ctx ended
		}
		report(p)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, restartMax)
	}
}

// panicked is a recovered panic.
type panicked struct {
	Value string
	Stack string
}

func (p panicked) error() error { return fmt.Errorf("panic: %s\n%s", p.Value, p.Stack) }

// guarded calls f and reports whether it returned without a panic.
func guarded(f func()) (p panicked, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			p = panicked{Value: fmt.Sprint(v), Stack: string(debug.Stack())}
			ok = false
		}
	}()
	f()
	return panicked{}, true
}
