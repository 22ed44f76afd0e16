package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// publish moves the files of a received message to their final names and records it.
// It may be repeated after a crash.
func (in *Inbox) publish(ctx context.Context, p *Partner, row *ledger.Received) error {
	if row.Hold != "" {
		return fmt.Errorf("inbox: %s: message %s is held: %s", p.Name, row.MessageID, row.Hold)
	}
	original, folder := slices.Clone(row.Files), row.Folder
	for n := 2; ; n++ {
		err := in.moveAll(p, row)
		if err == nil {
			break
		}
		if !errors.Is(err, fsx.ErrTargetTaken) || n > maxKeys {
			return err
		}
		// Somebody put a file there after the name was recorded as free. What has moved
		// comes back, then the whole batch gets a new key.
		if err := in.moveBack(ctx, p, row); err != nil {
			return err
		}
		rekey(p, row, original, folder, n)
		if err := in.save(ctx, p, row); err != nil && !errors.Is(err, ledger.ErrExists) {
			return err
		}
	}
	failpoint.Hit("before published")
	row.State, row.Published = ledger.ReceivedPublished, in.Now().UTC()
	if err := in.save(ctx, p, row); err != nil {
		return err
	}
	return in.keepEvidence(p, row)
}

func (in *Inbox) save(ctx context.Context, p *Partner, row *ledger.Received) error {
	return in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SaveReceived(row, p.fold) })
}

// moveAll moves attachments first and the document last, or the whole folder.
func (in *Inbox) moveAll(p *Partner, row *ledger.Received) error {
	base := incoming(row.ID)
	if row.Folder != "" {
		return in.moveFolder(p, row, base)
	}
	for _, document := range in.order {
		for i := range row.Files {
			f := &row.Files[i]
			if f.Document != document {
				continue
			}
			err := fsx.Move(p.Folder, path.Join(base, f.Staged), path.Join(inboxDir, f.Final))
			if errors.Is(err, fsx.ErrGone) {
				f.Taken = true // it was published before a crash, and a reader took it
				err = nil
			}
			if err != nil {
				return err
			}
			failpoint.Hit("after first file")
		}
	}
	return nil
}

// moveFolder gives the staged files their names, then the folder its own.
func (in *Inbox) moveFolder(p *Partner, row *ledger.Received, base string) error {
	staged, final := path.Join(base, "batch"), path.Join(inboxDir, row.Folder)
	there, err := fsx.Exists(p.Folder, staged)
	if err != nil {
		return err
	}
	if done, err := fsx.Exists(p.Folder, final); err != nil || done && !there {
		return err
	}
	if err := fsx.MkdirAll(p.Folder, staged, dirPerm); err != nil {
		return err
	}
	for _, f := range row.Files {
		if err := fsx.Move(p.Folder, path.Join(base, f.Staged), path.Join(staged, f.Final)); err != nil {
			return err
		}
	}
	return fsx.Move(p.Folder, staged, final)
}

// moveBack takes published files of a batch back into staging. One that a reader took
// already cannot come back: then somebody has to look.
func (in *Inbox) moveBack(ctx context.Context, p *Partner, row *ledger.Received) error {
	if row.Folder != "" {
		return nil // the folder moves as a whole or not at all
	}
	base := incoming(row.ID)
	for _, f := range row.Files {
		there, err := fsx.Exists(p.Folder, path.Join(base, f.Staged))
		if err != nil {
			return err
		}
		if there {
			continue
		}
		err = fsx.Move(p.Folder, path.Join(inboxDir, f.Final), path.Join(base, f.Staged))
		if errors.Is(err, fsx.ErrGone) {
			row.Hold = fmt.Sprintf("%q was taken by a reader before its batch was complete, and another file has a name of the batch", f.Final)
			return errors.Join(errors.New(row.Hold), in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
				return errors.Join(tx.SaveReceived(row, p.fold), tx.AddEvent(ledger.Event{At: in.Now().UTC(), Level: ledger.Alarm, Partner: p.Name,
					Subject: row.ID, Code: "publish-held", Text: "message " + row.MessageID + ": " + row.Hold, Hint: "deliver the rest by hand from " + base}))
			}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keepEvidence moves what is left of the staging folder to .evidence/<id>. It may be
// repeated.
func (in *Inbox) keepEvidence(p *Partner, row *ledger.Received) error {
	base := incoming(row.ID)
	there, err := fsx.Exists(p.Folder, base)
	if err != nil || !there {
		return err
	}
	for _, name := range []string{filesDir, payloadFile} {
		if err := fsx.RemoveAll(p.Folder, path.Join(base, name)); err != nil {
			return err
		}
	}
	var reply as2.Reply
	if err := json.Unmarshal(row.Receipt, &reply); err != nil {
		return err
	}
	if err := fsx.Rewrite(p.Folder, path.Join(base, receiptFile), filePerm, rawReply(reply)); err != nil {
		return err
	}
	return fsx.Move(p.Folder, base, path.Join(evidenceDir, row.ID))
}

// rawReply is an answer as it goes over the wire.
func rawReply(r as2.Reply) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %d\r\n", r.Status)
	for _, f := range r.Header {
		b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
	}
	return append(append(b, "\r\n"...), r.Body...)
}

// Recover is called once before the first message of a process: it publishes what was
// received, and removes what a crash left in .incoming.
func (in *Inbox) Recover(ctx context.Context) error {
	for _, p := range in.partners {
		if p.Ready != nil && p.Ready() != nil {
			continue // its volume is not there; nothing of it may be touched
		}
		if err := in.recoverPartner(ctx, p); err != nil {
			return fmt.Errorf("inbox: %s: %w", p.Name, err)
		}
	}
	return nil
}

func (in *Inbox) recoverPartner(ctx context.Context, p *Partner) error {
	var rows []ledger.Received
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { rows, err = tx.Unpublished(p.Name); return err })
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].State != ledger.ReceivedReceived || rows[i].Hold != "" {
			continue
		}
		if err := in.publish(ctx, p, &rows[i]); err != nil {
			return err
		}
	}
	entries, err := p.Folder.ReadDir(incomingDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := in.recoverStaging(ctx, p, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// recoverStaging finishes or removes one folder in .incoming.
func (in *Inbox) recoverStaging(ctx context.Context, p *Partner, id string) error {
	var row ledger.Received
	var received, refused bool
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if received, refused, err = tx.Exists(id); err == nil && received {
			row, err = tx.Received(id)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case received && row.State == ledger.ReceivedPublished:
		return in.keepEvidence(p, &row)
	case received:
		return nil // held: somebody has to look
	case refused:
		return in.keepRefused(p, id)
	}
	return fsx.RemoveAll(p.Folder, incoming(id))
}
