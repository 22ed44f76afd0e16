//go:build !windows

package service

import (
	"errors"
	"io"
)

// OpenEventLog opens the event log of Windows.
func OpenEventLog(string) (EventWriter, io.Closer, error) {
	return nil, nil, errors.New("only Windows has an event log")
}
