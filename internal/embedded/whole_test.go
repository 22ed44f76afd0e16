//go:build !race

package embedded

// share is the part of the large documents and of the many that is read: all of it.
const share = 1
