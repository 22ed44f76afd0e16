package fsx

import "os"

// eagerEvery is how many bytes are written before the system is told to begin with them.
const eagerEvery = 8 << 20

// Eager is a file that is going to be written from its beginning to its end, and synced. Of a
// large one the system is told now and then to begin with what is there, so that the disk is
// not idle until the sync, which then waits for the last of it and not for all. It promises
// nothing: what is durable is what Sync has returned for. Where the system has no such call,
// and for small files, it is the file as it was.
func Eager(f File) File {
	if file, ok := f.(*os.File); ok {
		return &eager{File: file, begin: beginWriting}
	}
	return f
}

type eager struct {
	*os.File
	written, begun int64
	begin          func(f *os.File, from, n int64)
}

func (e *eager) Write(b []byte) (int, error) {
	n, err := e.File.Write(b)
	if e.written += int64(n); e.written-e.begun >= eagerEvery {
		e.begin(e.File, e.begun, e.written-e.begun)
		e.begun = e.written
	}
	return n, err
}
