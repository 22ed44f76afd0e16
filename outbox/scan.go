package outbox

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

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
	if ob.seen != nil && ob.seen.Len() == 0 && len(ob.rest) == 0 && o.empty() {
		// Nothing was here: as long as that is so nobody has to be asked.
		return Report{Pickup: pickup}, nil
	}
	f := &finding{ob: ob, by: o}
	keep := func(batches []naming.Batch, report *Report) {
		if !open {
			batches = o.picked(batches, ob.rest, pickup, report)
		}
		f.add(batches)
	}
	report, err := o.look(ctx, ob.note, func(names []string) map[string]naming.Named { return o.named(ctx, names, true, ob) }, keep)
	if err != nil {
		return Report{}, err
	}
	report.Pickup = pickup
	f.end(report.Waiting)
	return report, o.claimReady(ctx, ob, &report)
}

// Look reports what waits and what would be claimed, and changes nothing. For want of
// earlier observations it takes the files' own times for how long they stood still.
func (o *Outbox) Look(ctx context.Context) (ready []naming.Batch, waiting []naming.Waiting, err error) {
	batches, report, err := o.lookAtAll(ctx, byTheirTimes)
	now := o.Now()
	if err != nil || o.p.Pickup == nil {
		return batches, report.Waiting, err
	}
	if next := o.p.Pickup.Next(now); next.After(now) {
		batches = o.picked(batches, nil, next, &report)
	}
	return batches, report.Waiting, nil
}

// lookAtAll is a look by somebody who has not looked before, and wants to know all.
func (o *Outbox) lookAtAll(ctx context.Context, note noting) (batches []naming.Batch, report Report, err error) {
	report, err = o.look(ctx, note, o.readAnew(ctx), func(part []naming.Batch, _ *Report) { batches = append(batches, part...) })
	return batches, report, err
}

// lookAtOnce is about how many files are told apart at the same time, where their names allow
// that: while it is found out what a file pairs with it takes several times the memory of its
// name.
const lookAtOnce = 4096

// look reads the folder. note says for how long each file has stood still, and read what
// documents name. keep is given the complete batches, part by
// part in the order of their names.
func (o *Outbox) look(ctx context.Context, note noting, read func(names []string) map[string]naming.Named, keep func([]naming.Batch, *Report)) (report Report, err error) {
	now := o.Now()
	// The ledger first: a file that is moved while the folder is being read must not
	// look as if it had come late.
	claims, moving, err := o.moving(ctx)
	if err != nil {
		return report, err
	}
	listed, err := o.list(moving, &report)
	if err != nil {
		return report, fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	seen, still := note(listed, now)
	for from, end := range o.p.Rules.Parts(seen.Len(), seen.Names(), lookAtOnce) {
		reading := o.p.Rules.Read(end-from, o.asFiles(seen, from, end, still))
		if names := reading.Unread(); len(names) > 0 {
			reading.Refer(read(names))
		}
		var lately []naming.Claim
		err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { lately, err = o.claims(tx, reading.Keys()); return err })
		if err != nil {
			return report, err
		}
		batches, waiting := reading.Group(slices.Concat(claims, lately))
		if report.Waiting == nil {
			report.Waiting = waiting
		} else {
			report.Waiting = append(report.Waiting, waiting...)
		}
		for _, w := range waiting {
			if w.For > 0 && (report.Ready == 0 || w.For < report.Ready) {
				report.Ready = w.For
			}
		}
		if o.p.Bundle == BundleNever {
			batches = o.withoutAttachments(batches, &report)
		}
		keep(batches, &report)
	}
	return report, nil
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
	gone := o.gone() // asked first: nobody takes files while a look is made
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { claiming, err = tx.Claiming(o.p.Name); return err })
	names = map[string]bool{}
	for _, t := range claiming {
		if t.Source != outboxDir {
			continue
		}
		claims = append(claims, naming.Claim{Key: t.Key, Document: t.Key, Sent: t.Created, InFlight: true})
		if gone[t.ID] {
			continue
		}
		for _, m := range t.Members {
			names[m.Name] = true
		}
	}
	return claims, names, err
}

// claims are those of keys that were taken lately or are on their way.
func (o *Outbox) claims(tx *ledger.Tx, keys iter.Seq[string]) (claims []naming.Claim, err error) {
	rows, err := tx.Claims(o.p.Name, keys, o.Now().Add(-o.p.LateWindow))
	for _, c := range rows {
		claims = append(claims, naming.Claim{Key: c.Key, Document: c.Key, Sent: c.Created, InFlight: c.Open})
	}
	return claims, err
}

// withoutAttachments keeps batches of a document alone; the others wait.
func (o *Outbox) withoutAttachments(batches []naming.Batch, report *Report) []naming.Batch {
	single := batches[:0]
	for _, b := range batches {
		if len(b.Attachments) == 0 {
			single = append(single, b)
			continue
		}
		for _, name := range append([]string{b.Document}, b.Attachments...) {
			report.Waiting = append(report.Waiting, naming.Waiting{Name: name, Key: b.Key, Reason: WaitBundle, Alarm: true, Text: NoForm})
		}
	}
	return single
}
