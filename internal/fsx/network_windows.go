package fsx

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// Network says on what kind of network file system a folder lies, and is empty where it is
// on a disk of this machine. On such a file system nobody is told of what others change,
// and locks are not to be relied upon.
func Network(dir string) (kind string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rest, literal := strings.CutPrefix(abs, `\\?\`)
	if strings.HasPrefix(abs, `\\`) && !strings.HasPrefix(abs, `\\.\`) && !literal || literal && strings.HasPrefix(strings.ToUpper(rest), `UNC\`) {
		return "network share", nil
	}
	volume, err := windows.UTF16PtrFromString(filepath.VolumeName(rest) + `\`)
	if err != nil {
		return "", err
	}
	if windows.GetDriveType(volume) == windows.DRIVE_REMOTE {
		return "network drive", nil
	}
	return "", nil
}
