package outbox

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/as2drop/as2drop/ledger"
)

// What a look at one waiting file costs does not depend on how many there are.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		dir := b.TempDir()
		o := newBacklogIn(b, dir, nil)
		dropMany(b, dir, 0, n)
		ob := NewObserver()
		o.scan(b, ob)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			defer perDocument(b, n)()
			for b.Loop() {
				o.scan(b, ob)
			}
		})
	}
}

// What claiming one document costs does not depend on how many wait behind it.
func BenchmarkClaim(b *testing.B) {
	const claims = 640
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				o := newBacklogIn(b, dir, func(p *Partner) { p.Ahead = 64 })
				dropMany(b, dir, 0, n)
				ob := NewObserver()
				o.scan(b, ob)
				held := o.queue(b)
				hold(b, o, held)
				b.StartTimer()
				for range claims / 64 {
					ids := o.refill(b, ob)
					b.StopTimer()
					hold(b, o, o.queue(b))
					b.StartTimer()
					if len(ids) != 64 {
						b.Fatal(len(ids))
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*claims), "ns/doc")
		})
	}
}

// hold takes transfers out of the way, so that there is room for others.
func hold(b *testing.B, o *backlog, queue []ledger.Queued) {
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error {
		for _, q := range queue {
			t, err := tx.Transfer(q.ID)
			if err != nil {
				return err
			}
			t.Hold = "measuring"
			if err := tx.SaveTransfer(&t); err != nil {
				return err
			}
		}
		return nil
	}))
}

// perDocument reports what one of n documents took.
func perDocument(b *testing.B, n int) func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() {
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(n), "B/doc")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/doc")
	}
}
