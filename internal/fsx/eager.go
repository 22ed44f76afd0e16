package fsx

import "os"

// eagerEvery is how many bytes are written before the system is told to begin with them.
const eagerEvery = 8 << 20

// keptBehind is how many bytes of a large file stay in the memory of the system behind the place
// where it is written, or read.
const keptBehind = 32 << 20

// Eager is a file that is going to be written from its beginning to its end, and synced. Of a
// large one the system is told now and then to begin with what is there, so that the disk is
// not idle until the sync, which then waits for the last of it and not for all. What has been
// on its way to the disk for long need not stay in memory: it would push out what others
// need, and memory that is used again costs less than memory that was never used.
//
// It promises nothing: what is durable is what Sync has returned for, and what the disk could
// not do Sync tells, for nobody asks before. Where the system has no such calls, and for small
// files, it is the file as it was.
func Eager(f File) File {
	if file, ok := f.(*os.File); ok {
		return &eager{File: f, file: file, begin: beginWriting, forget: forget}
	}
	return f
}

type eager struct {
	File           // and not what else an os.File can, which would pass Write by
	file           *os.File
	written, begun int64
	begin, forget  func(f *os.File, from, n int64)
}

func (e *eager) Write(b []byte) (int, error) {
	n, err := e.File.Write(b)
	if e.written += int64(n); e.written-e.begun >= eagerEvery {
		e.begin(e.file, e.begun, e.written-e.begun)
		e.begun = e.written
		if behind := e.begun - keptBehind; behind > 0 {
			e.forget(e.file, max(behind-2*eagerEvery, 0), min(behind, 2*eagerEvery))
		}
	}
	return n, err
}

// Once is a file that is going to be read from its beginning to its end, and not again soon.
// What was read of a large one need not stay in memory.
func Once(f File) File {
	if file, ok := f.(*os.File); ok {
		return &once{File: f, file: file, forget: forget}
	}
	return f
}

type once struct {
	File            // as above
	file            *os.File
	read, forgotten int64
	forget          func(f *os.File, from, n int64)
}

func (o *once) Read(b []byte) (int, error) {
	n, err := o.File.Read(b)
	if o.read += int64(n); o.read-keptBehind-o.forgotten >= eagerEvery {
		o.forget(o.file, o.forgotten, o.read-keptBehind-o.forgotten)
		o.forgotten = o.read - keptBehind
	}
	return n, err
}
