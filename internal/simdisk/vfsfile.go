package simdisk

import (
	"errors"
	"io"
	"path"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

func xClose(_ *libc.TLS, pFile uintptr) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	v.unlock(sqlite3.SQLITE_LOCK_NONE)
	v.t.d.mu.Unlock()
	handles.Delete(at[cfile](pFile).handle)
	return code(v.Close(), sqlite3.SQLITE_IOERR_CLOSE)
}

func xRead(_ *libc.TLS, pFile, zBuf uintptr, n int32, off int64) int32 {
	buf := bytesAt(zBuf, n)
	got, err := fileAt(pFile).ReadAt(buf, off)
	if errors.Is(err, io.EOF) {
		clear(buf[got:])
		return sqlite3.SQLITE_IOERR_SHORT_READ
	}
	return code(err, sqlite3.SQLITE_IOERR_READ)
}

func xWrite(_ *libc.TLS, pFile, zBuf uintptr, n int32, off int64) int32 {
	v := fileAt(pFile)
	v.pos = off
	_, err := v.Write(bytesAt(zBuf, n))
	return code(err, sqlite3.SQLITE_IOERR_WRITE)
}

func xTruncate(_ *libc.TLS, pFile uintptr, size int64) int32 {
	v := fileAt(pFile)
	err := v.do(call{op: "truncate", changes: true}, nil, func() error {
		v.t.d.truncate(v.n, v.t.full(v.name), size)
		return nil
	})
	return code(err, sqlite3.SQLITE_IOERR_TRUNCATE)
}

func xSync(_ *libc.TLS, pFile uintptr, _ int32) int32 {
	v := fileAt(pFile)
	if err := v.Sync(); err != nil {
		return code(err, sqlite3.SQLITE_IOERR_FSYNC)
	}
	if v.syncsName {
		// On Unix SQLite does not look at the result of this one. Here it does, for else
		// every run with a fault at this tick would end with that loss and hide others.
		if err := v.t.SyncDir(path.Dir(v.name)); err != nil {
			return code(err, sqlite3.SQLITE_IOERR_DIR_FSYNC)
		}
		v.syncsName = false
	}
	return sqlite3.SQLITE_OK
}

// xFileSize makes no tick, for SQLite asks often and the answer changes nothing.
func xFileSize(_ *libc.TLS, pFile, pSize uintptr) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	if v.t.d.stopped {
		return sqlite3.SQLITE_IOERR_FSTAT
	}
	*at[int64](pSize) = int64(len(v.n.now.b))
	return sqlite3.SQLITE_OK
}

func xFileControl(*libc.TLS, uintptr, int32, uintptr) int32 { return sqlite3.SQLITE_NOTFOUND }

func xSectorSize(*libc.TLS, uintptr) int32 { return 4096 }

// xDeviceCharacteristics claims what SQLite assumes of every modern disk: a write that
// is cut short by a power cut does no harm to bytes beside it.
func xDeviceCharacteristics(*libc.TLS, uintptr) int32 {
	return sqlite3.SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

// locks are the file locks on one database: any number of readers, and one connection
// each that means to write, waits for the readers to go, and writes.
type locks struct {
	readers                      int
	reserved, pending, exclusive *vfile
}

func (v *vfile) locks() *locks {
	d := v.t.d
	if d.locks[v.n.id] == nil {
		d.locks[v.n.id] = &locks{}
	}
	return d.locks[v.n.id]
}

// free reports whether nobody else has a lock.
func free(holder, v *vfile) bool { return holder == nil || holder == v }

func xLock(_ *libc.TLS, pFile uintptr, level int32) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	if v.t.d.stopped {
		return sqlite3.SQLITE_IOERR_LOCK
	}
	if v.lock >= level {
		return sqlite3.SQLITE_OK
	}
	l := v.locks()
	switch level {
	case sqlite3.SQLITE_LOCK_SHARED:
		if !free(l.pending, v) || !free(l.exclusive, v) {
			return sqlite3.SQLITE_BUSY
		}
		l.readers++
	case sqlite3.SQLITE_LOCK_RESERVED:
		if !free(l.reserved, v) || !free(l.pending, v) {
			return sqlite3.SQLITE_BUSY
		}
		l.reserved = v
	case sqlite3.SQLITE_LOCK_EXCLUSIVE:
		if !free(l.pending, v) || !free(l.reserved, v) {
			return sqlite3.SQLITE_BUSY
		}
		l.pending, v.lock = v, sqlite3.SQLITE_LOCK_PENDING
		if l.readers > 1 { // one of them is us
			return sqlite3.SQLITE_BUSY
		}
		l.exclusive = v
	}
	v.lock = level
	return sqlite3.SQLITE_OK
}

func xUnlock(_ *libc.TLS, pFile uintptr, level int32) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	v.unlock(level)
	return sqlite3.SQLITE_OK
}

func (v *vfile) unlock(level int32) {
	if v.lock <= level {
		return
	}
	l := v.locks()
	for _, holder := range []**vfile{&l.reserved, &l.pending, &l.exclusive} {
		if *holder == v {
			*holder = nil
		}
	}
	if level == sqlite3.SQLITE_LOCK_NONE {
		l.readers--
	}
	v.lock = level
}

func xCheckReservedLock(_ *libc.TLS, pFile, pResOut uintptr) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	if v.t.d.stopped {
		return sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK
	}
	*at[int32](pResOut) = libc.Bool32(v.locks().reserved != nil)
	return sqlite3.SQLITE_OK
}
