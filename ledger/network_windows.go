package ledger

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"
)

func refuseNetwork(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	volume, err := windows.UTF16PtrFromString(filepath.VolumeName(abs) + `\`)
	if err != nil {
		return err
	}
	if windows.GetDriveType(volume) == windows.DRIVE_REMOTE {
		return errors.New("the ledger must be on a local disk, this is a network drive; set data_dir to a local folder (partner folders may stay where they are)")
	}
	return nil
}
