//go:build failpoints

package failpoint

import "os"

// Hit kills the process if AS2DROP_FAILPOINT has the name, as a power switch would:
// nothing is flushed, nothing deferred runs.
func Hit(name string) {
	if os.Getenv("AS2DROP_FAILPOINT") != name {
		return
	}
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		os.Exit(137)
	}
	select {} // until the signal arrives
}
