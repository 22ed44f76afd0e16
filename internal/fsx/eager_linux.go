package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has some bytes of a file written to the disk. It does not wait for that: who
// waits is told of the disk's errors, and Sync would not be any more. An error of the call
// itself is none of the file: some file systems do not know it.
func beginWriting(f *os.File, from, n int64) {
	control(f, func(fd int) { _ = unix.SyncFileRange(fd, from, n, unix.SYNC_FILE_RANGE_WRITE) })
}

// forget lets some bytes of a file go from memory, if they are on the disk. An error is as above.
func forget(f *os.File, from, n int64) {
	control(f, func(fd int) { _ = unix.Fadvise(fd, from, n, unix.FADV_DONTNEED) })
}

func control(f *os.File, call func(fd int)) {
	if c, err := f.SyscallConn(); err == nil { // a closed file is what the next Write tells of
		_ = c.Control(func(fd uintptr) { call(int(fd)) }) // as above
	}
}
