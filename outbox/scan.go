package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Observer remembers of one outbox, from one scan to the next, how long files have stood
// still, and the batches that were ready and not claimed yet. Only two observations of
// its own count: a file's time against the clock says nothing about its writer.
type Observer struct {
	seen map[string]observation // every name of the last scan
	read map[string]reading     // documents that were read for what they name
	rest []naming.Batch         // ready then, and still to be claimed, oldest first
	by   *Outbox                // who found them ready: another config may think differently

	picking
}

type observation struct {
	size  int64
	mtime int64
	since time.Time // carries the monotonic clock
}

// NewObserver has seen nothing.
func NewObserver() *Observer { return &Observer{} }

// Left is how many batches the last scan found ready that are not claimed yet.
func (ob *Observer) Left() int { return len(ob.rest) }

// next begins another look at the folder; note tells for how long a file has stood
// still, and done makes what was noted in seen count.
func (ob *Observer) next(now time.Time) (seen map[string]observation, note func(fs.FileInfo) time.Duration, done func()) {
	seen = make(map[string]observation, len(ob.seen))
	note = func(f fs.FileInfo) time.Duration {
		at := observation{f.Size(), f.ModTime().UnixNano(), now}
		if old, ok := ob.seen[f.Name()]; ok && old.size == at.size && old.mtime == at.mtime {
			at.since = old.since
		}
		seen[f.Name()] = at
		return now.Sub(at.since)
	}
	return seen, note, func() { ob.seen = seen }
}

// Further reasons to wait, beside those of package naming.
const (
	WaitReserved   naming.Reason = "reserved"   // the name is one of ours
	WaitUnreadable naming.Reason = "unreadable" // we may not open it
	WaitBundle     naming.Reason = "bundle"     // attachments, and they have no form to travel in
)

// Report is what a scan saw.
type Report struct {
	Claimed []string         // identifiers of new transfers
	Waiting []naming.Waiting // files that stay, and why
	Listed  int              // entries of the folder
	Ready   time.Duration    // until a file may be ready by waiting alone; 0 = none
	Pickup  time.Time        // when files are picked up next; zero = now, or never
}

// Scan looks at the outbox, and records the intent to claim the oldest complete batches,
// as many as there is room for (Partner.Ahead). The others stay where they are until
// Refill or the next Scan. The claims themselves are made by Step.
func (o *Outbox) Scan(ctx context.Context, ob *Observer) (Report, error) {
	open, pickup, err := o.pickup(ctx, ob)
	if err != nil {
		return Report{}, err
	}
	if open {
		pickup = time.Time{}
	}
	if ob.seen != nil && len(ob.seen) == 0 {
		// Nothing was here: as long as that is so nobody has to be asked.
		entries, err := o.p.Folder.ReadDir(outboxDir)
		if err == nil && len(entries) == 0 {
			return Report{Pickup: pickup}, nil
		}
	}
	seen, note, done := ob.next(o.Now())
	batches, report, err := o.look(ctx, note, func(names []string) map[string]naming.Named { return o.named(ctx, names, seen, ob) })
	if err != nil {
		return Report{}, err
	}
	done()
	if report.Pickup = pickup; !open {
		batches = o.picked(batches, ob.rest, pickup, &report)
	}
	ob.found(batches, report.Waiting, o)
	return report, o.claimReady(ctx, ob, &report)
}

// Look reports what waits and what would be claimed, and changes nothing. For want of
// earlier observations it takes the files' own times for how long they stood still.
func (o *Outbox) Look(ctx context.Context) (ready []naming.Batch, waiting []naming.Waiting, err error) {
	now := o.Now()
	batches, report, err := o.look(ctx, func(f fs.FileInfo) time.Duration { return max(now.Sub(f.ModTime()), 0) },
		o.readAnew(ctx))
	if err != nil || o.p.Pickup == nil {
		return batches, report.Waiting, err
	}
	if next := o.p.Pickup.Next(now); next.After(now) {
		batches = o.picked(batches, nil, next, &report)
	}
	return batches, report.Waiting, nil
}

// look reads the folder. still says for how long a file has stood still, and read what
// documents name.
func (o *Outbox) look(ctx context.Context, still func(fs.FileInfo) time.Duration, read func(names []string) map[string]naming.Named) (batches []naming.Batch, report Report, err error) {
	// The ledger first: a file that is moved while the folder is being read must not
	// look as if it had come late.
	claims, moving, err := o.moving(ctx)
	if err != nil {
		return nil, report, err
	}
	files, err := o.list(moving, still, &report)
	if err != nil {
		return nil, report, err
	}
	reading := o.p.Rules.Read(files)
	if names := reading.Unread(); len(names) > 0 {
		reading.Refer(read(names))
	}
	var lately []naming.Claim
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { lately, err = o.claims(tx, reading.Keys()); return err })
	if err != nil {
		return nil, report, err
	}
	batches, waiting := reading.Group(append(claims, lately...))
	report.Waiting = append(report.Waiting, waiting...)
	for _, w := range waiting {
		if w.For > 0 && (report.Ready == 0 || w.For < report.Ready) {
			report.Ready = w.For
		}
	}
	if o.p.Bundle == BundleNever {
		batches = o.withoutAttachments(batches, &report)
	}
	return batches, report, nil
}

// list reads the folder. What cannot be sent as it is goes to the report.
func (o *Outbox) list(moving map[string]bool, still func(fs.FileInfo) time.Duration, report *Report) ([]naming.File, error) {
	entries, fresh, err := o.entries()
	if err != nil {
		return nil, fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	report.Listed = len(entries)
	files := make([]naming.File, 0, len(entries))
	for _, e := range entries {
		if moving[e.Name()] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("outbox: %s/%s: %w", o.p.Name, e.Name(), err)
		}
		unchanged := still(info)
		if w, ok := o.unusable(info); ok {
			report.Waiting = append(report.Waiting, w)
			continue
		}
		if fresh(e.Name()) {
			unchanged = -1
		}
		files = append(files, naming.File{Name: info.Name(), Size: info.Size(), Unchanged: unchanged, Dir: info.IsDir(),
			Busy: !info.IsDir() && o.p.Folder.Busy(path.Join(outboxDir, info.Name()))})
	}
	return files, nil
}

// entries lists the folder. A listing may miss what is created while it is made, and show
// what was created after that: a document without the attachment that was there before it.
// Where one look is enough to claim, the folder is listed twice; whatever stood in the first
// list has all that came before it in the second, and fresh are those that stood in the
// second alone.
func (o *Outbox) entries() (entries []fs.DirEntry, fresh func(name string) bool, err error) {
	entries, err = o.p.Folder.ReadDir(outboxDir)
	if err != nil || !o.p.Rules.AtFirstSight() || len(entries) == 0 {
		return entries, func(string) bool { return false }, err
	}
	first := entries
	entries, err = o.p.Folder.ReadDir(outboxDir)
	return entries, func(name string) bool {
		_, known := slices.BinarySearchFunc(first, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
		return !known
	}, err
}

// unusable says of what lies in the outbox why it is never sent as it is.
func (o *Outbox) unusable(f fs.FileInfo) (w naming.Waiting, unusable bool) {
	w = naming.Waiting{Name: f.Name(), Reason: WaitUnreadable, Alarm: true}
	switch {
	case reserved(f.Name()):
		w.Reason, w.Text = WaitReserved, "the agent itself uses this name; rename the file"
	case o.p.WindowsNames && naming.NotOnWindows(f.Name()) != "":
		// To open it anyway would open a device, or the file without the dot.
		w.Text = naming.NotOnWindows(f.Name()) + "; rename it where it was made, or over the network"
	case !f.IsDir() && !f.Mode().IsRegular():
		w.Text = "it is no regular file; links and devices are not followed"
	}
	return w, w.Text != ""
}

// moving are the files that are just being moved, and the keys they were taken under.
func (o *Outbox) moving(ctx context.Context) (claims []naming.Claim, names map[string]bool, err error) {
	var claiming []ledger.Transfer
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { claiming, err = tx.Claiming(o.p.Name); return err })
	names = map[string]bool{}
	for _, t := range claiming {
		if t.Source != outboxDir {
			continue
		}
		claims = append(claims, naming.Claim{Key: t.Key, Document: t.Key, Sent: t.Created, InFlight: true})
		for _, m := range t.Members {
			names[m.Name] = true
		}
	}
	return claims, names, err
}

// claims are those of keys that were taken lately or are on their way.
func (o *Outbox) claims(tx *ledger.Tx, keys []string) (claims []naming.Claim, err error) {
	rows, err := tx.Claims(o.p.Name, keys, o.Now().Add(-o.p.LateWindow))
	for _, c := range rows {
		claims = append(claims, naming.Claim{Key: c.Key, Document: c.Key, Sent: c.Created, InFlight: c.Open})
	}
	return claims, err
}

// withoutAttachments keeps batches of a document alone; the others wait.
func (o *Outbox) withoutAttachments(batches []naming.Batch, report *Report) []naming.Batch {
	var single []naming.Batch
	for _, b := range batches {
		if len(b.Attachments) == 0 {
			single = append(single, b)
			continue
		}
		for _, name := range append([]string{b.Document}, b.Attachments...) {
			report.Waiting = append(report.Waiting, naming.Waiting{Name: name, Key: b.Key, Reason: WaitBundle, Alarm: true, Text: noForm})
		}
	}
	return single
}
