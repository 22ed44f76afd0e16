package outbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// BenchmarkTransfer takes documents of 10 KB from an outbox on the real disk to sent, one
// after the other, in groups as the agent claims them. The partner is in the same process:
// that he opens the message and signs the receipt is part of the time.
func BenchmarkTransfer(b *testing.B) { benchTransfer(b, b.N) }

// BenchmarkAlone is BenchmarkTransfer where each document is dropped when the one before it is
// in sent.
func BenchmarkAlone(b *testing.B) { benchTransfer(b, 1) }

// benchTransfer has so many documents dropped at the same time.
func benchTransfer(b *testing.B, together int) {
	dir := b.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	must(err)
	b.Cleanup(func() { l.Close() }) // all was read
	root, err := fsx.OpenRoot(dir)
	must(err)
	b.Cleanup(func() { root.Close() }) // all was read
	for _, f := range Folders() {
		must(fsx.MkdirAll(root, f, dirPerm))
	}
	w := newWorld(accept)
	w.mutate.fs = func(fsx.FS) fsx.FS { return root }
	o := w.outbox(l)
	text := "<Invoice>\n" + strings.Repeat("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n", 190) + "</Invoice>\n"
	drop := func(from, to int) {
		for i := from; i < to; i++ {
			must(os.WriteFile(filepath.Join(dir, outboxDir, fmt.Sprintf("INV-%07d.xml", i)), []byte(text), filePerm))
		}
	}
	rows, ob := l.RowsRead(), NewObserver()
	_, commits := l.Stats()
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for done, dropped := 0, 0; done < b.N; {
		if dropped == done {
			b.StopTimer()
			drop(dropped, min(dropped+together, b.N))
			dropped = min(dropped+together, b.N)
			b.StartTimer()
		}
		look := func() ([]string, error) { r, err := o.Scan(ctx, ob); return r.Claimed, err }
		if ob.Left() > 0 {
			look = func() ([]string, error) { return o.Refill(ctx, ob) }
		}
		ids, err := look()
		must(err)
		o.Take(ctx, ob)
		for _, id := range ids {
			t, _, err := o.Carry(ctx, id, func() bool { return true })
			if err != nil || t.State != ledger.StateFiled || !t.Verdict.Sent() {
				b.Fatalf("%s: %s, %s: %v", t.Document, t.State, t.Verdict, err)
			}
			done++
		}
	}
	b.StopTimer()
	_, c := l.Stats()
	b.ReportMetric(float64(c-commits)/float64(b.N), "commits/op")
	b.ReportMetric(float64(l.RowsRead()-rows)/float64(b.N), "rows/op")
}
