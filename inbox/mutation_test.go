//go:build !race

package inbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// The matrix must report each of these mutations. They are not run with the race
// detector: see outbox.

func TestMatrixReportsMutations(t *testing.T) {
	within := func(part string) func(string) bool {
		return func(name string) bool { return strings.Contains(name, part) }
	}
	for name, mutate := range map[string]func(*world){
		"no sync of the unpacked files": func(w *world) { w.fs = func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, File: within("/files/")} } },
		"no sync of the inbox": func(w *world) {
			w.fs = func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == inboxDir }} }
		},
		"the document first": func(w *world) {
			w.mutate = func(in *Inbox) { in.order = []bool{true, false} }
		},
		"the receipt before publishing": func(w *world) {
			w.mutate = func(in *Inbox) {
				in.deliver = func(context.Context, *Partner, *ledger.Received) error { return nil }
			}
		},
		"published before it is on record": func(w *world) {
			w.mutate = func(in *Inbox) {
				in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
					return errors.Join(in.moveAll(r.p, row), in.insert(ctx, r, row))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(seal(zipped(batch), nil))
			mutate(w)
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: final, Enough: 1})
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}
