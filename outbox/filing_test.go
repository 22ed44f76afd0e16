package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// settledOnes carries some documents to their verdicts and no further.
func settledOnes(t *testing.T, n int) (w *world, o *Outbox, ids []string) {
	t.Helper()
	dropped := map[string]string{}
	for i := range n {
		dropped[fmt.Sprintf("INV-%d.xml", i)] = fmt.Sprintf("<Invoice>%d</Invoice>", i)
	}
	w = newWorldOf(dropped, accept)
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o = w.outbox(l)
	for _, id := range scan(t, o).Claimed {
		for row(t, o, id).State != ledger.StateSettled {
			if _, err := o.Step(context.Background(), id); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, id)
	}
	must(o.makeDay(sentDir + "/" + moment.Format("2006-01-02")))
	return w, o, ids
}

// inSent makes sure that a transfer is filed in sent with its document.
func inSent(t *testing.T, o *Outbox, id string) {
	t.Helper()
	tr := row(t, o, id)
	there, err := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, tr.Document))
	if err != nil || !there || tr.State != ledger.StateFiled || tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s is %s, %q, in its folder %v: %v", tr.Document, tr.State, tr.Verdict, there, err)
	}
}

// gate is a disk that stops whoever syncs the folder of all evidence first.
type gate struct {
	fsx.FS
	reached, open chan struct{}
}

func (g gate) SyncDir(name string) error {
	if name == evidenceDir {
		select {
		case <-g.open:
		default:
			close(g.reached)
			<-g.open
		}
	}
	return g.FS.SyncDir(name)
}

// stepped is what came of a Step.
type stepped struct {
	id       string
	err      error
	panicked any
}

// meetAtFiling has the first of some transfers filed, and the others come to it meanwhile.
func meetAtFiling(w *world, o *Outbox, ids []string) (came map[string]stepped, ticks []string) {
	g := gate{o.p.Folder, make(chan struct{}), make(chan struct{})}
	o.p.Folder = g
	ended := make(chan struct{}, 2*len(ids))
	o.Turn = func(context.Context, string) (func(), error) { return func() { ended <- struct{}{} }, nil }
	all := make(chan stepped, len(ids))
	step := func(id string) {
		s := stepped{id: id}
		defer func() {
			s.panicked = recover()
			all <- s
		}()
		_, s.err = o.Step(context.Background(), id)
	}
	before := len(w.disk.Ticks())
	go step(ids[0])
	<-g.reached
	for _, id := range ids[1:] {
		go step(id)
		<-ended // it waits, and leaves its turn to others
	}
	close(g.open)
	came = map[string]stepped{}
	for range ids {
		s := <-all
		came[s.id] = s
	}
	return came, w.disk.Ticks()[before:]
}

// Those who come while another one is filed are filed together, with one sync of each folder
// that they share and with one commit. Who comes alone waits for nobody.
func TestFiledTogether(t *testing.T) {
	w, o, ids := settledOnes(t, 4)
	_, before := o.Ledger.Stats()
	came, ticks := meetAtFiling(w, o, ids)
	for _, id := range ids {
		if s := came[id]; s.err != nil || s.panicked != nil {
			t.Errorf("%+v", s)
		}
		inSent(t, o, id)
	}
	if _, after := o.Ledger.Stats(); after-before != 2 {
		t.Errorf("%d commits", after-before)
	}
	syncs := map[string]int{}
	for _, label := range ticks {
		if dir, ok := strings.CutPrefix(label, "before syncdir acme/"); ok {
			syncs[dir]++
		}
	}
	for _, dir := range []string{evidenceDir, path.Join(sentDir, moment.Format("2006-01-02")), workDir} {
		if syncs[dir] != 2 {
			t.Errorf("%d syncs of %s", syncs[dir], dir)
		}
	}
	clean(t, o)
}

// spoilt fails, or panics, at the evidence of one transfer.
type spoilt struct {
	fsx.FS
	id     string
	panics bool
}

func (s spoilt) Mkdir(name string, perm fs.FileMode) error {
	if name == path.Join(evidenceDir, s.id) {
		if s.panics {
			panic("spoilt")
		}
		return errors.New("spoilt")
	}
	return s.FS.Mkdir(name, perm)
}

// What one of them comes to is its own: the others are filed.
func TestFiledTogetherButOne(t *testing.T) {
	for _, panics := range []bool{false, true} {
		w, o, ids := settledOnes(t, 4)
		whole := o.p.Folder
		o.p.Folder = spoilt{whole, ids[2], panics}
		came, _ := meetAtFiling(w, o, ids)
		for i, id := range ids {
			s := came[id]
			if bad := s.err != nil || s.panicked != nil; bad != (i == 2) || (s.panicked != nil) != (i == 2 && panics) {
				t.Errorf("%d: %+v", i, s)
			}
		}
		o.p.Folder = whole
		carry(t, o, ids[2])
		for _, id := range ids {
			inSent(t, o, id)
		}
		clean(t, o)
	}
}

// A row that somebody changed meanwhile keeps none of the others from being filed.
func TestFiledTogetherAndOneLost(t *testing.T) {
	_, o, ids := settledOnes(t, 3)
	var fs []*filing
	for _, id := range ids {
		stale := row(t, o, id)
		fs = append(fs, &filing{ctx: context.Background(), t: &stale})
	}
	changed := row(t, o, ids[1])
	must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&changed) }))
	o.fileTogether(fs)
	for i, f := range fs {
		if i == 1 != errors.Is(f.err, ledger.ErrLost) || i != 1 && f.err != nil {
			t.Errorf("%d: %v", i, f.err)
		}
	}
	carry(t, o, ids[1])
	for _, id := range ids {
		inSent(t, o, id)
	}
	clean(t, o)
}
