//go:build !race

package as2

// receiptBytes is how many bytes reading a receipt may allocate: less than the buffers that it
// is read through.
const receiptBytes = 2 * streamBuffer
