package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Observer remembers how long files have stood still. Only two observations of its
// own count: a file's time against the clock says nothing about its writer.
type Observer struct {
	seen map[string]observation
}

type observation struct {
	size  int64
	mtime int64
	since time.Time // carries the monotonic clock
}

// NewObserver has seen nothing.
func NewObserver() *Observer { return &Observer{seen: map[string]observation{}} }

// observe notes a listing and tells for how long each file has stood still.
func (ob *Observer) observe(files []fs.FileInfo, now time.Time) []time.Duration {
	seen := make(map[string]observation, len(files))
	unchanged := make([]time.Duration, len(files))
	for i, f := range files {
		at := observation{f.Size(), f.ModTime().UnixNano(), now}
		if old, ok := ob.seen[f.Name()]; ok && old.size == at.size && old.mtime == at.mtime {
			at.since = old.since
		}
		seen[f.Name()] = at
		unchanged[i] = now.Sub(at.since)
	}
	ob.seen = seen
	return unchanged
}

// Further reasons to wait, beside those of package naming.
const (
	WaitReserved   naming.Reason = "reserved"   // the name is one of ours
	WaitUnreadable naming.Reason = "unreadable" // we may not open it
	WaitBundle     naming.Reason = "bundle"     // attachments, and the partner takes no zips
)

// Report is what a scan saw.
type Report struct {
	Claimed []string         // identifiers of new transfers
	Waiting []naming.Waiting // files that stay, and why
	Ready   time.Duration    // until a file may be ready by waiting alone; 0 = none
}

// Scan looks at the outbox, and records the intent to claim every complete batch. The
// claims themselves are made by Step.
func (o *Outbox) Scan(ctx context.Context, ob *Observer) (Report, error) {
	batches, report, err := o.look(ctx, ob.observe)
	if err != nil {
		return Report{}, err
	}
	if o.p.Strict {
		if batches, err = o.sorted(batches, report.Waiting); err != nil {
			return report, fmt.Errorf("outbox: %s: %w", o.p.Name, err)
		}
	}
	for _, b := range batches {
		if err := o.enough(0); err != nil {
			return report, err
		}
		id, wait, err := o.intend(ctx, b)
		if err != nil {
			return report, err
		}
		if wait != nil {
			report.Waiting = append(report.Waiting, *wait)
			continue
		}
		report.Claimed = append(report.Claimed, id)
	}
	return report, nil
}

// Look reports what waits and what would be claimed, and changes nothing. For want of
// earlier observations it takes the files' own times for how long they stood still.
func (o *Outbox) Look(ctx context.Context) (ready []naming.Batch, waiting []naming.Waiting, err error) {
	batches, report, err := o.look(ctx, func(files []fs.FileInfo, now time.Time) []time.Duration {
		unchanged := make([]time.Duration, len(files))
		for i, f := range files {
			unchanged[i] = now.Sub(f.ModTime())
		}
		return unchanged
	})
	return batches, report.Waiting, err
}

func (o *Outbox) look(ctx context.Context, still func([]fs.FileInfo, time.Time) []time.Duration) ([]naming.Batch, Report, error) {
	now := o.Now()
	// The ledger first: a file that is moved while the folder is being read must not
	// look as if it had come late.
	claims, moving, err := o.claims(ctx, now)
	if err != nil {
		return nil, Report{}, err
	}
	entries, err := o.p.Folder.ReadDir(outboxDir)
	if err != nil {
		return nil, Report{}, fmt.Errorf("outbox: %s: %w", o.p.Name, err)
	}
	var report Report
	var infos []fs.FileInfo
	for _, e := range entries {
		if moving[e.Name()] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, Report{}, fmt.Errorf("outbox: %s/%s: %w", o.p.Name, e.Name(), err)
		}
		infos = append(infos, info)
	}
	l := naming.Listing{Claims: claims}
	for i, unchanged := range still(infos, now) {
		f := infos[i]
		if w, ok := o.unusable(f); ok {
			report.Waiting = append(report.Waiting, w)
			continue
		}
		l.Files = append(l.Files, naming.File{Name: f.Name(), Size: f.Size(), Unchanged: unchanged, Dir: f.IsDir(),
			Busy: !f.IsDir() && o.p.Folder.Busy(path.Join(outboxDir, f.Name()))})
	}
	batches, waiting := o.p.Rules.Group(l)
	report.Waiting = append(report.Waiting, waiting...)
	for _, w := range waiting {
		if w.For > 0 && (report.Ready == 0 || w.For < report.Ready) {
			report.Ready = w.For
		}
	}
	if o.p.Bundle == BundleNever {
		batches = o.withoutZip(batches, &report)
	}
	return batches, report, nil
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

// claims are the keys that were taken lately, and the files that are being moved.
func (o *Outbox) claims(ctx context.Context, now time.Time) (claims []naming.Claim, moving map[string]bool, err error) {
	moving = map[string]bool{}
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) error {
		rows, err := tx.Claims(o.p.Name, now.Add(-o.p.LateWindow))
		if err != nil {
			return err
		}
		for _, c := range rows {
			claims = append(claims, naming.Claim{Key: c.Key, Document: c.Key, Sent: c.Created, InFlight: c.Open})
		}
		claiming, err := tx.Claiming(o.p.Name)
		for _, t := range claiming {
			if t.Source != outboxDir {
				continue
			}
			for _, m := range t.Members {
				moving[m.Name] = true
			}
		}
		return err
	})
	return claims, moving, err
}

// withoutZip keeps batches that need no zip; the others wait.
func (o *Outbox) withoutZip(batches []naming.Batch, report *Report) []naming.Batch {
	var single []naming.Batch
	for _, b := range batches {
		if len(b.Attachments) == 0 {
			single = append(single, b)
			continue
		}
		for _, name := range append([]string{b.Document}, b.Attachments...) {
			report.Waiting = append(report.Waiting, naming.Waiting{Name: name, Key: b.Key, Reason: WaitBundle, Alarm: true,
				Text: "it has attachments, and bundle: never leaves no way to send them"})
		}
	}
	return single
}

// intend records the claim of a batch. A member that cannot be opened makes all wait.
func (o *Outbox) intend(ctx context.Context, b naming.Batch) (id string, wait *naming.Waiting, err error) {
	t, err := o.newTransfer(b.Key, b.Document, outboxDir)
	if err != nil {
		return "", nil, err
	}
	members := map[string]ledger.Role{b.Document: ledger.RoleDocument}
	names := append([]string{b.Document}, b.Attachments...)
	if b.Marker != "" {
		names = append(names, b.Marker)
		members[b.Marker] = ledger.RoleMarker
	}
	for _, name := range names {
		role := members[name]
		if role == "" {
			role = ledger.RoleAttachment
		}
		m, err := o.member(outboxDir, name, role)
		if errors.Is(err, fs.ErrNotExist) {
			return "", &naming.Waiting{Name: b.Document, Key: b.Key, Reason: naming.WaitQuiet, Text: fmt.Sprintf("%q has just gone", name)}, nil
		}
		if fsx.InUse(err) {
			return "", &naming.Waiting{Name: name, Key: b.Key, Reason: naming.WaitBusy, Text: fmt.Sprintf("another program has %q open", name)}, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", &naming.Waiting{Name: name, Key: b.Key, Reason: WaitUnreadable, Alarm: true,
				Text: "it cannot be opened for reading: " + err.Error()}, nil
		}
		if err != nil {
			return "", nil, err
		}
		t.Members = append(t.Members, m)
	}
	if err := o.Ledger.Update(ctx, func(tx *ledger.Tx) error { return errors.Join(o.lineUp(tx, t), tx.InsertTransfer(t)) }); err != nil {
		return "", nil, err
	}
	failpoint.Hit("after claim intent")
	return t.ID, nil, nil
}

// newTransfer fills in what every transfer begins with.
func (o *Outbox) newTransfer(key, document, source string) (*ledger.Transfer, error) {
	now := o.Now()
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
