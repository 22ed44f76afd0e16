//go:build !race && !windows

package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// The matrix must report each of these mutations. They are not run with the race
// detector: the code is synchronous, there is nothing to race, and SQLite is ten times
// as slow under it. Nor on Windows: the disk is simulated, and a sample of the points
// notices little. make test runs them.

func TestMatrixReportsMutations(t *testing.T) {
	under := func(dir string) func(string) bool {
		return func(name string) bool { return strings.HasPrefix(name, dir) }
	}
	for name, c := range map[string]struct {
		mutate   mutation
		answers  []answer
		after    string // nothing is noticed before that moment
		unsynced bool   // the program that dropped the files did not sync their data
	}{
		"no sync of the folders that members are moved into": {mutate: mutation{fs: func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, Dir: under(workDir)} }}},
		"no sync of the members' data":                       {unsynced: true, mutate: mutation{fs: func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, File: under(outboxDir)} }}},
		"no sync of the sealed message": {mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(n string) bool { return strings.HasSuffix(n, "/"+messageFile) }}
		}}},
		"no sync of the folder that transfers are filed in": {after: "mark answer", mutate: mutation{fs: func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, Dir: under(sentDir)} }}},
		"no sync of the folder that evidence is made in": {after: "mark answer", mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, Dir: func(n string) bool { return n == evidenceDir }}
		}}},
		"no sync of the record of the evidence": {after: "mark answer", mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(n string) bool {
				return strings.HasPrefix(n, evidenceDir) && strings.HasSuffix(n, "/"+transferFile)
			}}
		}}},
		"no sync of the receipt that is filed": {after: "mark answer", mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(n string) bool { return strings.HasSuffix(n, "/"+receiptFile) }}
		}}},
		"no sync of the record that is filed": {after: "mark answer", mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(n string) bool { return strings.HasPrefix(n, workDir) && strings.HasSuffix(n, "/"+transferFile) }}
		}}},
		"in sent before the verdict is committed": {mutate: mutation{steps: func(o *Outbox) {
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				if err := o.seal(ctx, t); err != nil {
					return err
				}
				early := path.Join(sentDir, "2026-11-23", o.folderName(t))
				return errors.Join(fsx.MkdirAll(o.p.Folder, path.Dir(early), dirPerm),
					fsx.Move(o.p.Folder, o.work(t), early), fsx.Move(o.p.Folder, early, o.work(t)))
			}
		}}},
		"a new Message-ID for every attempt": {after: "mark post", answers: []answer{lose, accept}, mutate: mutation{steps: func(o *Outbox) {
			o.steps[ledger.StateSealed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				t.MessageID = fmt.Sprintf("<%s-%d@x>", t.ID, t.Posts)
				if err := o.seal(ctx, t); err != nil {
					return err
				}
				return o.send(ctx, t)
			}
		}}},
		"the POST before the attempt is on record": {mutate: mutation{steps: func(o *Outbox) {
			o.steps[ledger.StateClaimed] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				if err := o.seal(ctx, t); err != nil {
					return err
				}
				return o.postUnrecorded(ctx, t)
			}
		}}},
		"moved before the intent is on record": {mutate: mutation{steps: func(o *Outbox) {
			early, name := path.Join(workDir, strings.Repeat("0", 18)), "INV-1.xml"
			_ = fsx.MkdirAll(o.p.Folder, early, dirPerm) // the world may have stopped; so for the others
			_ = fsx.Move(o.p.Folder, path.Join(outboxDir, name), path.Join(early, name))
			_ = fsx.Move(o.p.Folder, path.Join(early, name), path.Join(outboxDir, name))
			_ = fsx.RemoveAll(o.p.Folder, early)
		}}},
		"no sync of the folder of the evidence": {after: "mark post", answers: []answer{later}, mutate: mutation{fs: func(f fsx.FS) fsx.FS { return crashtest.Lazy{FS: f, Dir: under(evidenceDir)} }}},
		"no sync of a receipt": {after: "mark receipt", answers: []answer{later}, mutate: mutation{fs: func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, File: func(n string) bool { return strings.Contains(n, receiptPrefix) }}
		}}},
		"200 before the verdict of a receipt is committed": {after: "mark receipt", answers: []answer{later}, mutate: mutation{steps: func(o *Outbox) {
			o.take = func(o *Outbox, ctx context.Context, a arrival) (as2.Reply, error) {
				if original, err := as2.ReceiptFor(a.header, a.body); err == nil {
					o.Post.(*world).partner.taken[as2.StripID(original)] = true
				}
				return o.receive(ctx, a)
			}
		}}},
		"the outcome of the POST overwrites an early receipt": {after: "mark post", answers: []answer{early}, mutate: mutation{steps: func(o *Outbox) { o.Post = overwriting{o.Post.(*world), o} }}},
		"refiled before the verdict of a late receipt is committed": {after: "mark receipt", answers: []answer{withhold}, mutate: mutation{steps: func(o *Outbox) {
			o.take = func(o *Outbox, ctx context.Context, a arrival) (as2.Reply, error) {
				t := ledger.Transfer{ID: a.transfer}
				if err := o.reread(ctx, &t); err != nil || t.Verdict != ledger.VerdictGaveUp {
					return o.receive(ctx, a)
				}
				early := path.Join(sentDir, path.Base(t.FilePath))
				if err := errors.Join(fsx.Move(o.p.Folder, t.FilePath, early), fsx.Move(o.p.Folder, early, t.FilePath)); err != nil {
					return as2.Reply{}, err
				}
				return o.receive(ctx, a)
			}
		}}},
		"the verdict of a late receipt without the intent to refile": {after: "mark post", answers: []answer{withhold}, mutate: mutation{steps: func(o *Outbox) {
			o.steps[ledger.StateSettled] = func(o *Outbox, ctx context.Context, t *ledger.Transfer) error {
				t.RefileFrom = ""
				return o.file(ctx, t)
			}
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			answers := c.answers
			if answers == nil {
				answers = []answer{accept}
			}
			t.Parallel()
			w := newWorld(answers...)
			if w.async = answers[0] >= later; answers[0] == withhold {
				w.attempts = 2
			}
			s := crashtest.Scenario{Run: run, Standing: standing, Final: final(ledger.VerdictAccepted, 1), Enough: 1, After: c.after}
			if c.unsynced {
				scan := path.Join(outboxDir, "INV-1_scan.pdf")
				must(w.disk.Outside("acme").Remove(scan))
				w.write(scan, "")
				w.disk.SyncAll()
				w.write(scan, dropped["INV-1_scan.pdf"])
				s.Final = standing // a file that lost its bytes in the outbox was never ours
				if r := crashtest.Matrix(w, s); len(r.Problems) > 0 {
					t.Errorf("without the mutation: %v", r.Problems)
				}
			}
			w.mutate = c.mutate
			r := crashtest.Matrix(w, s)
			if len(r.Problems) == 0 {
				t.Errorf("%d cases, and nothing was noticed", r.Cases)
			} else {
				t.Logf("noticed: %s", r.Problems[0])
			}
		})
	}
}

// overwriting is the mutant of a POST whose outcome counts more than the receipt that
// came before it.
type overwriting struct {
	*world
	o *Outbox
}

func (p overwriting) Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	answer, err := p.world.Post(ctx, url, header, length, body)
	lerr := p.o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		t, err := tx.TransferByMessageID(as2.Get(header, "Message-ID"))
		if err != nil || t.State != ledger.StateSettled {
			return err
		}
		t.State, t.Verdict, t.Receipt = ledger.StateSending, ledger.VerdictNone, nil
		return tx.SaveTransfer(&t)
	})
	if err != nil || lerr != nil {
		return nil, &as2.PostError{Unknown: true, Cause: errors.Join(err, lerr)}
	}
	return answer, nil
}

// postUnrecorded is the mutant of send that posts first.
func (o *Outbox) postUnrecorded(ctx context.Context, t *ledger.Transfer) error {
	_, _ = o.Post.Post(ctx, o.p.URL, nil, 0, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil })
	return nil
}
