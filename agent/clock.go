package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// clockEvery is how often the clock on the wall is held against the one that only
// counts on, and clockSlack what is no jump.
const (
	clockEvery = time.Second
	clockSlack = 2 * time.Second
)

// clocks are the one on the wall and the one that only counts, as they were at the last look.
type clocks struct{ wall, counted time.Time }

// look reads both. It returns by how much the one on the wall jumped since the last look.
func (c *clocks) look(now time.Time) (jump time.Duration) {
	next := clocks{now.Round(0), time.Now()}
	jump = next.wall.Sub(c.wall) - next.counted.Sub(c.counted)
	*c = next
	return jump
}

// clock notices when somebody puts the clock forward or back, or the machine slept: who
// waits for a moment waits by the clock that counts, so that everybody is woken to look
// at the one on the wall. What is due, and whether moments have to be brought back,
// outbox and inbox find out themselves. seen are the clocks as they were before anybody
// began to wait.
func (a *running) clock(ctx context.Context, seen *clocks) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		jump := seen.look(a.now())
		if jump.Abs() <= clockSlack {
			continue
		}
		a.clockJumped(ctx, jump.Round(time.Second))
	}
}

func (a *running) clockJumped(ctx context.Context, jump time.Duration) {
	text := fmt.Sprintf("the clock went forward by %v, or the machine slept", jump)
	if jump < 0 {
		text = fmt.Sprintf("the clock was put back by %v", -jump)
	}
	a.log.Warn("the clock jumped", "jump", jump)
	if err := a.event(ctx, ledger.Warning, "", "clock", text, "attempts that are due come sooner or later for it; nothing has to be done, but a clock that jumps wants a time service"); err != nil {
		a.log.Error("ledger", "error", err)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, t := range a.tenants {
		t.worker.look()
		t.receive()
	}
}
