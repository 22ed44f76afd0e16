package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// statusFile is where the status stands in the data folder, and askFile asks for a fresh one.
const (
	statusFile = "agent.json"
	askFile    = "agent.ask"
)

// LooksEvery is how often an agent looks whether somebody wants a fresh status.
const LooksEvery = time.Second

// Asked reports whether somebody wants a fresh status, and takes the question away.
func Asked(dataDir string) bool { return os.Remove(filepath.Join(dataDir, askFile)) == nil }

// Ask asks the running agent for a fresh status and waits for it, up to a limit. It returns
// the newest one there is.
func Ask(dataDir string, limit time.Duration) (Status, error) {
	asked := time.Now()
	if err := os.WriteFile(filepath.Join(dataDir, askFile), nil, 0o600); err != nil {
		return Read(dataDir) // whoever may only read sees the last one
	}
	tick := time.NewTicker(LooksEvery / 20)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		if s, err := Read(dataDir); err == nil && s.At.After(asked) {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return Read(dataDir)
		}
	}
}

// Write puts a status in the place of the one before.
func Write(dataDir string, s *Status) (err error) {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	dir, err := fsx.OpenRoot(dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return fsx.Rewrite(dir, statusFile, 0o640, append(text, '\n'))
}

// Read reads the status that a running agent wrote last.
func Read(dataDir string) (s Status, err error) {
	dir, err := fsx.OpenRoot(dataDir)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	text, err := fsx.ReadFile(dir, statusFile, 256<<20)
	if err != nil {
		return s, err
	}
	if err = json.Unmarshal(text, &s); err != nil {
		return Status{}, fmt.Errorf("%s: %w", statusFile, err)
	}
	return s, nil
}
