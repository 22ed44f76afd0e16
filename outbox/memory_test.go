package outbox

import (
	"fmt"
	"os"
	"path/filepath"
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

// inUse is what is in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the first one may have been at work already
	return heap()
}

// Whoever waits takes memory for his name and little else: while the folder is looked at,
// and afterwards as long as he waits. The bytes are counted; how many of those that a look
// allocates are there at the same time is up to the collector.
func TestMemoryOfAWaitingFile(t *testing.T) {
	const files = 4_000
	limit := allocated
	if runtime.GOOS == "windows" {
		limit *= 2 // a name comes in UTF-16, and with all that the system knows of the file
	}
	for name, c := range map[string]struct {
		quiet      time.Duration
		attachment bool
		kept       int
	}{"complete": {0, false, 120}, "with an attachment": {0, true, 120}, "not quiet yet": {time.Hour, false, 25}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := newBacklogIn(t, dir, func(p *Partner) {
				p.Rules, _ = naming.Compile(naming.Config{Quiet: c.quiet}) // as in newBacklogIn
				p.Bundle = BundleAlways
			})
			documents := files
			if c.attachment {
				documents = files / 2
				for i := range documents {
					must(os.WriteFile(filepath.Join(dir, outboxDir, fmt.Sprintf("INV-%06d_scan.pdf", i)), []byte("%PDF"), 0o640))
				}
			}
			dropMany(t, dir, 0, documents)
			b.scan(t, NewObserver()) // what is made once is made now
			before := inUse()
			ob := NewObserver()
			for range 2 { // the second one compares with the first
				var m1, m2 runtime.MemStats
				runtime.ReadMemStats(&m1)
				r := b.scan(t, ob)
				runtime.ReadMemStats(&m2)
				if r.Listed != files || c.quiet > 0 && len(r.Waiting) != files || c.quiet == 0 && ob.Left() == 0 {
					t.Fatalf("listed %d, %d wait, %d ready", r.Listed, len(r.Waiting), ob.Left())
				}
				if n := int(m2.TotalAlloc-m1.TotalAlloc) / files; n > limit {
					t.Errorf("a look allocates %d bytes for each file", n)
				}
				if n := int(inUse()-before) / files; n > c.kept {
					t.Errorf("%d bytes are kept of each file", n)
				}
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
					before := inUse()
					ob := NewObserver()
					b.ReportMetric(float64(mostDuring(func() { o.scan(b, ob) })-before)/float64(n), "most-first-B/file")
					b.ReportMetric(float64(inUse()-before)/float64(n), "kept-B/file")
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
