//go:build linux

package soak

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// chance is a seeded source of decisions for one actor. It is safe for concurrent use.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

// newChance gives each actor a source of its own, so that they do not shift each other's.
func newChance(seed uint64, actor string) *chance {
	h := fnv.New64a()
	h.Write([]byte(actor)) // it takes everything
	return &chance{r: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// n is a number from 0 to n-1.
func (c *chance) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}

// percent is true in p of 100 cases.
func (c *chance) percent(p int) bool { return c.n(100) < p }

// between is a duration, evenly spread.
func (c *chance) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.n(int(most-least)+1))
}

// about is a duration around a mean, mostly shorter and sometimes much longer.
func (c *chance) about(mean time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(min(c.r.ExpFloat64(), 5) * float64(mean))
}

// size is a number of bytes from 1 to most: every order of magnitude is as likely.
func (c *chance) size(most int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(math.Exp(c.r.Float64() * math.Log(float64(most))))
}

// fill makes bytes that nobody else has made.
func (c *chance) fill(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range b {
		b[i] = byte(c.r.Uint32())
	}
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tally counts what happened, by name.
type tally struct {
	mu sync.Mutex
	by map[string]int
}

func newTally() *tally { return &tally{by: map[string]int{}} }

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.by[what]++
}
