package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/namelist"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Refill claims the next of the batches that the last Scan found ready, as many as there
// is room for, without another look at the folder. A batch with a file that is not as it
// was then is left to the next Scan.
func (o *Outbox) Refill(ctx context.Context, ob *Observer) (claimed []string, err error) {
	if ob.by != o {
		ob.rest, ob.more = nil, 0
	}
	var report Report
	err = o.claimReady(ctx, ob, &report)
	return report.Claimed, err
}

// restMost is how many ready batches are remembered: they keep those who send busy for a
// minute or more. When an eighth of them is left it is time to look for others.
const restMost = 8192

// finding gathers what a scan finds ready, in the order in which it is claimed: what was
// seen first, then what its writer finished first, then by name. Who comes later never
// overtakes. Where the order is strict the writer's time alone counts.
type finding struct {
	ob   *Observer
	by   *Outbox
	seen *namelist.Walk // through those whose batches are still to come
	aged
	more int // were ready, come after all of aged, and are found again by a later scan
}

// add takes the batches of a part of the outbox, by name as those before it.
func (f *finding) add(batches []naming.Batch) {
	if f.batches == nil {
		f.seen, f.batches, f.ages = f.ob.seen.Walk(), batches, make([]age, 0, len(batches))
	} else {
		f.batches = append(f.batches, batches...)
	}
	for _, b := range batches {
		n, _ := f.seen.To([]byte(b.Document))
		seen := seenAs(n)
		a := age{written: seen.mtime}
		if !f.by.p.Strict {
			a.since = seen.since
		}
		f.ages = append(f.ages, a)
	}
	if len(f.batches) >= 2*f.ob.most {
		f.trim()
	}
}

// trim forgets all but the first. Who is picked up at certain moments, or goes in the strict
// order, is known as a whole: what was picked up is claimed before the next moment, and a
// corrected document passes those before it.
func (f *finding) trim() {
	if f.by.p.Pickup != nil || f.by.p.Strict || len(f.batches) <= f.ob.most {
		return
	}
	sort.Sort(f.aged)
	f.more += len(f.batches) - f.ob.most
	clear(f.batches[f.ob.most:])
	f.batches, f.ages = f.batches[:f.ob.most], f.ages[:f.ob.most]
}

// end has the observer remember what was found.
func (f *finding) end(waiting []naming.Waiting) {
	f.trim()
	var settling time.Time
	if f.by.p.Strict {
		settling = f.ob.settling(waiting)
	}
	ob := f.ob
	ob.rest, ob.more, ob.ready, ob.by = inOrder(f.aged, settling), f.more, ob.at, f.by
}

// room is how many more batches may be claimed now. What is claimed must keep the workers
// busy; everything else is better off in the outbox, where its owner sees it and a crash
// leaves nothing to recover. first is the key of a failed transfer that holds up the line
// until a corrected document comes: that one is claimed whatever else is.
func (o *Outbox) room(ctx context.Context) (n int, first string, err error) {
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) error {
		l, err := tx.Ahead(o.p.Name, o.Now(), o.p.Unsettled)
		n = max(0, min(o.p.Ahead-l.Due, o.p.Unsettled-l.Unsettled))
		if err != nil || !o.p.Strict {
			return err
		}
		head, err := tx.Head(o.p.Name)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if head.Blocks {
			first = head.Key
		}
		return err
	})
	return n, first, err
}

// claimReady records the intent to claim the first batches of the rest, in one commit.
func (o *Outbox) claimReady(ctx context.Context, ob *Observer, report *Report) error {
	if len(ob.rest) == 0 {
		return nil
	}
	room, first, err := o.room(ctx)
	if i := slices.IndexFunc(ob.rest, func(b naming.Batch) bool { return b.Key == first }); first != "" && i >= 0 {
		corrected := ob.rest[i]
		ob.rest = slices.Insert(slices.Delete(ob.rest, i, i+1), 0, corrected)
		room = max(room, 1)
	}
	if err != nil || room == 0 {
		return err
	}
	if err := o.enough(0); err != nil {
		return err
	}
	var intents []*ledger.Transfer
	for err == nil && len(intents) < room && len(ob.rest) > 0 {
		b := ob.rest[0]
		var t *ledger.Transfer
		var wait *naming.Waiting
		// The moments differ by a nanosecond, so that they are carried on in this order.
		t, wait, err = o.intent(b, ob, o.Now().Add(time.Duration(len(intents)-room)))
		switch {
		case wait != nil:
			report.Waiting = append(report.Waiting, *wait)
		case t != nil:
			intents = append(intents, t)
		}
		ob.rest = ob.rest[1:]
	}
	cerr := o.commitIntents(ctx, intents, ob, report)
	return errors.Join(err, cerr)
}

// commitIntents records all intents at once, but for those whose key somebody has put on
// its way since the scan.
func (o *Outbox) commitIntents(ctx context.Context, intents []*ledger.Transfer, ob *Observer, report *Report) error {
	if len(intents) == 0 {
		return nil
	}
	var keys []string
	var committed []*ledger.Transfer
	for _, t := range intents {
		keys = append(keys, naming.ClaimKey(t.Key))
	}
	commit := func() error {
		return o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
			claims, err := o.claims(tx, slices.Values(keys))
			if err != nil {
				return err
			}
			for _, t := range intents {
				if o.p.Rules.InFlight(t.Key, claims) {
					continue
				}
				if err := errors.Join(o.lineUp(tx, t), tx.InsertTransfer(t)); err != nil {
					return err
				}
				committed = append(committed, t)
			}
			return nil
		})
	}
	record := func() (recorded bool, err error) {
		if err := commit(); err != nil {
			return false, err
		}
		failpoint.Hit("after claim intent")
		return len(committed) > 0, nil
	}
	var made *ahead
	var err error
	if t := intents[0]; len(intents) == 1 && o.sealedAhead(t) {
		made, err = o.sealAhead(t, record)
	} else {
		_, err = record()
	}
	if err != nil {
		return err
	}
	for _, t := range committed {
		report.Claimed = append(report.Claimed, t.ID)
	}
	ob.intents, ob.made = committed, made
	return nil
}

// intent makes the transfer of a batch. It is none, with or without a reason worth
// telling, where a member cannot be opened or is not as it was seen.
func (o *Outbox) intent(b naming.Batch, ob *Observer, at time.Time) (*ledger.Transfer, *naming.Waiting, error) {
	t, err := o.newTransfer(b.Key, b.Document, outboxDir, at)
	if err != nil {
		return nil, nil, err
	}
	for name, role := range roles(b) {
		m, err := o.member(outboxDir, name, role)
		if err != nil {
			wait := notTaken(b, name, err)
			if wait == nil {
				return nil, nil, err
			}
			return nil, wait, nil
		}
		if seen, ok := ob.sighting(name); !ok || seen.size != m.Size || seen.mtime != m.MTime || seen.since > ob.ready {
			return nil, &naming.Waiting{Name: name, Key: b.Key, Reason: naming.WaitQuiet, Text: fmt.Sprintf("%q has just changed", name)}, nil
		}
		t.Members = append(t.Members, m)
	}
	return t, nil, nil
}

// roles are the files of a batch, the document first.
func roles(b naming.Batch) iter.Seq2[string, ledger.Role] {
	return func(yield func(string, ledger.Role) bool) {
		if !yield(b.Document, ledger.RoleDocument) {
			return
		}
		for _, name := range b.Attachments {
			if !yield(name, ledger.RoleAttachment) {
				return
			}
		}
		if b.Marker != "" {
			yield(b.Marker, ledger.RoleMarker)
		}
	}
}

// notTaken says of an error with a member what makes its batch wait, nil for a fault of
// ours.
func notTaken(b naming.Batch, name string, err error) *naming.Waiting {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &naming.Waiting{Name: b.Document, Key: b.Key, Reason: naming.WaitQuiet, Text: fmt.Sprintf("%q has just gone", name)}
	case fsx.InUse(err):
		return &naming.Waiting{Name: name, Key: b.Key, Reason: naming.WaitBusy, Text: fmt.Sprintf("another program has %q open", name)}
	case errors.Is(err, fs.ErrPermission):
		return &naming.Waiting{Name: name, Key: b.Key, Reason: WaitUnreadable, Alarm: true, Text: "it cannot be opened for reading: " + err.Error()}
	}
	return nil
}

// newTransfer fills in what every transfer begins with.
func (o *Outbox) newTransfer(key, document, source string, now time.Time) (*ledger.Transfer, error) {
	id, err := ledger.NewID(now, o.Rand)
	if err != nil {
		return nil, err
	}
	return &ledger.Transfer{
		ID: id, Partner: o.p.Name, Station: o.p.Station, Key: key, Document: document, Source: source,
		State: ledger.StateClaiming, Created: now.UTC(), Due: now.UTC(), DueSet: now.UTC(), Deadline: o.p.Policy.later(now, o.p.Policy.GiveUpAfter).UTC(),
		MessageID: "<" + id + "@" + host(o.p.StationAS2ID) + ">", Config: o.Config,
	}, nil
}

// host makes the right side of a Message-ID out of an AS2 name. What does not fit is left
// out, not replaced (rfc4130bis, 5.3.3).
func host(name string) string {
	s := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return -1
	}, name)
	return "as2drop." + strings.Trim(s, ".-")
}

// member notes a file as it is now. Opening it shows that we will be able to read it.
func (o *Outbox) member(dir, name string, role ledger.Role) (ledger.Member, error) {
	full := path.Join(dir, name)
	f, err := o.p.Folder.OpenFile(full, fsx.ReadOnly, 0)
	if err != nil {
		return ledger.Member{}, err
	}
	info, err := f.Stat()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return ledger.Member{}, err
	}
	id, err := o.p.Folder.Identity(full)
	if err != nil {
		return ledger.Member{}, err
	}
	return ledger.Member{Name: name, Role: role, Size: info.Size(), MTime: info.ModTime().UnixNano(), Identity: string(id)}, nil
}
