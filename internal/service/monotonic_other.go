//go:build !linux

package service

// monotonic is for systemd, which only Linux has.
func monotonic() (int64, error) { return 0, ErrUnsupported }
