package agent

import (
	"os"
	"runtime/debug"
	"sync"
)

// Most of the memory of an agent with many partners is what it knows of them: it stays. The
// runtime would let as much garbage gather beside it before it collects, which for an agent
// at rest is a second time all of that. So it collects sooner; where partners are few there
// is little to gain, and a busy agent would pay for it.
const (
	manyPartners     = 250
	garbageOfMany    = 30  // percent of what is in use
	garbageOtherwise = 100 // as the runtime has it
)

// garbageFor is how much garbage may gather, in percent of what is in use.
func garbageFor(partners int) int {
	if partners > manyPartners {
		return garbageOfMany
	}
	return garbageOtherwise
}

// manyFiles in an outbox are as much to know as many partners, while it is looked at.
const manyFiles = 20_000

// collector has the runtime collect as partners and looks want it, unless whoever started the
// program has said how.
type collector struct {
	mu       sync.Mutex
	partners int
	looks    int // at large outboxes, that are being made
}

// percent is how much garbage may gather now. The caller holds mu.
func (c *collector) percent() int {
	if c.looks > 0 {
		return garbageOfMany
	}
	return garbageFor(c.partners)
}

// collectFor is told of how many partners there are.
func (c *collector) collectFor(partners int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partners = partners
	c.set()
}

// lookAt is told that a look begins at an outbox that had so many files at the last one, and by
// calling over that it has ended.
func (c *collector) lookAt(files int) (over func()) {
	if files <= manyFiles {
		return func() {}
	}
	count := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.looks += n
		c.set()
	}
	count(1)
	return func() { count(-1) }
}

// set tells the runtime. The caller holds mu.
func (c *collector) set() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(c.percent())
	}
}
