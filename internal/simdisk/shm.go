package simdisk

import (
	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// shared is the memory that the connections to one database share in WAL mode, and its
// locks. It ends with the last connection, as after a crash: SQLite then makes it anew
// from the WAL.
type shared struct {
	regions []uintptr
	users   int
	slots   [sqlite3.SQLITE_SHM_NLOCK]slot
}

// slot is one of the locks: many may share it, or one has it for itself.
type slot struct {
	sharers int
	owner   *vfile
}

// slotHold is what one connection holds of a slot.
type slotHold struct{ shares, owns bool }

// attach is called with the lock of the disk held.
func (v *vfile) attach() *shared {
	if v.memory == nil {
		d := v.t.d
		if d.memory[v.n.id] == nil {
			d.memory[v.n.id] = &shared{}
		}
		v.memory = d.memory[v.n.id]
		v.memory.users++
	}
	return v.memory
}

func xShmMap(tls *libc.TLS, pFile uintptr, region, size, extend int32, pp uintptr) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	*at[uintptr](pp) = 0
	if v.t.d.stopped {
		return sqlite3.SQLITE_IOERR_SHMMAP
	}
	m := v.attach()
	for len(m.regions) <= int(region) {
		if extend == 0 {
			return sqlite3.SQLITE_OK
		}
		p := libc.Xcalloc(tls, 1, types.Size_t(size))
		if p == 0 {
			return sqlite3.SQLITE_NOMEM
		}
		m.regions = append(m.regions, p)
	}
	*at[uintptr](pp) = m.regions[region]
	return sqlite3.SQLITE_OK
}

func xShmLock(_ *libc.TLS, pFile uintptr, first, n, flags int32) int32 {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
	if flags&sqlite3.SQLITE_SHM_UNLOCK != 0 {
		v.release(first, n)
		return sqlite3.SQLITE_OK
	}
	if v.t.d.stopped {
		return sqlite3.SQLITE_IOERR_SHMLOCK
	}
	m := v.attach()
	if flags&sqlite3.SQLITE_SHM_SHARED != 0 {
		if !free(m.slots[first].owner, v) {
			return sqlite3.SQLITE_BUSY
		}
		if !v.held[first].shares {
			m.slots[first].sharers++
			v.held[first].shares = true
		}
		return sqlite3.SQLITE_OK
	}
	for i := first; i < first+n; i++ {
		others := m.slots[i].sharers
		if v.held[i].shares {
			others--
		}
		if others > 0 || !free(m.slots[i].owner, v) {
			return sqlite3.SQLITE_BUSY
		}
	}
	for i := first; i < first+n; i++ {
		m.slots[i].owner, v.held[i].owns = v, true
	}
	return sqlite3.SQLITE_OK
}

// release gives back what this connection holds of some slots.
func (v *vfile) release(first, n int32) {
	for i := first; i < first+n && v.memory != nil; i++ {
		if v.held[i].shares {
			v.memory.slots[i].sharers--
		}
		if v.held[i].owns {
			v.memory.slots[i].owner = nil
		}
		v.held[i] = slotHold{}
	}
}

// xShmBarrier orders the memory accesses of two connections: the lock does.
func xShmBarrier(_ *libc.TLS, pFile uintptr) {
	v := fileAt(pFile)
	v.t.d.mu.Lock()
	defer v.t.d.mu.Unlock()
}

func xShmUnmap(tls *libc.TLS, pFile uintptr, _ int32) int32 {
	v := fileAt(pFile)
	d := v.t.d
	d.mu.Lock()
	defer d.mu.Unlock()
	m := v.memory
	if m == nil {
		return sqlite3.SQLITE_OK
	}
	v.release(0, sqlite3.SQLITE_SHM_NLOCK)
	v.memory = nil
	if m.users--; m.users == 0 {
		for _, p := range m.regions {
			libc.Xfree(tls, p)
		}
		delete(d.memory, v.n.id)
	}
	return sqlite3.SQLITE_OK
}
