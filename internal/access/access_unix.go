//go:build unix

package access

import "os"

// Remedy is what to do about a file that is exposed.
const Remedy = "chmod o= FILE"

// Create makes a private file that is not there yet, for writing.
func Create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

func mkdir(path string) error { return os.Mkdir(path, 0o700) }

// Private takes a file or folder from everybody but its owner. Accounts are those of
// Windows and mean nothing here.
func Private(path string, _ ...string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm() & 0o700
	if info.Mode().Perm() == mode {
		return nil
	}
	return os.Chmod(path, mode)
}

// Exposed reports whether any user of the machine may read or change a file. The owner's
// group may: that is how a key is shared on purpose.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o007 != 0
}
