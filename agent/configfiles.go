package agent

import (
	"github.com/as2drop/as2drop/config"
)

// configFiles notices when the config, or a file that it names, changes. It compares what
// the system says of the files; what they hold is for config.Load and config.Diff.
type configFiles struct {
	taken map[string]config.Stamp // as they were when they were read last
	last  map[string]config.Stamp // as they were at the last look
}

type filesState int

const (
	filesSame     filesState = iota // as they were read
	filesChanging                   // they changed since the last look
	filesChanged                    // they changed, and stand still since the last look
)

func newConfigFiles(cfg *config.Config) *configFiles {
	return &configFiles{cfg.Files, cfg.Files}
}

// refused notes that the files as they were at the last look are no config.
func (c *configFiles) refused() { c.taken = c.last }

// touched reports whether one of the files is not as it was at the last look.
func (c *configFiles) touched() bool {
	for f, last := range c.last {
		if config.StampOf(f) != last {
			return true
		}
	}
	return false
}

func (c *configFiles) look() filesState {
	now := map[string]config.Stamp{}
	state := filesSame
	for f, taken := range c.taken {
		now[f] = config.StampOf(f)
		if now[f] != taken && state == filesSame {
			state = filesChanged
		}
		if now[f] != c.last[f] {
			state = filesChanging
		}
	}
	c.last = now
	return state
}
