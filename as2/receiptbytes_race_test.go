//go:build race

package as2

// receiptBytes says nothing with the race detector, which takes what is pooled away at random.
const receiptBytes = 4 * streamBuffer
