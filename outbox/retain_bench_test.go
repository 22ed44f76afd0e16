package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// BenchmarkRetention removes folders from sent that lie among ten times as many that are
// younger. What one costs must not grow with their number.
func BenchmarkRetention(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				o := filedOnDisk(b, n)
				b.StartTimer()
				run := o.Retention(Rules{Sent: rule("sent", 90), History: rule("history", 90)})
				for again := true; again; {
					var err error
					if again, err = run.Step(context.Background(), 100); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				if done := run.Tallies(); done[0].Removed != int64(n) {
					b.Fatalf("%+v", done)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/folder")
		})
	}
}

// filedOnDisk is an outbox with n old folders in sent, and rows of ten times as many that
// were filed since.
func filedOnDisk(b *testing.B, n int) *Outbox {
	b.Helper()
	dir := b.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	must(err)
	b.Cleanup(func() { l.Close() }) // all was read
	root, err := fsx.OpenRoot(dir)
	must(err)
	b.Cleanup(func() { root.Close() }) // all was read
	for _, f := range Folders() {
		must(fsx.MkdirAll(root, f, 0o750))
	}
	w := newWorld(accept)
	w.mutate.fs = func(fsx.FS) fsx.FS { return root }
	w.now = moment.AddDate(0, 0, 100)
	o := w.outbox(l)
	for at := 0; at < 11*n; at += 1000 {
		must(l.Update(context.Background(), func(tx *ledger.Tx) error {
			var errs []error
			for i := at; i < min(at+1000, 11*n); i++ {
				t := &ledger.Transfer{ID: fmt.Sprintf("%018d", i), Partner: "acme", Key: fmt.Sprint("INV-", i), Document: "INV.xml", State: ledger.StateFiled, Verdict: ledger.VerdictAccepted,
					Created: moment, Filed: moment, Sealed: json.RawMessage(`{"mics":[]}`), Members: []ledger.Member{{Name: "INV.xml", Role: ledger.RoleDocument}}}
				t.FilePath = path.Join(sentDir, "2026-11-23", o.folderName(t))
				if i >= n {
					t.Filed = w.now
				} else {
					body, err := json.Marshal(t)
					full := filepath.Join(dir, filepath.FromSlash(t.FilePath))
					errs = append(errs, err, os.MkdirAll(full, 0o750), os.WriteFile(filepath.Join(full, transferFile), body, 0o600), os.WriteFile(filepath.Join(full, "INV.xml"), nil, 0o600))
				}
				errs = append(errs, tx.InsertTransfer(t))
			}
			return errors.Join(errs...)
		}))
	}
	return o
}
