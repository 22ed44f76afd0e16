//go:build linux

package bench

import (
	"fmt"
	"testing"
	"time"
)

// ofPair are the settings of what is sent; all else is as it is without any word of the config.
const ofPair = "parallel: 8"

// drop has two agents exchange documents of 10 KB, after some that warm them up.
func drop(t testing.TB, documents int) (tr transit, l lengths) {
	t.Helper()
	p := newPair(t, ofPair)
	p.carry(cargo{"WARM", "xml", 20, invoice})
	c := cargo{"INV", "xml", documents, invoice}
	tr = p.carry(c)
	l = p.lengthsOf("INV")
	p.stop()
	p.arrived(c)
	return tr, l
}

// The way to the figures works: both ends are measured, and what has arrived is looked at.
func TestPair(t *testing.T) {
	tr, l := drop(t, 10)
	if tr.took <= 0 || tr.documents != 10 || tr.sender.most < 1 || tr.taker.most < 1 || l.Document < 10_000 || l.Message < 1000 || l.Receipt < 1000 {
		t.Errorf("%+v, %+v", tr, l)
	}
}

// BenchmarkPair has documents of 10 KB travel from an outbox to an inbox, signed, encrypted
// and with a signed receipt, both ends on this machine.
func BenchmarkPair(b *testing.B) {
	var all []result
	for b.Loop() {
		tr, l := drop(b, *documents)
		sample := lines(1 << 20)
		r := result{transit: tr, limit: limitOf(b, "small", l, sample)}
		r.rules = r.limit.crypto + limitOf(b, "disk", l, sample).all
		all = append(all, r)
		b.ReportMetric(tr.rate(), "docs/s")
		b.ReportMetric(r.share(r.limit.crypto), "of-cryptography")
		b.ReportMetric(r.share(r.rules), "of-rules")
		b.ReportMetric(tr.cpu().Seconds()*1e3, "cpu-ms/doc")
		b.ReportMetric(tr.sender.cpu.Seconds()*1e3/float64(tr.documents), "sender-ms/doc")
		b.ReportMetric(tr.taker.cpu.Seconds()*1e3/float64(tr.documents), "taker-ms/doc")
		b.ReportMetric(max(tr.sender.most, tr.taker.most), "MiB")
	}
	page(b, "small", smallTable(all))
}

// result is what was measured of a row, and its limit in the same run.
type result struct {
	transit
	limit limit
	rules time.Duration // of small documents: the cryptography, and what the rules ask of the disk
}

// cores is how many share the work of a row of small documents.
const cores = 2

// possible is how many documents a second there could be if each took but so long.
func possible(each time.Duration) float64 { return cores / each.Seconds() }

// share is how much of that there was.
func (r result) share(each time.Duration) float64 { return r.rate() / possible(each) }

func smallTable(all []result) string {
	t := "| documents | documents/s | limit of cryptography | of it | limit of all operations | of it | limit of the rules | of it | CPU, ms/document: sender | taker | most memory, MiB: sender | taker |\n" +
		"|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, r := range all {
		t += fmt.Sprintf("| %d | %.0f | %.0f | %.0f %% | %.0f | %.0f %% | %.0f | %.0f %% | %.2f | %.2f | %.0f | %.0f |\n", r.documents, r.rate(),
			possible(r.limit.crypto), 100*r.share(r.limit.crypto), possible(r.limit.all), 100*r.share(r.limit.all), possible(r.rules), 100*r.share(r.rules),
			r.sender.cpu.Seconds()*1e3/float64(r.documents), r.taker.cpu.Seconds()*1e3/float64(r.documents), r.sender.most, r.taker.most)
	}
	return t
}
