package agent

import (
	"os"
	"runtime/debug"
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

// collectFor has the runtime collect as the number of partners wants it, unless whoever
// started the program has said how.
func collectFor(partners int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbageFor(partners))
	}
}
