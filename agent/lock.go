package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockName is the file in the data folder that one running agent holds locked.
// holderName says who: on Windows nobody can read a file that is locked.
const (
	lockName   = "agent.lock"
	holderName = "agent.pid"
)

// dataLock is held by the agent that works on a data folder.
type dataLock struct {
	*flock.Flock
	dir string
}

// lockData makes sure that one agent works on a data folder. The lock ends with the
// process, however it ends.
func lockData(dir string) (*dataLock, error) {
	l := &dataLock{flock.New(filepath.Join(dir, lockName)), dir}
	// A command that only asks whether somebody runs holds it for a moment.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ok, err := l.TryLockContext(ctx, 50*time.Millisecond)
	if err != nil && ctx.Err() == nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: it belongs to another user than the one that the agent runs as; as root: chown -R USER: %s", err, dir)
		}
		return nil, fmt.Errorf("agent: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("agent: %s: another as2drop runs on this data folder%s; stop it first, or give this one its own data_dir", l.Path(), holder(dir))
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	text := fmt.Sprintf("process %d on %s, started %s\n", os.Getpid(), host, time.Now().UTC().Format(time.DateTime+" UTC"))
	_ = os.WriteFile(filepath.Join(dir, holderName), []byte(text), 0o640) // for people; on a full disk it stays empty
	return l, nil
}

// holder says who holds the lock, as far as it is known.
func holder(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, holderName))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if err != nil || len(line) == 0 || len(line) > 200 {
		return ""
	}
	return " (" + string(bytes.ToValidUTF8(line, []byte("?"))) + ")"
}

// Unlock lets the next agent in.
func (l *dataLock) Unlock() error {
	_ = os.Remove(filepath.Join(l.dir, holderName)) // without the lock it says nothing
	return l.Flock.Unlock()
}

// Running reports whether an agent holds the data folder. It makes nothing: a lock that root
// made by asking would keep the agent out, which is another user.
func Running(dir string) bool {
	l := flock.New(filepath.Join(dir, lockName), flock.SetFlag(os.O_RDONLY))
	ok, err := l.TryLock()
	if err != nil {
		return false
	}
	if ok {
		l.Unlock() // we only asked
	}
	return !ok
}
