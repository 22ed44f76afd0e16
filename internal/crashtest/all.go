//go:build !race && !windows

package crashtest

// stride is how far apart the points are at which a matrix stops: it takes all.
const stride = 1
