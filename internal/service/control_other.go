//go:build !linux && !windows

package service

import "context"

// Install is for the systems that we know.
func Install(Definition) ([]string, error) { return nil, ErrUnsupported }

// Uninstall is for the systems that we know.
func Uninstall(context.Context, string) error { return ErrUnsupported }

// Start is for the systems that we know.
func Start(context.Context, string) error { return ErrUnsupported }

// Stop is for the systems that we know.
func Stop(context.Context, string) error { return ErrUnsupported }

// Query is for the systems that we know.
func Query(context.Context, string) (Status, error) { return Status{}, ErrUnsupported }
