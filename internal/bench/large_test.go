//go:build linux

package bench

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// kind is a row of large messages.
type kind struct {
	row, says string
	send      string // settings of what is sent
	ext       string
	write     func(size int64) func(io.Writer, int) error
}

var kinds = []kind{
	{"cbc", "incompressible, AES-256-CBC", "encrypt: aes-256-cbc", "txt", incompressible},
	{"gcm", "incompressible, AES-256-GCM", "encrypt: aes-256-gcm", "txt", incompressible},
	{"xml", "XML, deflated, AES-256-CBC", "encrypt: aes-256-cbc", "xml", compressible},
}

// haul has two agents exchange one large document, after a small one that warms them up.
func haul(t testing.TB, k kind, size int64) (tr transit, l lengths) {
	t.Helper()
	p := newPair(t, k.send)
	p.carry(cargo{"WARM", "xml", 1, invoice})
	c := cargo{"BIG", k.ext, 1, k.write(size)}
	tr = p.carry(c)
	l = p.lengthsOf("BIG")
	p.stop()
	p.arrived(c)
	return tr, l
}

// The way to the figures works for each kind.
func TestHaul(t *testing.T) {
	for _, k := range kinds {
		const size = 3 << 20
		if tr, l := haul(t, k, size); tr.took <= 0 || l.Document != size || l.Message < size/10 || (k.row == "xml") != (l.Message < size/2) {
			t.Errorf("%s: %+v, %+v", k.row, tr, l)
		}
	}
}

// long is one large document on its way.
type long struct {
	kind
	transit
	lengths
	limit limit
}

// share is how fast it was, compared with its slowest stage alone.
func (g long) share() float64 {
	_, alone := g.limit.slowest()
	return float64(alone) / float64(g.took)
}

// BenchmarkLarge has large documents travel, one at a time.
func BenchmarkLarge(b *testing.B) {
	var all []long
	for _, k := range kinds {
		b.Run(k.row, func(b *testing.B) {
			for b.Loop() {
				tr, l := haul(b, k, *large)
				all = append(all, long{k, tr, l, limitOf(b, k.row, l, lines(4<<20))})
			}
			last := all[len(all)-1]
			b.ReportMetric(float64(last.Document)/last.took.Seconds()/1e6, "MB/s")
			b.ReportMetric(last.share(), "of-slowest-stage")
			b.ReportMetric(last.sender.most, "sender-MiB")
			b.ReportMetric(last.taker.most, "taker-MiB")
		})
	}
	page(b, "large", largeTable(all))
}

// BenchmarkTenfold compares a document with one that is ten times as large.
func BenchmarkTenfold(b *testing.B) {
	var all []long
	for _, size := range []int64{*large, 10 * *large} {
		b.Run(fmt.Sprint(size>>20, "MiB"), func(b *testing.B) {
			for b.Loop() {
				tr, l := haul(b, kinds[0], size)
				all = append(all, long{kind: kinds[0], transit: tr, lengths: l})
			}
		})
	}
	page(b, "tenfold", tenfoldTable(all))
}

func largeTable(all []long) string {
	t := "| document | MiB | seconds | MB/s | slowest stage, MB/s | of it | CPU, s: sender | taker | most memory, MiB: sender | taker |\n" +
		"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, g := range all {
		stage, alone := g.limit.slowest()
		t += fmt.Sprintf("| %s | %d | %.1f | %.0f | %s: %.0f | %.0f %% | %.1f | %.1f | %.0f | %.0f |\n", g.says, g.Document>>20, g.took.Seconds(), g.perSecond(g.took),
			stage, g.perSecond(alone), 100*g.share(), g.sender.cpu.Seconds(), g.taker.cpu.Seconds(), g.sender.most, g.taker.most)
	}
	return t
}

// perSecond is megabytes in a second if all of it takes so long.
func (g long) perSecond(d time.Duration) float64 { return float64(g.Document) / d.Seconds() / 1e6 }

func tenfoldTable(all []long) string {
	t := "| MiB | seconds | times the first | most memory, MiB: sender | taker |\n|---:|---:|---:|---:|---:|\n"
	for _, g := range all {
		t += fmt.Sprintf("| %d | %.1f | %.2f | %.0f | %.0f |\n", g.Document>>20, g.took.Seconds(), g.took.Seconds()/all[0].took.Seconds(), g.sender.most, g.taker.most)
	}
	return t
}
