//go:build peers

package benchpeers

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/bench/page"
)

var (
	update    = flag.Bool("update", false, "write the tables into docs/performance.md")
	documents = flag.Int("documents", 20, "documents of 10 KB in a round")
	rounds    = flag.Int("rounds", 1, "rounds of 10 KB documents; the median counts")
	warm      = flag.Int("warm", 20, "documents of 10 KB before the first round")
	large     = flag.Int64("large", 1, "size of the large file, MB")
	larges    = flag.Int("larges", 1, "rounds of the large file; the median counts")
	parallel  = flag.String("parallel", "as2drop=8,OpenAS2=4,pyas2-lib=3", "documents under way at once")
)

// heaps of each end of OpenAS2: for documents of 10 KB, and for the large file.
const smallHeap, largeHeap = "1g", "4g"

// TestSmall is the row of documents of 10 KB. All servers run all the time, as they do for
// those who use them, and are warm when the first round begins.
func TestSmall(t *testing.T) {
	k := knobs{parallel: parallels(t), heap: smallHeap}
	running := map[string]*ends{}
	for _, product := range products {
		running[product] = raise(t, product, k)
		running[product].carry(t, parcel{documents: *warm})
	}
	all := map[string][]round{}
	for n := range *rounds {
		for _, product := range products {
			r := running[product].carry(t, parcel{round: 1 + n, documents: *documents})
			t.Logf("%s: %.1f documents/s, %.1f once it flows, CPU %v + %v", product, r.rate(), r.flow, r.sender.cpu, r.taker.cpu)
			all[product] = append(all[product], r)
		}
	}
	for _, e := range running {
		e.end()
	}
	publish(t, "small", smallTable(all))
}

// TestLarge is the row of one large file. Each round has servers of its own, so that the
// memory is that of one file.
func TestLarge(t *testing.T) {
	k := knobs{parallel: map[string]int{ours: 1, openAS2: 1, pyas2: 1}, heap: largeHeap}
	all := map[string][]round{}
	for n := range *larges {
		for _, product := range products {
			e := raise(t, product, k)
			r := e.carry(t, parcel{round: 1 + n, documents: 1, size: *large * 1e6})
			e.end()
			t.Logf("%s: %v, CPU %v + %v, %.0f + %.0f MiB", product, r.took, r.sender.cpu, r.taker.cpu, r.sender.most, r.taker.most)
			all[product] = append(all[product], r)
		}
	}
	publish(t, "large", largeTable(all))
}

// publish prints a table and, if asked to, writes it into docs/performance.md.
func publish(t *testing.T, name, table string) {
	t.Helper()
	if t.Failed() {
		return
	}
	fmt.Println(table)
	if *update {
		must(t, page.Write(absolute(t, "docs/performance.md"), "bench-peers", name, table))
	}
}

func parallels(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for item := range strings.SplitSeq(*parallel, ",") {
		product, n, _ := strings.Cut(item, "=")
		var number int
		if _, err := fmt.Sscan(n, &number); err != nil || !slices.Contains(products, product) {
			t.Fatalf("-parallel: %q is not a product and a number", item)
		}
		all[product] = number
	}
	if len(all) != len(products) {
		t.Fatalf("-parallel names %d products of %d", len(all), len(products))
	}
	return all
}

func (r round) rate() float64 { return float64(r.documents) / r.took.Seconds() }

// median of what something is in each round.
func median(rs []round, of func(round) float64) float64 {
	var values []float64
	for _, r := range rs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// most and least of what something is in any round.
func most(rs []round, of func(round) float64) float64 {
	return of(slices.MaxFunc(rs, func(a, b round) int { return cmp.Compare(of(a), of(b)) }))
}

func least(rs []round, of func(round) float64) float64 {
	return of(slices.MinFunc(rs, func(a, b round) int { return cmp.Compare(of(a), of(b)) }))
}

func smallTable(all map[string][]round) string {
	var t strings.Builder
	t.WriteString("| | documents/s, median (lowest to highest) | as2drop is faster by | once it flows, documents/s | as2drop is faster by | CPU of sender + receiver, ms/document | most memory of sender + receiver, MiB |\n")
	t.WriteString("|---|---:|---:|---:|---:|---:|---:|\n")
	rate, flow := round.rate, func(r round) float64 { return r.flow }
	for _, product := range products {
		rs := all[product]
		perDocument := func(of func(round) time.Duration) float64 {
			return median(rs, func(r round) float64 { return of(r).Seconds() * 1e3 / float64(r.documents) })
		}
		fmt.Fprintf(&t, "| %s | %.1f (%.1f to %.1f) | %s | %.1f | %s | %.1f + %.1f | %.0f + %.0f |\n", product,
			median(rs, rate), least(rs, rate), most(rs, rate), times(product, median(all[ours], rate)/median(rs, rate)),
			median(rs, flow), times(product, median(all[ours], flow)/median(rs, flow)),
			perDocument(func(r round) time.Duration { return r.sender.cpu }), perDocument(func(r round) time.Duration { return r.taker.cpu }),
			most(rs, func(r round) float64 { return r.sender.most }), most(rs, func(r round) float64 { return r.taker.most }))
	}
	return t.String()
}

func largeTable(all map[string][]round) string {
	var t strings.Builder
	t.WriteString("| | seconds, median | as2drop is faster by | CPU of sender + receiver, s | most memory of sender + receiver, MiB |\n")
	t.WriteString("|---|---:|---:|---:|---:|\n")
	took := func(r round) float64 { return r.took.Seconds() }
	for _, product := range products {
		rs := all[product]
		fmt.Fprintf(&t, "| %s | %.2f | %s | %.2f + %.2f | %.0f + %.0f |\n", product, median(rs, took), times(product, median(rs, took)/median(all[ours], took)),
			median(rs, func(r round) float64 { return r.sender.cpu.Seconds() }), median(rs, func(r round) float64 { return r.taker.cpu.Seconds() }),
			most(rs, func(r round) float64 { return r.sender.most }), most(rs, func(r round) float64 { return r.taker.most }))
	}
	return t.String()
}

// times is a ratio to ours; that of ours to itself says nothing.
func times(product string, ratio float64) string {
	if product == ours {
		return ""
	}
	return fmt.Sprintf("%.1f ×", ratio)
}
