//go:build linux

package bench

import (
	"flag"
	"testing"
)

var documents = flag.Int("documents", 1000, "documents of BenchmarkPair")

// ofPair are the settings of what is sent; all else is as it is without any word of the config.
const ofPair = "parallel: 8"

// drop has two agents exchange documents of 10 KB, after some that warm them up.
func drop(t testing.TB, documents int) (tr transit, l lengths) {
	t.Helper()
	p := newPair(t, ofPair)
	p.carry("WARM", 20, invoice)
	tr = p.carry("INV", documents, invoice)
	l = p.lengths()
	p.stop()
	p.arrived("INV", documents, invoice)
	return tr, l
}

// The way to the figures works: both ends are measured, and what has arrived is looked at.
func TestPair(t *testing.T) {
	tr, l := drop(t, 10)
	if tr.took <= 0 || tr.documents != 10 || tr.bytes < 10*10_000 || tr.sender.most < 1 || tr.taker.most < 1 || l.Document < 10_000 || l.Message < 1000 || l.Receipt < 1000 {
		t.Errorf("%+v, %+v", tr, l)
	}
}

// BenchmarkPair has documents of 10 KB travel from an outbox to an inbox, signed, encrypted
// and with a signed receipt, both ends on this machine.
func BenchmarkPair(b *testing.B) {
	for b.Loop() {
		tr, _ := drop(b, *documents)
		b.ReportMetric(tr.rate(), "docs/s")
		b.ReportMetric(tr.cpu().Seconds()*1e3, "cpu-ms/doc")
		b.ReportMetric(tr.sender.cpu.Seconds()*1e3/float64(tr.documents), "sender-ms/doc")
		b.ReportMetric(tr.taker.cpu.Seconds()*1e3/float64(tr.documents), "taker-ms/doc")
		b.ReportMetric(max(tr.sender.most, tr.taker.most), "MiB")
	}
}
