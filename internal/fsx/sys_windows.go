package fsx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

// busyTries and busyPause bound how long a rename or removal waits for another
// program (virus scanner, indexer, a writer that is about to close): 1.3 s in all.
const (
	busyTries = 8
	busyPause = 10 * time.Millisecond
)

// retryBusy repeats f while another program has the file open in a way that
// forbids it.
func retryBusy(f func() error) error {
	pause := busyPause
	var err error
	for range busyTries {
		err = f()
		if !errors.Is(err, windows.ERROR_ACCESS_DENIED) && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
	return err
}

// renameNoReplace renames by full path: the folders were reached through os.Root
// and stay open meanwhile, so that nobody can put a link in their place.
func renameNoReplace(oldDir *os.File, oldBase string, newDir *os.File, newBase string) error {
	from, err := windows.UTF16PtrFromString(longPath(oldDir, oldBase))
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(longPath(newDir, newBase))
	if err != nil {
		return err
	}
	return retryBusy(func() error {
		return windows.MoveFileEx(from, to, windows.MOVEFILE_WRITE_THROUGH)
	})
}

// longPath is absolute and free of the limit of 260 characters.
func longPath(dir *os.File, base string) string {
	p := filepath.Join(dir.Name(), base)
	if abs, err := filepath.Abs(p); err == nil {
		p = abs
	}
	if len(p) < 248 || len(p) > 3 && p[:4] == `\\?\` {
		return p
	}
	if p[:2] == `\\` {
		return `\\?\UNC` + p[1:]
	}
	return `\\?\` + p
}

func openForSync(r *os.Root, name string) (*os.File, error) { return r.Open(name) }

// syncDir flushes the folder. Without the right to write to the handle Windows
// refuses; then MOVEFILE_WRITE_THROUGH has already done what can be done.
func syncDir(f *os.File) error {
	err := windows.FlushFileBuffers(windows.Handle(f.Fd()))
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION) || errors.Is(err, windows.ERROR_INVALID_HANDLE) {
		return nil
	}
	return err
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
// refuses as long as somebody has it open for writing.
func busy(r *os.Root, name string) bool {
	p, err := windows.UTF16PtrFromString(filepath.Join(r.Name(), filepath.FromSlash(name)))
	if err != nil {
		return false
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return errors.Is(err, windows.ERROR_SHARING_VIOLATION)
	}
	windows.CloseHandle(h) // a handle that was only probing
	return false
}

func free(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var available, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(p, &available, &total, &all); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return available, nil
}
