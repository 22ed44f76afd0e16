// Package access says who may read and change files of the agent: its keys, its
// passwords and its data folder.
//
// Create and MkdirAll make files and folders that are private from their first moment,
// and Private makes one private that is there. On Unix that is mode 0600 or 0700. On
// Windows it is an access list of its own, which inherits nothing: the operating system,
// the administrators and the user that made the file, and the accounts that are named
// beside them. A folder passes it on to what is made in it. Without that, everything below
// %ProgramData% can be read by every user of the machine.
//
// Like gives a file the owner and the mode of another one.
//
// Grant adds an account to those that a file or folder allows already. Exposed reports
// whether everybody may read a file.
package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Right is what an account may do.
type Right int

const (
	Read   Right = iota // read, and list a folder
	Change              // also write, make, rename and remove
)

// MkdirAll makes a folder, and those above it that are missing, private. What is there
// stays as it is.
func MkdirAll(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("a file has the name")}
	}
	if err == nil {
		return nil
	}
	if up := filepath.Dir(path); up != path {
		if err := MkdirAll(up); err != nil {
			return err
		}
	}
	if err := mkdir(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
