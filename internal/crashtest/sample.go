//go:build race || windows

package crashtest

// stride is how far apart the points are at which a matrix stops. With the race
// detector SQLite is ten times as slow, and synchronous code has no races. Under
// Wine the machine is no faster, and the disk is the same simulated one as on Linux. A
// sample of the points is enough there; make test takes all that a Scenario asks for.
const stride = 40
