package agent

import (
	"os"
	"testing"
)

// Commands are run as root while the agent runs as a user of its own: what they made by
// asking would keep it out.
func TestAskingWhetherAnAgentRunsMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if Running(dir) {
		t.Error("an agent runs where none ever did")
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}
