package agent

import (
	"runtime/debug"
	"testing"
)

// With many partners less garbage gathers, unless whoever started the agent has said how much
// may.
func TestCollectFor(t *testing.T) {
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	for _, c := range []struct {
		gogc     string
		partners int
		want     int
	}{{"", manyPartners, garbageOtherwise}, {"", manyPartners + 1, garbageOfMany}, {"70", 1000, 100}} {
		t.Setenv("GOGC", c.gogc)
		debug.SetGCPercent(100)
		collectFor(c.partners)
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("GOGC=%s, %d partners: %d %%, not %d %%", c.gogc, c.partners, got, c.want)
		}
	}
}
