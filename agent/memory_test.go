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
		new(collector).collectFor(c.partners)
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("GOGC=%s, %d partners: %d %%, not %d %%", c.gogc, c.partners, got, c.want)
		}
	}
}

// While a large outbox is looked at less garbage gathers, for as long as any is.
func TestCollectWhileALargeOutboxIsLookedAt(t *testing.T) {
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	t.Setenv("GOGC", "")
	c := new(collector)
	c.collectFor(1)
	now := func(want int) {
		t.Helper()
		got := debug.SetGCPercent(100)
		debug.SetGCPercent(got)
		if got != want {
			t.Errorf("%d %%, not %d %%", got, want)
		}
	}
	c.lookAt(manyFiles)()
	now(garbageOtherwise)
	first, second := c.lookAt(manyFiles+1), c.lookAt(manyFiles+1)
	c.lookAt(7)()
	now(garbageOfMany)
	first()
	now(garbageOfMany)
	second()
	now(garbageOtherwise)
}
