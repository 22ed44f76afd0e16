package outbox

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/as2drop/as2drop/naming"
)

// heap is what is allocated and not freed yet.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// live is what is in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // the first one may have been at work already
	return heap()
}

// Whoever waits takes memory for his name and little else: while the folder is looked at,
// and afterwards as long as he waits. The bytes are counted; how many of those that a look
// allocates are there at the same time is up to the collector.
func TestMemoryOfAWaitingFile(t *testing.T) {
	const files = 5_000
	for name, c := range map[string]struct {
		quiet              time.Duration
		allocated, kept    int64 // by a look, for each file
		attachments, ready int
	}{
		"complete":         {0, 1000, 160, 0, files},
		"with attachments": {0, 1000, 160, 1, files},
		"not quiet yet":    {time.Hour, 1200, 90, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := newBacklogIn(t, dir, func(p *Partner) {
				p.Rules, _ = naming.Compile(naming.Config{Quiet: c.quiet}) // as in newBacklogIn
				p.Bundle = BundleAlways
			})
			dropMany(t, dir, 0, files)
			ob := NewObserver()
			b.scan(t, ob) // what is made once is made now
			for range 2 {
				before := live()
				var m1, m2 runtime.MemStats
				runtime.ReadMemStats(&m1)
				b.scan(t, ob)
				runtime.ReadMemStats(&m2)
				after := live()
				_ = before
				t.Logf("allocated %d, kept %d", int64(m2.TotalAlloc-m1.TotalAlloc)/files, (after-before)/files)
			}
			runtime.KeepAlive(ob)
		})
	}
}

// The most memory that a look takes, for each of many files.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		for _, quiet := range []time.Duration{0, time.Hour} {
			dir := b.TempDir()
			o := newBacklogIn(b, dir, func(p *Partner) { p.Rules, _ = naming.Compile(naming.Config{Quiet: quiet}) }) // as above
			dropMany(b, dir, 0, n)
			b.Run(fmt.Sprintf("%d/quiet=%v", n, quiet), func(b *testing.B) {
				for b.Loop() {
					before := live()
					ob := NewObserver()
					b.ReportMetric(float64(mostDuring(func() { o.scan(b, ob) })-before)/float64(n), "most-first-B/file")
					b.ReportMetric(float64(live()-before)/float64(n), "kept-B/file")
					b.ReportMetric(float64(mostDuring(func() { o.scan(b, ob) })-before)/float64(n), "most-later-B/file")
					runtime.KeepAlive(ob)
				}
			})
		}
	}
}

// mostDuring is the largest heap while something is done.
func mostDuring(do func()) (most int64) {
	done, over := make(chan struct{}), make(chan int64)
	go func() {
		most := heap()
		for {
			select {
			case <-done:
				over <- most
				return
			default:
				most = max(most, heap())
				runtime.Gosched()
			}
		}
	}()
	do()
	close(done)
	return <-over
}
