//go:build !race

package outbox

// allocated is how many bytes a look may allocate for each waiting file; a listing alone
// takes 500 of them.
const allocated = 1100
