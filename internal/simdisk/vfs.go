package simdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// vfsName is the name under which SQLite knows all simulated disks.
const vfsName = "as2drop-simdisk"

// SQLite calls a VFS through C memory that lives as long as the process, and knows a
// file only by its name and a number. So these three must outlive any one Disk: the
// registered VFS, the disks by the first element of a name, and the open files.
var (
	registered = sync.OnceValue(register)
	disks      sync.Map // string -> *Disk
	handles    sync.Map // uintptr -> *vfile
	lastDisk   atomic.Int64
	lastHandle atomic.Uintptr
)

// SQLite makes the disk reachable for SQLite: a database is opened as
// "file:" + prefix + "/ledger.db?vfs=" + vfs, and is then the file ledger.db at the
// root of this disk. All its reads, writes, syncs and removals tick. Call Release when
// the disk is no longer needed.
func (d *Disk) SQLite() (vfs, prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.index == "" {
		d.index = "disk-" + strconv.FormatInt(lastDisk.Add(1), 10)
		disks.Store(d.index, d)
	}
	return registered(), "/" + d.index
}

// Release ends what SQLite began. Databases that are still open stay usable but cannot
// open further files.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	disks.Delete(d.index)
	d.index = ""
}

// vfile is a file that SQLite has open.
type vfile struct {
	*file
	syncsName bool // the first sync also syncs the folder, as for new journals on Unix
	lock      int32
	memory    *shared
	held      [sqlite3.SQLITE_SHM_NLOCK]slotHold
}

// cfile is what SQLite allocates for each open file.
type cfile struct {
	methods uintptr
	handle  uintptr
}

// at turns an address from C into a pointer. It never points into Go's memory.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// callback is the address by which C calls a function of ours, which must be a
// declared one.
func callback[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func bytesAt(p uintptr, n int32) []byte { return unsafe.Slice(at[byte](p), n) }

func fileAt(p uintptr) *vfile {
	v, _ := handles.Load(at[cfile](p).handle)
	return v.(*vfile)
}

// calloc is zeroed memory that is never given back: SQLite keeps it for the process.
func calloc[T any](tls *libc.TLS) (*T, uintptr) {
	var t T
	p := sqlite3.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(t)))
	if p == 0 {
		panic("simdisk: SQLite has no memory for a VFS")
	}
	*at[T](p) = t
	return at[T](p), p
}

// register makes the VFS known to SQLite.
func register() string {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		panic(fmt.Sprintf("simdisk: SQLite does not start: %d", rc))
	}
	methods, methodsAt := calloc[sqlite3.Tsqlite3_io_methods](tls)
	*methods = sqlite3.Tsqlite3_io_methods{
		FiVersion: 2, FxClose: callback(xClose), FxRead: callback(xRead), FxWrite: callback(xWrite),
		FxTruncate: callback(xTruncate), FxSync: callback(xSync), FxFileSize: callback(xFileSize),
		FxLock: callback(xLock), FxUnlock: callback(xUnlock), FxCheckReservedLock: callback(xCheckReservedLock),
		FxFileControl: callback(xFileControl), FxSectorSize: callback(xSectorSize),
		FxDeviceCharacteristics: callback(xDeviceCharacteristics),
		FxShmMap:                callback(xShmMap), FxShmLock: callback(xShmLock),
		FxShmBarrier: callback(xShmBarrier), FxShmUnmap: callback(xShmUnmap),
	}
	name, err := libc.CString(vfsName)
	if err != nil {
		panic(err)
	}
	vfs, vfsAt := calloc[sqlite3.Tsqlite3_vfs](tls)
	*vfs = sqlite3.Tsqlite3_vfs{
		FiVersion: 1, FszOsFile: int32(unsafe.Sizeof(cfile{})), FmxPathname: 512,
		FzName: name, FpAppData: methodsAt,
		FxOpen: callback(xOpen), FxDelete: callback(xDelete), FxAccess: callback(xAccess),
		FxFullPathname: callback(xFullPathname), FxRandomness: callback(xRandomness),
		FxSleep: callback(xSleep), FxCurrentTime: callback(xCurrentTime),
	}
	if rc := sqlite3.Xsqlite3_vfs_register(tls, vfsAt, 0); rc != sqlite3.SQLITE_OK {
		panic(fmt.Sprintf("simdisk: SQLite refuses the VFS: %d", rc))
	}
	return vfsName
}

// resolve finds the disk that a name of SQLite's is on, and the name there.
func resolve(zName uintptr) (*tree, string, bool) {
	index, name, _ := strings.Cut(strings.TrimPrefix(libc.GoString(zName), "/"), "/")
	d, ok := disks.Load(index)
	if !ok {
		return nil, "", false
	}
	return &tree{d: d.(*Disk)}, name, true
}

// openFlags are the flags of package os for those of SQLite.
func openFlags(flags int32) int {
	flag := os.O_RDONLY
	if flags&sqlite3.SQLITE_OPEN_READWRITE != 0 {
		flag = os.O_RDWR
	}
	if flags&sqlite3.SQLITE_OPEN_CREATE != 0 {
		flag |= os.O_CREATE
	}
	if flags&sqlite3.SQLITE_OPEN_EXCLUSIVE != 0 {
		flag |= os.O_EXCL
	}
	return flag
}

func xOpen(_ *libc.TLS, pVfs, zName, pFile uintptr, flags int32, pOutFlags uintptr) int32 {
	c := at[cfile](pFile)
	*c = cfile{}
	const journals = sqlite3.SQLITE_OPEN_MAIN_JOURNAL | sqlite3.SQLITE_OPEN_SUPER_JOURNAL | sqlite3.SQLITE_OPEN_WAL
	v := &vfile{syncsName: flags&journals != 0 && flags&sqlite3.SQLITE_OPEN_CREATE != 0}
	// A file without a name is SQLite's scratch paper. It is on no disk that anybody
	// sees, and writing to it is no event.
	t, name := &tree{d: New(), outside: true}, "scratch"
	if zName != 0 {
		var ok bool
		if t, name, ok = resolve(zName); !ok {
			return sqlite3.SQLITE_CANTOPEN
		}
	}
	f, err := t.OpenFile(name, openFlags(flags), 0o600)
	if err != nil {
		return code(err, sqlite3.SQLITE_CANTOPEN)
	}
	v.file = f.(*file)
	c.handle = lastHandle.Add(1)
	handles.Store(c.handle, v)
	c.methods = at[sqlite3.Tsqlite3_vfs](pVfs).FpAppData
	if pOutFlags != 0 {
		*at[int32](pOutFlags) = flags
	}
	return sqlite3.SQLITE_OK
}

func xDelete(_ *libc.TLS, _, zName uintptr, dirSync int32) int32 {
	t, name, ok := resolve(zName)
	if !ok {
		return sqlite3.SQLITE_IOERR_DELETE
	}
	if err := t.Remove(name); err != nil {
		if isMissing(err) {
			return sqlite3.SQLITE_IOERR_DELETE_NOENT
		}
		return code(err, sqlite3.SQLITE_IOERR_DELETE)
	}
	if dirSync != 0 {
		return code(t.SyncDir(path.Dir(name)), sqlite3.SQLITE_IOERR_DIR_FSYNC)
	}
	return sqlite3.SQLITE_OK
}

// xAccess makes no tick, for SQLite asks often and the answer changes nothing.
func xAccess(_ *libc.TLS, _, zName uintptr, flags int32, pResOut uintptr) int32 {
	t, name, ok := resolve(zName)
	if !ok {
		return sqlite3.SQLITE_IOERR_ACCESS
	}
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.stopped {
		return sqlite3.SQLITE_IOERR_ACCESS
	}
	n, err := t.find(name)
	// An empty file does not exist for SQLite: an empty journal is no journal.
	there := err == nil && (flags != sqlite3.SQLITE_ACCESS_EXISTS || len(n.now.b) > 0)
	*at[int32](pResOut) = libc.Bool32(there)
	return sqlite3.SQLITE_OK
}

func xFullPathname(_ *libc.TLS, _, zName uintptr, nOut int32, zOut uintptr) int32 {
	name := libc.GoString(zName)
	if len(name) >= int(nOut) {
		return sqlite3.SQLITE_CANTOPEN
	}
	copy(bytesAt(zOut, nOut), name+"\x00")
	return sqlite3.SQLITE_OK
}

// xRandomness gives bytes that are not random at all. SQLite asks the default VFS, not
// this one, for the seed of its own generator, so nothing depends on them.
func xRandomness(_ *libc.TLS, _ uintptr, n int32, zOut uintptr) int32 {
	out := bytesAt(zOut, n)
	for i := range out {
		out[i] = byte(i*7 + 1)
	}
	return n
}

// xSleep is how SQLite waits for another connection's lock.
func xSleep(_ *libc.TLS, _ uintptr, micros int32) int32 {
	time.Sleep(time.Duration(micros) * time.Microsecond)
	return micros
}

// xCurrentTime is the same moment always, as a Julian day.
func xCurrentTime(_ *libc.TLS, _, pTime uintptr) int32 {
	*at[float64](pTime) = 2461367.5
	return sqlite3.SQLITE_OK
}

// code is the result that SQLite gets for an error: a full disk is told from others.
func code(err error, otherwise int32) int32 {
	switch {
	case err == nil:
		return sqlite3.SQLITE_OK
	case full(err):
		return sqlite3.SQLITE_FULL
	case otherwise == sqlite3.SQLITE_CANTOPEN && !isMissing(err):
		return sqlite3.SQLITE_IOERR
	}
	return otherwise
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist)
}
