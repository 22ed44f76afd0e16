//go:build race

package embedded

// share is the part of the large documents and of the many that is read. With the race
// detector reading is fifty times as slow and there is nothing to find: no goroutine
// shares anything here. make test reads all of it.
const share = 32
