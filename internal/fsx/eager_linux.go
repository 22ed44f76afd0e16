package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has some bytes of a file written to the disk, without waiting for it. An error is
// not one of the file: some file systems do not know the call, and of the disk's own errors
// Sync tells.
func beginWriting(f *os.File, from, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), from, n, unix.SYNC_FILE_RANGE_WRITE) }) // as above
	}
}
