package service

import (
	"fmt"
	"io"

	"golang.org/x/sys/windows/svc/eventlog"
)

// OpenEventLog opens the event log for a program that the service manager has not started.
// Where no service of the name is installed, its entries have a remark of Windows that the
// description is missing; the text is there all the same.
func OpenEventLog(source string) (EventWriter, io.Closer, error) {
	log, err := eventlog.Open(source)
	if err != nil {
		return nil, nil, fmt.Errorf("event log: source %s: %w", source, err)
	}
	return log, log, nil
}
