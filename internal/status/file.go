package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// statusFile is where the status stands in the data folder. askDir has nothing in it but
// questions: its events are told to the agent, which those of the data folder are too many for.
const (
	statusFile = "agent.json"
	askDir     = "ask"
)

// A question is a folder, for it is made in one step: who takes it away at once finds nobody
// who has it open.
const question = askDir + "/status"

// LooksEvery is how often an agent looks whether somebody wants a fresh status, in case that
// no event of the folder of questions tells it.
const LooksEvery = time.Second

// Listen makes the folder in which questions are left, if it is not there, and returns its
// path. Who may write into the data folder may ask.
func Listen(dataDir string) (folder string, err error) {
	folder = filepath.Join(dataDir, askDir)
	like, err := os.Stat(dataDir)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	is, err := os.Stat(folder)
	if err == nil && is.Mode().Perm() != like.Mode().Perm() {
		err = os.Chmod(folder, like.Mode().Perm())
	}
	return folder, err
}

// Asked reports whether somebody wants a fresh status, and takes the question away.
func Asked(dataDir string) bool { return os.Remove(filepath.Join(dataDir, question)) == nil }

// answerEvery is how often who asked looks for the answer.
const answerEvery = 5 * time.Millisecond

// Ask asks the running agent for a fresh status and waits for it, up to a limit. It returns
// the newest one there is.
func Ask(dataDir string, limit time.Duration) (Status, error) {
	asked, standing := time.Now(), false // the question
	tick := time.NewTicker(answerEvery)
	defer tick.Stop()
	deadline := time.After(limit)
	var seen fs.FileInfo // of the answer that was read last
	for {
		if !standing {
			err := os.Mkdir(filepath.Join(dataDir, question), 0o700)
			standing = err == nil || errors.Is(err, fs.ErrExist)
			if !standing && !errors.Is(err, fs.ErrNotExist) {
				return Read(dataDir) // whoever may only read sees the last one
			}
			// An agent that runs for the first time makes the folder of questions soon.
		}
		info, err := os.Stat(filepath.Join(dataDir, statusFile))
		if err == nil && !sameFile(seen, info) {
			seen = info
			if s, err := Read(dataDir); err == nil && s.At.After(asked) {
				return s, nil
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			return Read(dataDir)
		}
	}
}

// sameFile reports whether a file is the one that was seen before, as it was.
func sameFile(seen, now fs.FileInfo) bool {
	return seen != nil && os.SameFile(seen, now) && seen.ModTime().Equal(now.ModTime()) && seen.Size() == now.Size()
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
