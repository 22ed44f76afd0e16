//go:build race

package outbox

// allocated says nothing with the race detector, which takes what is pooled away at random:
// a connection to SQLite more or less.
const allocated = 64 << 10
