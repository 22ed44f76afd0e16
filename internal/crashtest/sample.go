//go:build race || windows

package crashtest

// stride is how far apart the points are at which a matrix stops, in a recovery too. With
// the race detector SQLite is ten times as slow, and there is nothing to find: the program
// is synchronous and the disk simulated, one goroutine at a time, so that one point is like
// all others. Races are what the tests with several callers are for, and those are whole.
// Under Wine the machine is no faster, and the disk is the same simulated one as on Linux.
// make test takes all points.
const stride = 200
