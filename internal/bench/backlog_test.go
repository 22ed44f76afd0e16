//go:build linux

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/testpartner"
)

// backlog is what it took to send one.
type backlog struct {
	documents int
	took      time.Duration // from when the agent was ready until the partner had answered the last one
	usage     usage
	work      status.Work
}

// ofBacklog are the settings of the partner. Files are taken at first sight, for otherwise
// the quiet time would be measured; all else is as it is without any word of the config.
const ofBacklog = ", naming: {quiet: 0s}, send: {parallel: 8}"

// stalled is how long nothing may come before it is believed that nothing will.
const stalled = time.Minute

// drain has the agent send documents that are in the outbox when it starts.
func drain(t testing.TB, documents int) backlog {
	t.Helper()
	var came, last atomic.Int64
	s := newSite(t, 1, ofBacklog, func(testpartner.Visit) {
		came.Add(1)
		last.Store(time.Now().UnixNano())
	})
	p, _ := start(t, s.dir) // it makes the folders
	p.stop()
	filling := strings.Repeat("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n", 20)
	for i := range documents {
		text := fmt.Sprintf("<Invoice><ID>%06d</ID>\n%s</Invoice>\n", i, filling)
		must(t, os.WriteFile(filepath.Join(s.folder("p0000", "outbox"), fmt.Sprintf("INV-%06d.xml", i)), []byte(text), 0o600))
	}
	p, _ = start(t, s.dir)
	b := backlog{documents: documents}
	began := time.Now()
	last.Store(began.UnixNano())
	for int(came.Load()) < documents || s.count(s.folder("p0000", ".work")) > 0 {
		wait(t.Context(), 20*time.Millisecond)
		if at := time.Unix(0, last.Load()); time.Since(at) > stalled {
			p.fatal("%d of %d came, and then nothing for %v", came.Load(), documents, stalled)
		}
	}
	b.took = time.Unix(0, last.Load()).Sub(began)
	b.usage, b.work = p.usage(), p.work()
	p.stop()
	s.allArrived(documents)
	return b
}

// allArrived checks that each document was sent once, and is in sent.
func (s *site) allArrived(documents int) {
	s.t.Helper()
	for _, complaint := range s.partner.Complaints() {
		s.t.Error(complaint)
	}
	delivered := s.partner.Delivered()
	for sum, times := range delivered {
		if times != 1 {
			s.t.Fatalf("a document was delivered %d times (SHA-256 of what it came in: %s)", times, sum)
		}
	}
	days, err := filepath.Glob(filepath.Join(s.folder("p0000", "sent"), "*"))
	must(s.t, err)
	sent := 0
	for _, day := range days {
		sent += s.count(day)
	}
	if left := s.count(s.folder("p0000", "outbox")); len(delivered) != documents || sent != documents || left != 0 {
		s.t.Fatalf("of %d documents %d were delivered, %d are in sent, %d in the outbox", documents, len(delivered), sent, left)
	}
}

func (b backlog) rate() float64 { return float64(b.documents) / b.took.Seconds() }

// each is a number for each document.
func (b backlog) each(n float64) float64 { return n / float64(b.documents) }

// The way to the figures works: what is sent is counted, and so is what it took.
func TestBacklog(t *testing.T) {
	b := drain(t, 50)
	if w := b.work; w.Looks < 1 || w.Listed < 50 || w.Commits < 1 || w.Updates < 50*2 || w.Rows < 50 || b.usage.most < 1 || b.usage.cpu == 0 || b.took <= 0 {
		t.Errorf("%+v", b)
	}
}

// Ten times the documents take ten times as long and no more memory.
func BenchmarkBacklog(b *testing.B) {
	var all []backlog
	for _, n := range numbers(b, *sizes) {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				all = append(all, drain(b, n))
			}
			last := all[len(all)-1]
			b.ReportMetric(last.rate(), "docs/s")
			b.ReportMetric(last.rate()/all[0].rate(), "ratio")
			b.ReportMetric(last.usage.most, "MiB")
			b.ReportMetric(last.each(last.usage.cpu.Seconds()*1e3), "cpu-ms/doc")
		})
	}
	page(b, "backlog", backlogTable(all))
}

func backlogTable(all []backlog) string {
	var t strings.Builder
	t.WriteString("| documents | documents/s | of the rate of the first line | most memory, MiB | CPU, ms/document | looks at the outbox | entries listed/document | commits/document | ledger rows read/document |\n")
	t.WriteString("|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, b := range all {
		fmt.Fprintf(&t, "| %d | %.0f | %.2f | %.0f | %.2f | %d | %.1f | %.1f | %.0f |\n", b.documents, b.rate(), b.rate()/all[0].rate(), b.usage.most,
			b.each(b.usage.cpu.Seconds()*1e3), b.work.Looks, b.each(float64(b.work.Listed)), b.each(float64(b.work.Commits)), b.each(float64(b.work.Rows)))
	}
	return t.String()
}
