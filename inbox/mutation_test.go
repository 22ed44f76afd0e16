//go:build !race && !windows

package inbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// The matrix must report each of these mutations. They are not run with the race
// detector or on Windows: see outbox.

func TestMatrixReportsMutations(t *testing.T) {
	lazyFiles := func(part string) func(fsx.FS) fsx.FS {
		return func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(name string) bool { return strings.Contains(name, part) }}
		}
	}
	// lazyDirs leaves out syncs of folders: left is told how many came before.
	lazyDirs := func(named func(string) bool, left func(before int) bool) func(fsx.FS) fsx.FS {
		return func(f fsx.FS) fsx.FS {
			before := 0
			return crashtest.Lazy{FS: f, Dir: func(n string) bool {
				if !named(n) {
					return false
				}
				before++
				return left(before - 1)
			}}
		}
	}
	staging := func(n string) bool { return path.Dir(n) == incomingDir }
	always := func(int) bool { return true }
	atOnce := func() *world { return newWorld(seal(zipped(batch), nil)) }
	later := func() *world { return newWorld(seal(zipped(batch), later)) }
	for name, c := range map[string]struct {
		world *world
		from  string // a tick; what comes before is right
		with  func(*world)
	}{
		"no sync of the unpacked files":       {later(), "answer", func(w *world) { w.fs = lazyFiles("/" + fileName) }},
		"no sync of a payload that is a file": {newWorld(seal([]byte("<Invoice/>"), noZip)).with(spilling).with(noBatch), "", func(w *world) { w.fs = lazyFiles("/" + payloadName) }},
		"no sync of what lies loose":          {newWorld(seal(zipped(scans), nil)).with(spilling).with(ofScans), "", func(w *world) { w.fs = lazyFiles("/" + payloadName) }},
		"no sync of the inbox": {later(), "answer", func(w *world) {
			w.fs = func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == inboxDir }} }
		}},
		"no sync of the names in the staging folder":  {atOnce(), "", func(w *world) { w.fs = lazyDirs(staging, func(before int) bool { return before < 2 }) }},
		"no sync of the name of the staging folder":   {atOnce(), "", func(w *world) { w.fs = lazyDirs(func(n string) bool { return n == incomingDir }, always) }},
		"no sync of what has left the staging folder": {atOnce(), "", func(w *world) { w.fs = lazyDirs(staging, func(before int) bool { return before > 1 }) }},
		"no sync between attachments and document": {later(), "answer", func(w *world) {
			w.fs = lazyDirs(func(n string) bool { return n == inboxDir }, func(before int) bool { return before == 0 })
		}},
		"the document first": {later(), "answer", func(w *world) {
			w.mutate = func(in *Inbox) { in.order = []bool{true, false} }
		}},
		"the receipt before publishing": {atOnce(), "", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.deliver = func(context.Context, *Partner, *ledger.Received, bool) error { return nil }
			}
		}},
		"published before it is on record": {later(), "answer", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
					return errors.Join(in.moveAll(r.p, row), in.insert(ctx, r, row))
				}
			}
		}},
		"no sync of the stored body": {later(), "", func(w *world) { w.fs = lazyFiles("/" + rawFile) }},
		"no sync of the stored body's folder": {later(), "", func(w *world) {
			w.fs = func(f fsx.FS) fsx.FS {
				return crashtest.Lazy{FS: f, Dir: func(n string) bool { return strings.HasPrefix(n, incomingDir+"/") }}
			}
		}},
		"a 2xx before the message is on record": {later(), "", func(w *world) {
			var row *ledger.Stored
			w.mutate = func(in *Inbox) {
				in.admit = func(_ context.Context, s *ledger.Stored) error { row = s; return nil }
			}
			w.answered = func(in *Inbox) { _ = in.insertStored(context.Background(), row) } // the world may have stopped
		}},
		"a hook that is owed after the commit": {atOnce(), "", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.names["acme"].AfterReceived = nil
				in.deliver = func(ctx context.Context, p *Partner, row *ledger.Received, fresh bool) error {
					if err := in.publish(ctx, p, row, fresh); err != nil {
						return err
					}
					return in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
						return tx.OweHook("acme", ledger.HookAfterReceived, "erp", row.ID, in.Now())
					})
				}
			}
		}},
		"the receipt is posted before the attempt is on record": {later(), "receipt", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.attempt = func(ctx context.Context, m *ledger.OwedMDN) (ledger.Attempt, error) {
					in.names["acme"].Post.(*world).postEarly(m.Receipt)
					return in.openAttempt(ctx, m)
				}
			}
		}},
		"the receipt is posted before the message is in the inbox": {later(), "answer", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
					err := in.insert(ctx, r, row)
					in.names["acme"].Post.(*world).postEarly(row.Receipt)
					return err
				}
			}
		}},
		"what is owed in a commit before that of its cause": {later(), "answer", func(w *world) {
			w.mutate = func(in *Inbox) {
				in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
					err := in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return r.owe(tx, row.ID, row.Receipt, "accepted") })
					r.stored = nil
					return errors.Join(err, in.insert(ctx, r, row))
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.world
			if c.from != "" {
				w = w.from(c.from)
			}
			c.with(w)
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: hooksHold, Final: final, Enough: 1})
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %.300s", r.Problems[0])
			}
		})
	}
}

// postEarly is what a wrong program does.
func (w *world) postEarly(receipt []byte) {
	reply, err := storedReply(receipt)
	must(err)
	_, _ = w.Post(context.Background(), "", reply.Header, 0, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(reply.Body)), nil }) // the world may have stopped
}
