package outbox

import (
	"context"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// backlog is an outbox on a real disk whose partner takes everything.
type backlog struct {
	*Outbox
	folder *counted
	now    time.Time
	posted []string // documents, in the order in which they were posted
}

func newBacklogIn(t testing.TB, dir string, change func(*Partner)) *backlog {
	t.Helper()
	root, err := fsx.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() }) // everything was read
	for _, f := range Folders() {
		must(fsx.MkdirAll(root, f, 0o750))
	}
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // as above
	rules, err := naming.Compile(naming.Config{Quiet: 0})
	must(err)
	b := &backlog{folder: &counted{FS: root}, now: moment}
	p := Partner{Name: "acme", AS2ID: "ACME", Station: "us", StationAS2ID: "US", URL: "https://acme.invalid/", Folder: b.folder, Rules: rules, LateWindow: 24 * time.Hour,
		Bundle: BundleNever, Policy: Policy{Attempts: 3, First: time.Minute, Max: time.Hour, Factor: 2, GiveUpAfter: 24 * time.Hour}}
	if change != nil {
		change(&p)
	}
	b.Outbox = New(Deps{Ledger: l, Now: func() time.Time { return b.now }, Rand: mathrand.NewChaCha8([32]byte{}), Process: "1", Config: "c", UserAgent: "test",
		Post: poster(func() (*as2.Answer, error) { return &as2.Answer{Status: 200, Header: map[string][]string{}}, nil })}, p)
	return b
}

// counted counts what is asked of a folder tree.
type counted struct {
	fsx.FS
	lists, entries, opened int
}

func (c *counted) EachName(name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		c.lists++
		for n, err := range c.FS.EachName(name) {
			c.entries++
			if !yield(n, err) {
				return
			}
		}
	}
}

func (c *counted) Entries(name string) iter.Seq2[os.FileInfo, error] {
	return func(yield func(os.FileInfo, error) bool) {
		c.lists++
		for info, err := range c.FS.Entries(name) {
			c.entries++
			if !yield(info, err) {
				return
			}
		}
	}
}

func (c *counted) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	if flag == fsx.ReadOnly && strings.HasPrefix(name, outboxDir+"/") {
		c.opened++
	}
	return c.FS.OpenFile(name, flag, perm)
}

// dropMany puts n documents into the outbox, each a second younger than the one before.
func dropMany(t testing.TB, dir string, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		name := filepath.Join(dir, outboxDir, fmt.Sprintf("INV-%06d.xml", i))
		must(os.WriteFile(name, []byte("<Invoice/>"), 0o640))
		at := moment.Add(time.Duration(i) * time.Second)
		must(os.Chtimes(name, at, at))
	}
}

func (b *backlog) queue(t testing.TB) (queue []ledger.Queued) {
	t.Helper()
	must(b.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { queue, err = tx.Queue("acme", true, 10_000); return err }))
	return queue
}

// finish carries the first n of the queue to their end, in its order.
func (b *backlog) finish(t testing.TB, n int) {
	t.Helper()
	for _, q := range b.queue(t)[:n] {
		tr := carry(t, b.Outbox, q.ID)
		if tr.State != ledger.StateFiled {
			t.Fatalf("%s is %s: %s", tr.Document, tr.State, tr.Reason)
		}
		b.posted = append(b.posted, tr.Document)
	}
}

func (b *backlog) scan(t testing.TB, ob *Observer) Report {
	t.Helper()
	r, err := b.Scan(context.Background(), ob)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *backlog) refill(t testing.TB, ob *Observer) []string {
	t.Helper()
	b.now = b.now.Add(time.Millisecond)
	ids, err := b.Refill(context.Background(), ob)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// Only as much is claimed as keeps the workers busy, oldest first and in one commit; the
// rest stays in the outbox and is claimed without another look at the folder.
func TestBacklogIsClaimedBitByBit(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 4 })
	dropMany(t, dir, 0, 3)
	dropMany(t, dir, 7, 3)
	dropMany(t, dir, 3, 4)
	ob := NewObserver()
	_, commits := b.Ledger.Stats()
	if r := b.scan(t, ob); len(r.Claimed) != 4 || ob.Left() != 6 || len(r.Waiting) != 0 {
		t.Fatalf("claimed %d, left %d, waiting %v", len(r.Claimed), ob.Left(), r.Waiting)
	}
	if _, now := b.Ledger.Stats(); now != commits+1 {
		t.Errorf("%d commits for one claim of four", now-commits)
	}
	if ids := b.refill(t, ob); len(ids) > 0 {
		t.Errorf("there is no room, and %d were claimed", len(ids))
	}
	b.folder.lists = 0
	for ob.Left() > 0 || len(b.queue(t)) > 0 {
		b.finish(t, min(3, len(b.queue(t))))
		b.refill(t, ob)
	}
	if b.folder.lists != 0 {
		t.Errorf("the folder was read again, %d times", b.folder.lists)
	}
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("INV-%06d.xml", i))
	}
	if !slices.Equal(b.posted, want) {
		t.Errorf("posted %v", b.posted)
	}
}

// A look that comes to nothing takes note of what it saw all the same: what changed before
// it is not claimed as what was found ready.
func TestChangeThatALookInVainHasSeen(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 1 })
	dropMany(t, dir, 0, 3)
	ob := NewObserver()
	b.scan(t, ob)
	must(os.WriteFile(filepath.Join(dir, outboxDir, "INV-000001.xml"), []byte("<Invoice>half"), 0o640))
	stopped, stop := context.WithCancel(context.Background())
	b.p.Folder = atListing{b.p.Folder, stop}
	if _, err := b.Scan(stopped, ob); err == nil {
		t.Fatal("the look was not in vain")
	}
	b.p.Folder = b.folder
	b.finish(t, 1)
	if ids := b.refill(t, ob); len(ids) != 1 || row(t, b.Outbox, ids[0]).Document != "INV-000002.xml" {
		t.Errorf("%d were claimed", len(ids))
	}
}

// atListing does something when the folder is listed.
type atListing struct {
	fsx.FS
	do func()
}

func (f atListing) Entries(name string) iter.Seq2[os.FileInfo, error] {
	f.do()
	return f.FS.Entries(name)
}

// Who comes later never overtakes, whatever time his file carries.
func TestLaterFilesDoNotOvertake(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 1 })
	dropMany(t, dir, 5, 2)
	ob := NewObserver()
	b.scan(t, ob)
	b.now = b.now.Add(time.Minute)
	dropMany(t, dir, 0, 2) // older by their own times
	for range 4 {
		b.finish(t, 1)
		b.scan(t, ob)
	}
	if got := strings.Join(b.posted, " "); got != "INV-000005.xml INV-000006.xml INV-000000.xml INV-000001.xml" {
		t.Error(got)
	}
}

// What is tried again later does not keep others from being claimed, until there is too
// much of it; then the rest stays in the outbox.
func TestRetriesAndNewOnes(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead, p.Unsettled = 2, 5 })
	b.Post = poster(func() (*as2.Answer, error) { return &as2.Answer{Status: 503, Header: map[string][]string{}}, nil })
	dropMany(t, dir, 0, 20)
	ob := NewObserver()
	b.scan(t, ob)
	for range 20 {
		for _, q := range b.queue(t) {
			if !q.Due.After(b.now) {
				carry(t, b.Outbox, q.ID)
				b.now = b.now.Add(time.Millisecond)
			}
		}
		b.refill(t, ob)
	}
	if n := len(b.queue(t)); n != 5 || ob.Left() != 15 {
		t.Errorf("%d are unsettled, %d left", n, ob.Left())
	}
	// Those that are due again come before anything new.
	b.Post = poster(func() (*as2.Answer, error) { return &as2.Answer{Status: 200, Header: map[string][]string{}}, nil })
	b.now = b.now.Add(time.Hour)
	if ids := b.refill(t, ob); len(ids) > 0 {
		t.Errorf("%v were claimed while 5 are due", ids)
	}
	b.finish(t, 5)
	b.refill(t, ob)
	b.finish(t, 2)
	if got := strings.Join(b.posted, " "); got != "INV-000000.xml INV-000001.xml INV-000002.xml INV-000003.xml INV-000004.xml INV-000005.xml INV-000006.xml" {
		t.Error(got)
	}
}

// Between the scan and the claim a file may have changed or gone: then it waits for the
// next scan, and what it was when it was seen is never sent as something else.
func TestFilesThatChangeBeforeTheyAreClaimed(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 1 })
	dropMany(t, dir, 0, 4)
	ob := NewObserver()
	b.scan(t, ob)
	must(os.WriteFile(filepath.Join(dir, outboxDir, "INV-000001.xml"), []byte("<Invoice>more</Invoice>"), 0o640))
	must(os.Remove(filepath.Join(dir, outboxDir, "INV-000002.xml")))
	b.finish(t, 1)
	ids := b.refill(t, ob)
	if len(ids) != 1 || row(t, b.Outbox, ids[0]).Document != "INV-000003.xml" || ob.Left() != 0 {
		t.Fatalf("claimed %v, left %d", ids, ob.Left())
	}
	b.finish(t, 1)
	if r := b.scan(t, ob); len(r.Claimed) != 1 || row(t, b.Outbox, r.Claimed[0]).Members[0].Size != 23 {
		t.Errorf("%+v", r)
	}
}

// An operator sends a key again between the scan and the claim: a second document of it
// waits, as if the scan had seen that.
func TestKeyThatIsOnItsWayBeforeItIsClaimed(t *testing.T) {
	for resend, want := range map[naming.Resend]int{naming.ResendHold: 0, naming.ResendSend: 1} {
		dir := t.TempDir()
		b := newBacklogIn(t, dir, func(p *Partner) {
			p.Ahead = 1
			p.Rules, _ = naming.Compile(naming.Config{Resend: resend}) // as in begin
		})
		dropMany(t, dir, 0, 2)
		ob := NewObserver()
		b.scan(t, ob)
		b.finish(t, 1)
		other, err := b.newTransfer("INV-000001", "INV-000001.xml", "failed/INV-000001.x", b.now)
		must(err)
		other.Hold = "so that there is room"
		must(b.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.InsertTransfer(other) }))
		if ids := b.refill(t, ob); len(ids) != want {
			t.Errorf("resend %s: %d were claimed", resend, len(ids))
		}
	}
}

// In strict order a failed document holds up the others until it is corrected: the
// corrected one is claimed although the line is full.
func TestCorrectedDocumentIsClaimedThoughTheLineIsFull(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead, p.Strict = 2, true })
	b.Post = poster(func() (*as2.Answer, error) { return &as2.Answer{Status: 400, Header: map[string][]string{}}, nil })
	dropMany(t, dir, 0, 9)
	ob := NewObserver()
	r := b.scan(t, ob)
	failed := carry(t, b.Outbox, r.Claimed[0])
	if len(r.Claimed) != 2 || failed.Verdict != ledger.VerdictRejected || !failed.Blocks {
		t.Fatalf("%d claimed, %q: %s", len(r.Claimed), failed.Verdict, failed.Reason)
	}
	if ids := b.refill(t, ob); len(ids) > 0 {
		t.Errorf("%d more were claimed behind it", len(ids))
	}
	b.Post = poster(func() (*as2.Answer, error) { return &as2.Answer{Status: 200, Header: map[string][]string{}}, nil })
	must(os.WriteFile(filepath.Join(dir, outboxDir, failed.Document), []byte("<Invoice>right</Invoice>"), 0o640))
	b.now = b.now.Add(time.Hour)
	r = b.scan(t, ob)
	if len(r.Claimed) != 1 || row(t, b.Outbox, r.Claimed[0]).Document != failed.Document {
		t.Fatalf("%+v", r)
	}
	all(t, b.Outbox)
	if tr := row(t, b.Outbox, r.Claimed[0]); !tr.Verdict.Sent() || tr.Turn != failed.Turn {
		t.Errorf("%+v", tr)
	}
	for ob.Left() > 0 {
		if ids := b.refill(t, ob); len(ids) == 0 {
			t.Fatal("nothing goes on")
		}
		all(t, b.Outbox)
	}
}

// Another config may read names in another way: what was found ready under the old one
// counts no more.
func TestAnotherConfigScansAnew(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 1 })
	dropMany(t, dir, 0, 3)
	ob := NewObserver()
	b.scan(t, ob)
	b.finish(t, 1)
	p := b.p
	p.Rules, _ = naming.Compile(naming.Config{Documents: []string{"{key}.edi"}}) // as above
	next := b.With(b.Deps, p)
	if ids, err := next.Refill(context.Background(), ob); err != nil || len(ids) > 0 {
		t.Errorf("%v, %v", ids, err)
	}
}

// The folder of a partner who has nothing to send is read, and nobody else is asked: the
// ledger could not even answer.
func TestAnEmptyOutboxCostsOneListing(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, nil)
	ob := NewObserver()
	b.scan(t, ob)
	must(b.Ledger.Close())
	b.folder.lists = 0
	for range 10 {
		b.scan(t, ob)
	}
	if b.folder.lists != 10 {
		t.Errorf("%d listings", b.folder.lists)
	}
	dropMany(t, dir, 0, 1)
	if _, err := b.Scan(context.Background(), ob); err == nil {
		t.Error("a file was seen, and no ledger was asked about it")
	}
}

// work is what it took to send a backlog.
type work struct{ lists, entries, opened, rows, commits float64 }

func drain(t *testing.T, n int) work {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 16 })
	dropMany(t, dir, 0, n)
	rows := b.Ledger.RowsRead()
	_, commits := b.Ledger.Stats()
	ob := NewObserver()
	b.scan(t, ob)
	for len(b.posted) < n {
		b.finish(t, min(8, len(b.queue(t))))
		b.refill(t, ob)
	}
	_, after := b.Ledger.Stats()
	d := float64(n)
	return work{float64(b.folder.lists), float64(b.folder.entries) / d, float64(b.folder.opened) / d, float64(b.Ledger.RowsRead()-rows) / d, float64(after-commits) / d}
}

// Ten times the documents are ten times the work, in everything that is counted.
func TestWorkGrowsWithTheDocumentsAlone(t *testing.T) {
	small, large := drain(t, 20), drain(t, 200)
	t.Logf("for each of 20: %+v; for each of 200: %+v", small, large)
	if large.lists > small.lists {
		t.Errorf("the folder is read %v times for 200, %v for 20", large.lists, small.lists)
	}
	for what, pair := range map[string][2]float64{"entries": {small.entries, large.entries}, "files opened": {small.opened, large.opened},
		"rows": {small.rows, large.rows}, "commits": {small.commits, large.commits}} {
		if pair[1] > 1.5*pair[0] {
			t.Errorf("%s for each document: %.1f of 20, %.1f of 200", what, pair[0], pair[1])
		}
	}
}
