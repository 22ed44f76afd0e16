package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Same reports whether two infos, of FS or of package os, are of one file.
func Same(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// busyTries and busyPause bound how long a rename or removal waits for another
// program (virus scanner, indexer, a writer that is about to close): 1.3 s in all.
const (
	busyTries = 8
	busyPause = 10 * time.Millisecond
)

// retryBusy repeats f while another program has the file open in a way that
// forbids it, or a file in the folder: Windows renames no folder then, and says that
// access is denied.
func retryBusy(f func() error) error {
	pause := busyPause
	for try := 1; ; try++ {
		err := f()
		denied := errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !denied && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
			return err
		}
		if try == busyTries {
			if denied {
				err = fmt.Errorf("%w (another program has it open, or a file in it, or the agent lacks the right)", err)
			}
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// renameInfo is the FILE_RENAME_INFORMATION of the Windows kernel.
type renameInfo struct {
	replace uint32 // 0: a name that is taken is an error
	folder  windows.Handle
	bytes   uint32 // length of name
	name    [windows.MAX_PATH]uint16
}

// renameNoReplace renames relative to the handles of both folders, which were reached
// through os.Root: whatever links are put in place meanwhile, the file stays in the
// tree.
func renameNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	info := renameInfo{folder: windows.Handle(newDir.Fd())}
	name, err := windows.UTF16FromString(newBase)
	if err != nil {
		return err
	}
	if len(name) > len(info.name) {
		return windows.ERROR_FILENAME_EXCED_RANGE
	}
	copy(info.name[:], name)
	info.bytes = uint32(len(name)-1) * 2
	return retryBusy(func() error {
		h, err := openForRename(oldDir, oldBase)
		if err != nil {
			return err
		}
		defer windows.CloseHandle(h) // nothing was written through it
		return errno(windows.NtSetInformationFile(h, &windows.IO_STATUS_BLOCK{}, (*byte)(unsafe.Pointer(&info)),
			uint32(unsafe.Sizeof(info)), windows.FileRenameInformation))
	})
}

// openForRename opens the entry itself, not what a link leads to.
func openForRename(dir *os.File, base string) (windows.Handle, error) {
	name, err := windows.NewNTUnicodeString(base)
	if err != nil {
		return 0, err
	}
	attributes := &windows.OBJECT_ATTRIBUTES{
		RootDirectory: windows.Handle(dir.Fd()),
		ObjectName:    name,
		Attributes:    windows.OBJ_CASE_INSENSITIVE,
	}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	var h windows.Handle
	var size int64
	err = windows.NtCreateFile(&h, windows.SYNCHRONIZE|windows.DELETE, attributes, &windows.IO_STATUS_BLOCK{}, &size, 0,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, windows.FILE_OPEN,
		windows.FILE_OPEN_REPARSE_POINT|windows.FILE_OPEN_FOR_BACKUP_INTENT|windows.FILE_SYNCHRONOUS_IO_NONALERT, 0, 0)
	return h, errno(err)
}

// errno turns a status of the kernel into the error that everybody else returns.
func errno(err error) error {
	if status, ok := err.(windows.NTStatus); ok {
		return status.Errno()
	}
	return err
}

// longPath is absolute and free of the limit of 260 characters, and means the name as it
// is: without the prefix Windows would leave out a dot at its end and take NUL.txt for a
// device.
func longPath(dir, name string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	switch {
	case strings.HasPrefix(dir, `\\?\`), strings.HasPrefix(dir, `\\.\`):
	case strings.HasPrefix(dir, `\\`):
		dir = `\\?\UNC` + dir[1:]
	default:
		dir = `\\?\` + dir
	}
	if name = path.Clean(name); name == "." {
		return dir
	}
	return strings.TrimSuffix(dir, `\`) + `\` + filepath.FromSlash(name)
}

// syncDir flushes the folder. That needs a handle with the right to write, which
// os.Root does not give. Where Windows does not give it either, or the file system
// cannot flush a folder, nothing more can be done: NTFS writes its journal within
// seconds, and a power cut before that undoes whole renames.
func syncDir(r *os.Root, name string) error {
	if _, err := r.Stat(name); err != nil {
		return err
	}
	h, err := open(r, name, windows.FILE_GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE)
	if err != nil {
		return unlessRefused(errno(err))
	}
	defer windows.CloseHandle(h) // nothing was written through it
	return unlessRefused(windows.FlushFileBuffers(h))
}

func unlessRefused(err error) error {
	for _, refusal := range []error{windows.ERROR_ACCESS_DENIED, windows.ERROR_SHARING_VIOLATION, windows.ERROR_INVALID_FUNCTION, windows.ERROR_INVALID_HANDLE, windows.ERROR_NOT_SUPPORTED} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
}

// open opens a file or folder by its full path, for what os.Root cannot do. It is used
// only where a link on the way can do no harm: nothing is read or written. Its errors are
// statuses of the kernel, which tell more apart than those of Windows.
func open(r *os.Root, name string, access, share uint32) (windows.Handle, error) {
	object, err := windows.NewNTUnicodeString(`\??\` + strings.TrimPrefix(longPath(r.Name(), name), `\\?\`))
	if err != nil {
		return 0, err
	}
	attributes := &windows.OBJECT_ATTRIBUTES{ObjectName: object, Attributes: windows.OBJ_CASE_INSENSITIVE}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	var h windows.Handle
	var size int64
	err = windows.NtCreateFile(&h, windows.SYNCHRONIZE|access, attributes, &windows.IO_STATUS_BLOCK{}, &size, 0, share, windows.FILE_OPEN,
		windows.FILE_OPEN_FOR_BACKUP_INTENT|windows.FILE_SYNCHRONOUS_IO_NONALERT, 0, 0)
	return h, err
}

func identityOf(r *os.Root, name string) (ID, error) {
	f, err := r.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() // opened for reading: nothing can be lost
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return "", fmt.Errorf("identity of %q: %w", name, err)
	}
	return ID(fmt.Sprintf("%x-%x%08x", info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow)), nil
}

// busy tries to open the file while denying others to write, which Windows
// refuses as long as somebody has it open for writing. A file that was removed while
// somebody has it open is busy too: it is still listed, and will be gone.
func busy(r *os.Root, name string) bool {
	h, err := open(r, name, windows.FILE_GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE)
	if err != nil {
		return meansBusy(err)
	}
	windows.CloseHandle(h) // a handle that was only probing
	return false
}

func meansBusy(status error) bool {
	return errors.Is(status, windows.STATUS_SHARING_VIOLATION) || errors.Is(status, windows.STATUS_DELETE_PENDING)
}

// InUse reports whether an error says that another program has the file open in a way
// that forbids what was tried. Trying again later is the remedy.
func InUse(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

func free(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(longPath(dir, "."))
	if err != nil {
		return 0, err
	}
	var available, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(p, &available, &total, &all); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return available, nil
}

// NoSpace reports whether an error says that a volume, or a quota on it, is full.
func NoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// WriteProtected reports whether an error says that a volume is read-only.
func WriteProtected(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }
