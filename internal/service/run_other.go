//go:build !windows

package service

import "context"

// Host is the service manager of Windows as the program sees it.
type Host struct {
	Events EventWriter
	Reload <-chan struct{}
}

// Ready tells that the program works.
func (*Host) Ready(string) {}

// Run is for the service manager of Windows. Others start the program as it is.
func Run(string, func(context.Context, *Host) error, func(error) int) error { return ErrUnsupported }
