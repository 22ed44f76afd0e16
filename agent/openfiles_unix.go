//go:build !windows

package agent

import (
	"math"
	"syscall"
)

// openFiles is how many files this process may have open. The runtime of Go has raised the
// soft limit to the hard one when the program began.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64 // not known: then who meets it says so
	}
	return limit.Cur
}
