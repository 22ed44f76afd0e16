//go:build linux

package bench

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var minute = flag.Duration("idle", time.Minute, "for how long idle partners are measured")

// idle is what partners cost that have nothing to send.
type idle struct {
	partners    int
	first, next time.Duration // until the agent was ready: with folders to make, and without
	usage       usage         // cpu in a minute
	looks       float64       // at outboxes, for each partner in a minute
}

// settled is how long an agent is left alone before it is measured.
const settled = 15 * time.Second

// rest runs an agent whose partners have nothing to send.
func rest(t testing.TB, partners int, settle, measure time.Duration) idle {
	t.Helper()
	s := newSite(t, partners, "", nil)
	i := idle{partners: partners}
	var p *process
	p, i.first = start(t, s.dir)
	p.stop()
	p, i.next = start(t, s.dir)
	wait(t.Context(), settle)
	work, before, began := p.work(), p.usage(), time.Now()
	wait(t.Context(), measure)
	i.usage = p.usage()
	inMinutes := float64(time.Since(began)) / float64(time.Minute)
	i.usage.cpu = time.Duration(float64(i.usage.cpu-before.cpu) / inMinutes)
	i.looks = float64(p.work().Looks-work.Looks) / inMinutes / float64(partners)
	p.stop()
	if visits := s.partner.Visits(); len(visits) > 0 {
		t.Errorf("something was sent: %+v", visits[0])
	}
	return i
}

// The way to the figures works: each outbox is watched, and looked at.
func TestIdle(t *testing.T) {
	i := rest(t, 3, 0, 0)
	if i.usage.watches < 3 || i.usage.files < 3 || i.usage.resident < 1 || i.first <= 0 || i.next <= 0 {
		t.Errorf("%+v", i)
	}
}

// A partner who has nothing to send costs almost nothing.
func BenchmarkIdle(b *testing.B) {
	var all []idle
	for _, n := range numbers(b, *crowds) {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				all = append(all, rest(b, n, settled, *minute))
			}
			last := all[len(all)-1]
			b.ReportMetric(last.next.Seconds()*1e3, "start-ms")
			b.ReportMetric(last.usage.resident, "MiB")
			b.ReportMetric(last.usage.cpu.Seconds(), "cpu-s/min")
			b.ReportMetric(float64(last.usage.files), "files")
		})
	}
	page(b, "idle", idleTable(all))
}

func idleTable(all []idle) string {
	var t strings.Builder
	t.WriteString("| partners | first start, s | later starts, s | memory, MiB | most memory, MiB | CPU, seconds in a minute | of one core | file descriptors | inotify watches | looks/partner in a minute |\n")
	t.WriteString("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, i := range all {
		fmt.Fprintf(&t, "| %d | %.2f | %.2f | %.0f | %.0f | %.2f | %.2f %% | %d | %d | %.1f |\n", i.partners, i.first.Seconds(), i.next.Seconds(), i.usage.resident, i.usage.most,
			i.usage.cpu.Seconds(), 100*i.usage.cpu.Minutes(), i.usage.files, i.usage.watches, i.looks)
	}
	return t.String()
}
