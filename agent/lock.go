package agent

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockName is the file in the data folder that one running agent holds locked.
const lockName = "agent.lock"

// lockData makes sure that one agent works on a data folder. The lock ends with the
// process, however it ends.
func lockData(dir string) (*flock.Flock, error) {
	l := flock.New(filepath.Join(dir, lockName))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("agent: %s: %w", l.Path(), err)
	}
	if !ok {
		return nil, fmt.Errorf("agent: %s: another as2drop runs on this data folder; stop it first, or give this one its own data_dir", l.Path())
	}
	return l, nil
}

// Running reports whether an agent holds the data folder.
func Running(dir string) bool {
	l := flock.New(filepath.Join(dir, lockName))
	ok, err := l.TryLock()
	if err != nil {
		return false
	}
	if ok {
		l.Unlock() // we only asked
	}
	return !ok
}
