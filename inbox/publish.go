package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

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
		if err := in.keepRecord(p, row); err != nil {
			return err
		}
	}
	failpoint.Hit("before published")
	row.State, row.Published = ledger.ReceivedPublished, in.Now().UTC()
	if err := in.save(ctx, p, row); err != nil {
		return err
	}
	return in.keepAccepted(p, row)
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
			if err := share(p, path.Join(base, f.Staged)); err != nil {
				return err
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

// share gives a staged file or folder to those who read the inbox, before they can see
// it. What has its final name already got its rights before.
func share(p *Partner, name string) error {
	err := fsx.Grant(p.Folder, name, p.Access)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// moveFolder gives the staged files their names, then the folder its own.
func (in *Inbox) moveFolder(p *Partner, row *ledger.Received, base string) error {
	staged, final := path.Join(base, batchDir), path.Join(inboxDir, row.Folder)
	pending, err := fsx.Exists(p.Folder, staged)
	for _, f := range row.Files {
		if err == nil && !pending {
			pending, err = fsx.Exists(p.Folder, path.Join(base, f.Staged))
		}
	}
	if err != nil {
		return err
	}
	done, err := fsx.Exists(p.Folder, final)
	if err != nil {
		return err
	}
	if !pending && !done { // it was published before a crash, and a reader took it
		for i := range row.Files {
			row.Files[i].Taken = true
		}
		return nil
	}
	if pending {
		if err := fsx.MkdirAll(p.Folder, staged, dirPerm); err != nil {
			return err
		}
		for _, f := range row.Files {
			if err := fsx.Move(p.Folder, path.Join(base, f.Staged), path.Join(staged, f.Final)); err != nil {
				return err
			}
			if err := share(p, path.Join(staged, f.Final)); err != nil {
				return err
			}
		}
		if err := share(p, staged); err != nil {
			return err
		}
	}
	// Also where a process moved it that was killed before it synced.
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
