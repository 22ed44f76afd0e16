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
// It may be repeated after a crash. fresh says that the staging folder was made just now
// and holds, but for those files, what becomes evidence.
func (in *Inbox) publish(ctx context.Context, p *Partner, row *ledger.Received, fresh bool) error {
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
	if err := in.savePublished(ctx, p, row); err != nil {
		return err
	}
	if taken := func(f ledger.ReceivedFile) bool { return f.Taken }; fresh && !slices.ContainsFunc(row.Files, taken) {
		return toEvidence(p, row.ID)
	}
	return in.keepAccepted(p, row)
}

// savePublished commits that a message is in the inbox, and with that the hooks that are to
// be run because of it.
func (in *Inbox) savePublished(ctx context.Context, p *Partner, row *ledger.Received) error {
	err := in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		err := tx.SaveReceived(row, p.fold)
		for _, name := range p.AfterReceived {
			if err == nil {
				err = tx.OweHook(p.Name, ledger.HookAfterReceived, name, row.ID, in.Now())
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	failpoint.Hit("after published")
	if in.Hooked != nil && len(p.AfterReceived) > 0 {
		in.Hooked(p.Name)
	}
	return nil
}

func (in *Inbox) save(ctx context.Context, p *Partner, row *ledger.Received) error {
	return in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.SaveReceived(row, p.fold) })
}

// moveAll moves attachments first and documents last, or whole folders.
func (in *Inbox) moveAll(p *Partner, row *ledger.Received) error {
	if folders := row.ByFolder(); len(folders) > 0 {
		return moveFolders(p, row, folders)
	}
	for _, document := range in.order {
		if err := moveFiles(p, row, document); err != nil {
			return err
		}
	}
	return left(p, row)
}

// moveFiles moves the documents of a message, or what is none, and makes that durable
// before anything else follows.
func moveFiles(p *Partner, row *ledger.Received, documents bool) error {
	moved := false
	for i := range row.Files {
		f := &row.Files[i]
		if f.Document != documents {
			continue
		}
		staged := path.Join(incoming(row.ID), f.Staged)
		if err := share(p, staged); err != nil {
			return err
		}
		err := fsx.MoveUnsynced(p.Folder, staged, path.Join(inboxDir, f.Final))
		if errors.Is(err, fsx.ErrGone) {
			f.Taken = true // it was published before a crash, and a reader took it
			err = nil
		}
		if err != nil {
			return err
		}
		failpoint.Hit("after first file")
		moved = true
	}
	if !moved {
		return nil
	}
	return p.Folder.SyncDir(inboxDir)
}

// left makes it durable that the files of a message have left its staging folder: what a
// reader takes out of the inbox must not come back there.
func left(p *Partner, row *ledger.Received) error {
	dirs := []string{incoming(row.ID)}
	for _, f := range row.Files {
		if dir := path.Join(dirs[0], path.Dir(f.Staged)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := p.Folder.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
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

// moveFolders publishes one folder after the other.
func moveFolders(p *Partner, row *ledger.Received, folders [][]*ledger.ReceivedFile) error {
	for n, files := range folders {
		if err := moveFolder(p, row, stagedFolder(row, n), files); err != nil {
			return err
		}
	}
	if err := p.Folder.SyncDir(inboxDir); err != nil {
		return err
	}
	return left(p, row)
}

// stagedFolder is where the n-th folder of a message is made.
func stagedFolder(row *ledger.Received, n int) string {
	name := batchDir
	if n > 0 {
		name = fmt.Sprintf("%s-%d", batchDir, n)
	}
	return path.Join(incoming(row.ID), name)
}

// inStaging reports whether a folder, or a file that belongs into it, is not published.
func inStaging(p *Partner, row *ledger.Received, staged string, files []*ledger.ReceivedFile) (bool, error) {
	there, err := fsx.Exists(p.Folder, staged)
	for _, f := range files {
		if err == nil && !there {
			there, err = fsx.Exists(p.Folder, path.Join(incoming(row.ID), f.Staged))
		}
	}
	return there, err
}

// moveFolder gives the staged files their names, then the folder its own.
func moveFolder(p *Partner, row *ledger.Received, staged string, files []*ledger.ReceivedFile) error {
	final := path.Join(inboxDir, row.FolderOf(*files[0]))
	pending, err := inStaging(p, row, staged, files)
	if err != nil {
		return err
	}
	done, err := fsx.Exists(p.Folder, final)
	if err != nil {
		return err
	}
	if !pending && !done { // it was published before a crash, and a reader took it
		for _, f := range files {
			f.Taken = true
		}
		return nil
	}
	if pending {
		if err := p.Folder.Mkdir(staged, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Before anything is in it: what it holds would be gone with it.
		if err := p.Folder.SyncDir(path.Dir(staged)); err != nil {
			return err
		}
		for _, f := range files {
			err := fsx.MoveUnsynced(p.Folder, path.Join(incoming(row.ID), f.Staged), path.Join(staged, f.Final))
			if errors.Is(err, fsx.ErrGone) && row.Folder == "" {
				f.Taken = true // by a reader, before this folder came back from the inbox
				continue
			}
			if err != nil {
				return err
			}
			if err := share(p, path.Join(staged, f.Final)); err != nil {
				return err
			}
		}
		if err := share(p, staged); err != nil {
			return err
		}
		if err := p.Folder.SyncDir(staged); err != nil {
			return err
		}
		// Before it leaves: files that are still here say that it has not, see inStaging.
		if err := left(p, row); err != nil {
			return err
		}
	}
	// Also where a process moved it that was killed before it synced.
	return fsx.MoveUnsynced(p.Folder, staged, final)
}

// moveBack takes what was published of a message back into staging. What a reader took
// already cannot come back: then somebody has to look.
func (in *Inbox) moveBack(ctx context.Context, p *Partner, row *ledger.Received) error {
	back := func(final, staged string, there bool) error {
		if there {
			return nil
		}
		err := fsx.Move(p.Folder, path.Join(inboxDir, final), staged)
		if errors.Is(err, fsx.ErrGone) {
			return in.holdPublishing(ctx, p, row, fmt.Sprintf("%q was taken by a reader before all that came with it was there, and another file has a name of the rest", final))
		}
		return err
	}
	folders := row.ByFolder()
	if len(folders) == 1 {
		return nil // it moves as a whole or not at all
	}
	for n, files := range folders {
		staged := stagedFolder(row, n)
		there, err := inStaging(p, row, staged, files)
		if err == nil {
			err = back(row.FolderOf(*files[0]), staged, there)
		}
		if err != nil {
			return err
		}
	}
	if len(folders) > 0 {
		return nil
	}
	for _, f := range row.Files {
		staged := path.Join(incoming(row.ID), f.Staged)
		there, err := fsx.Exists(p.Folder, staged)
		if err == nil {
			err = back(f.Final, staged, there)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holdPublishing records that a message can be published by hand alone.
func (in *Inbox) holdPublishing(ctx context.Context, p *Partner, row *ledger.Received, why string) error {
	row.Hold = why
	return errors.Join(errors.New(why), in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		return errors.Join(tx.SaveReceived(row, p.fold), tx.AddEvent(ledger.Event{At: in.Now().UTC(), Level: ledger.Alarm, Partner: p.Name,
			Subject: row.ID, Code: "publish-held", Text: "message " + row.MessageID + ": " + why, Hint: "deliver the rest by hand from " + incoming(row.ID)}))
	}))
}
