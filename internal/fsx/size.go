package fsx

import (
	"errors"
	"io/fs"
	"path"
)

// Size adds up a file, or all files of a folder, in bytes. Links are not followed.
func Size(fsys FS, name string) (n int64, err error) {
	info, err := fsys.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.IsDir() {
		return info.Size(), nil
	}
	entries, err := fsys.ReadDir(name)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		m, err := Size(fsys, path.Join(name, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		n += m
	}
	return n, nil
}
