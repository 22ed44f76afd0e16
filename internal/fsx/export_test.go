package fsx

import "os"

// OpenByRoot opens a tree that os.Root alone confines, as on other systems and kernels.
func OpenByRoot(dir string) (FS, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &root{Root: r, dir: dir}, nil
}
