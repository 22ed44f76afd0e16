//go:build !linux

package journal

import "errors"

func dial(string) (conn, error) {
	return nil, errors.New("the journal of systemd is on Linux only")
}
