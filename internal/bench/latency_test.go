//go:build linux

package bench

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/testpartner"
)

var drops = flag.Int("drops", 400, "documents of BenchmarkLatency")

// latency is how soon documents leave that are dropped one by one.
type latency struct {
	drops    int
	waited   []time.Duration // from each rename until the partner had the header of the POST, sorted
	filed    []time.Duration // from each rename until the document was in sent, sorted
	bare     []time.Duration // what the rules want done before a POST, and nothing else
	idle     float64         // of one core while nothing was dropped
	measured time.Duration   // how long that was
}

// between two drops is some pause, so that they meet the agent at no certain moment.
const (
	leastPause = 20 * time.Millisecond
	mostPause  = 120 * time.Millisecond
)

// leave has documents renamed into the outbox of a running agent, each when the one before
// it is in sent.
func leave(t testing.TB, documents int, measure time.Duration) latency {
	t.Helper()
	began := make(chan time.Time, 1)
	s := newSite(t, 1, ", naming: {quiet: 0s}", nil, func(o *testpartner.Options) { o.Began = func() { began <- time.Now() } })
	p, _ := start(t, s.dir)
	l := latency{drops: documents, measured: measure}
	staging := filepath.Join(s.dir, "staging")
	must(t, os.Mkdir(staging, 0o700))
	filling := strings.Repeat("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n", 180)
	for i := range documents {
		wait(t.Context(), leastPause+rand.N(mostPause-leastPause))
		name := fmt.Sprintf("INV-%06d.xml", i)
		must(t, os.WriteFile(filepath.Join(staging, name), []byte(fmt.Sprintf("<Invoice><ID>%06d</ID>\n%s</Invoice>\n", i, filling)), 0o600))
		at := time.Now()
		must(t, os.Rename(filepath.Join(staging, name), filepath.Join(s.folder("p0000", "outbox"), name)))
		late := time.After(stalled)
		select {
		case come := <-began:
			l.waited = append(l.waited, come.Sub(at))
		case <-late:
			p.fatal("document %d did not leave within %v", i, stalled)
		}
		for s.count(s.folder("p0000", ".work")) > 0 {
			wait(t.Context(), time.Millisecond)
			if time.Since(at) > stalled {
				p.fatal("document %d was not filed within %v", i, stalled)
			}
		}
		l.filed = append(l.filed, time.Since(at))
	}
	before := p.usage()
	wait(t.Context(), measure)
	if measure > 0 {
		l.idle = float64(p.usage().cpu-before.cpu) / float64(measure)
	}
	p.stop()
	s.allArrived(documents)
	slices.Sort(l.waited)
	slices.Sort(l.filed)
	return l
}

// at is the duration within which a share of all were.
func at(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// The way to the figures works: each document is waited for, and filed.
func TestLatency(t *testing.T) {
	l := leave(t, 5, 0)
	if len(l.waited) != 5 || len(l.filed) != 5 || l.waited[0] <= 0 || l.filed[0] < l.waited[0] {
		t.Errorf("%+v", l)
	}
	if m := at([]time.Duration{1, 2, 3, 4}, 0.5); m != 3 {
		t.Errorf("of 1, 2, 3, 4 half are within %d", m)
	}
}

// A document is under way a moment after it was dropped.
func BenchmarkLatency(b *testing.B) {
	var l latency
	for b.Loop() {
		l = leave(b, *drops, *minute/2)
		l.bare = bare(b, *drops/4)
	}
	b.ReportMetric(at(l.bare, 0.5).Seconds()*1e3, "bare-ms")
	b.ReportMetric(at(l.waited, 0.5).Seconds()*1e3, "median-ms")
	b.ReportMetric(at(l.waited, 0.99).Seconds()*1e3, "p99-ms")
	b.ReportMetric(at(l.filed, 0.5).Seconds()*1e3, "filed-ms")
	page(b, "latency", latencyTable(l))
}

func latencyTable(l latency) string {
	var t strings.Builder
	fmt.Fprintf(&t, "| from the rename into the outbox, %d documents, RSA-%d | median, ms | 90 %% | 99 %% | most |\n|---|---:|---:|---:|---:|\n", l.drops, *bits)
	for _, line := range []struct {
		until string
		took  []time.Duration
	}{{"until the partner has the header of the POST", l.waited}, {"until the document is in `sent`", l.filed}, {"what has to be done before the POST, by itself", l.bare}} {
		fmt.Fprintf(&t, "| %s |", line.until)
		for _, share := range []float64{0.5, 0.9, 0.99, 1} {
			fmt.Fprintf(&t, " %.1f |", at(line.took, share).Seconds()*1e3)
		}
		t.WriteString("\n")
	}
	fmt.Fprintf(&t, "\nIn the %.0f seconds after that the idle agent used %.2f %% of one core.\n", l.measured.Seconds(), 100*l.idle)
	return t.String()
}
