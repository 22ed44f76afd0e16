package outbox

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/namelist"
	"github.com/as2drop/as2drop/naming"
)

// Of very many that are ready the first are remembered, in the order in which they are claimed,
// and how many more there are. A look is made for those when few are left.
func TestOnlyTheFirstAreRemembered(t *testing.T) {
	const n = 3*restMost + 100
	ob := NewObserver()
	ob.first, ob.at = moment, time.Hour
	var batches []naming.Batch
	var seen namelist.Sorter
	for i := range n {
		name := fmt.Sprintf("INV-%06d.xml", i)
		// The last in the order of their names were seen first, and of those the first were written last.
		f := sighting{size: 1, mtime: int64(n - i), since: time.Duration((n - i) / restMost)}
		seen.Add(name, f.numbers())
		batches = append(batches, naming.Batch{Key: name[:10], Document: name})
	}
	ob.seen = namelist.Collect(seen.Sorted())
	f := finding{ob: ob, by: &Outbox{}}
	for part := range slices.Chunk(batches, lookAtOnce) {
		f.add(part)
	}
	f.end(nil)
	if ob.Left() != restMost || ob.Short() {
		t.Fatalf("%d are remembered; time for others: %v", ob.Left(), ob.Short())
	}
	if first, last := ob.rest[0].Document, ob.rest[restMost-1].Document; first != "INV-024675.xml" || last != "INV-016484.xml" {
		t.Errorf("from %s to %s", first, last)
	}
	if left, since := ob.Ready(); left != n || !since.Equal(moment) {
		t.Errorf("%d are ready, since %v", left, since)
	}
	ob.rest = ob.rest[restMost-restMost/8:]
	if left, _ := ob.Ready(); !ob.Short() || left != n-restMost+restMost/8 {
		t.Errorf("%d are left; time for others: %v", left, ob.Short())
	}
}

// What is not remembered is found again: each document is sent once, in the order in which they
// were dropped, and the folder is read as often as few are left.
func TestBacklogThatIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	b := newBacklogIn(t, dir, func(p *Partner) { p.Ahead = 4 })
	dropMany(t, dir, 0, 40)
	ob := NewObserver()
	ob.most = 16
	var want []string
	looks := 0
	for i := range 40 {
		want = append(want, fmt.Sprintf("INV-%06d.xml", i))
	}
	for left := 40; left > 0; left, _ = ob.Ready() {
		if ob.Short() || looks == 0 {
			b.now = b.now.Add(time.Millisecond)
			b.scan(t, ob)
			looks++
		} else {
			b.refill(t, ob)
		}
		b.finish(t, len(b.queue(t)))
	}
	if !slices.Equal(b.posted, want) || looks != 3 {
		t.Errorf("%d looks, posted %v", looks, b.posted)
	}
}

// Where the order is strict, or files are picked up at certain moments, all are remembered.
func TestAllAreRemembered(t *testing.T) {
	for what, p := range map[string]Partner{"strict": {Strict: true}, "pick-ups": {Pickup: never{}}} {
		ob := NewObserver()
		f := finding{ob: ob, by: &Outbox{p: p}}
		batches := make([]naming.Batch, 2*restMost+1)
		var seen namelist.Sorter
		for i := range batches {
			batches[i].Document = fmt.Sprintf("INV-%06d.xml", i)
			seen.Add(batches[i].Document, sighting{}.numbers())
		}
		ob.seen = namelist.Collect(seen.Sorted())
		f.add(batches)
		if f.end(nil); len(ob.rest) != len(batches) || ob.Short() {
			t.Errorf("%s: %d of %d", what, len(ob.rest), len(batches))
		}
	}
}

// never picks up.
type never struct{}

func (never) Next(time.Time) time.Time   { return time.Time{} }
func (never) Moment(time.Time) time.Time { return time.Time{} }
func (never) String() string             { return "never" }
