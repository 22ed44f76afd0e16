//go:build unix && !linux

package fsx

// Network does not know the file systems of this system.
func Network(string) (kind string, err error) { return "", nil }
